"""A gRPC method as both sides see it: how its messages are spelled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """A gRPC method: how its messages are spelled, and whether both sides stream."""

    encode_request: Callable[[Any], bytes]
    decode_request: Callable[[bytes], Any]
    encode_reply: Callable[[Any], bytes]
    decode_reply: Callable[[bytes], Any]
    streaming: bool = False
