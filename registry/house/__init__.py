"""The registry itself: takes entries in, keeps them, publishes what follows from them."""
