"""The enclave's side of the containers: it trusts nothing that comes out of one."""
