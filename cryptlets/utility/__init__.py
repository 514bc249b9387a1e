"""Utility cryptlets: stateless services with an identity of their own."""
