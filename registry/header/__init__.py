"""Headers: the typed stub of a bundle that a contract or a client imports at design time."""
