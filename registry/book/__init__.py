"""What the log's entries mean: statements, who may make them, and what follows. No IO."""
