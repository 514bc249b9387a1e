"""The use case: admit, place, run, enqueue; and prove."""
