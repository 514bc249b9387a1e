"""The cryptlets that ship in the box. They see `fabric.sdk` and nothing else of the platform."""
