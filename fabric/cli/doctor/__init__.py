"""``cryptlet doctor``: looks at everything that a fabric stands on; each finding comes with what mends it."""
