"""The enclave: loads measured bundles, runs them in containers, builds records and signs."""
