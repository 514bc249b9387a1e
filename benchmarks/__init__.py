"""The figures of the design, as ratios against a baseline of the same run; printed and kept, never a test."""
