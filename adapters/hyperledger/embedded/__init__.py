"""An execute-order-validate ledger in one process that serves the real Gateway protocol, for development."""
