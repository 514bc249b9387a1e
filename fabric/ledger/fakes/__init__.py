"""A ledger in memory that keeps the rules, and one that lies on demand; both are for tests, adapter authors' too."""
