"""The client: how the fabric uses a channel, through the gateway of a peer."""
