"""Where bundles are published and found again by their measurement."""
