"""Messages between ledgers: what to do next is decided by pure functions, and done through pipeline and outbox."""
