"""The port to ledgers, the durable outbox, dispatcher, watcher, the one rule set, fakes and the conformance suite."""
