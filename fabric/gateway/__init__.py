"""Composition root: configuration, the app that constructs everything, and the gRPC door."""
