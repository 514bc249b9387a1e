"""What is current: TUF metadata (python-tuf), its writer and its reader."""
