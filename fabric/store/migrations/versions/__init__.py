"""The steps, oldest first. A released step never changes."""
