"""``cryptlet demo``: the main job from end to end, through the same commands and calls that everybody uses."""
