"""How a deployment and its client are, for people (``fabric.ledger.health``)."""

from adapters.hyperledger.client.blocks import Block
from adapters.hyperledger.client.identity import WARN_SECONDS, Client
from fabric.core.canonical import JsonObject

_DAY: int = 86_400


def health(newest: Block, client: Client, now: int) -> JsonObject:
    """Returns the newest block, all of which is final, and how long the client's certificate still is valid."""
    left = client.seconds_left(now)
    facts: JsonObject = {"head": newest.number, "final": newest.number, "client": client.identity.msp}
    facts |= {"certificate_ends": client.not_after, "certificate_days_left": left // _DAY}
    if left < WARN_SECONDS:
        facts["certificate_warning"] = warning(client, now)
    return facts


def warning(client: Client, now: int) -> str:
    """Returns what to do about a certificate that ends soon, or has ended."""
    left = client.seconds_left(now) // _DAY
    when = f"ends in {left} days" if client.not_after >= now else "has ended: nothing can be prepared"
    return f"the client's certificate of {client.identity.msp} {when}; have its authority renew it for the same key"
