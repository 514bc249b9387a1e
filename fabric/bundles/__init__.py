"""Bundles: from a project folder to a reproducible wheel, and from any bytes to a measured bundle or ``Malformed``."""
