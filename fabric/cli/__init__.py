"""The command ``cryptlet``."""
