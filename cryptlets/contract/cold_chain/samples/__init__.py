"""Sample files of a temperature logger, and the seeded generator that writes them."""
