"""What reads a registry: bounded transport, trusted state, verification. The registry itself is not trusted."""
