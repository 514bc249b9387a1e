"""Who may do what: a binding is kept by version, found by name, checked against adapters, and authorises callers."""
