"""The signing child: the process that holds an enclave's keys and computes every digest that it signs."""
