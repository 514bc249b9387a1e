"""A cryptlet that misbehaves, for tests of the sandbox and of what a caller is told."""
