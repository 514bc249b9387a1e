"""The transparency log: C2SP tlog-tiles over static files, its writer and its readers."""
