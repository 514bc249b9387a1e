"""Protobuf at the edge: schemas, generated code, and the codec that is its only user."""
