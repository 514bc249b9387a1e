"""Attesters, which produce evidence, and the appraiser's process, which judges it."""
