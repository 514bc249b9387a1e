"""Keys on disk and in processes of their own: hardening, key files, typed signing."""
