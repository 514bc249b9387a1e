"""Python client over gRPC: invoke, stream, results, proofs, blobs, messages between ledgers.

async with Client("127.0.0.1:7070", api_key="...") as fabric:
    reply = await fabric.invoke("shipments", [Call("judge", data, "shipment-1")])
"""

from fabric.client.client import Client, RemoteError
from fabric.wire.messages import (
    CallTaken,
    ChannelEnd,
    ChannelInfo,
    ListMessages,
    MessageCount,
    MessageInfo,
    MessageList,
    MessageStep,
    MessageTrace,
)
from fabric.wire.service import Anchor, Answer, Call, InvokeReply, InvokeRequest, Result
from fabric.wire.status import Status

__all__ = [
    "Anchor",
    "Answer",
    "Call",
    "CallTaken",
    "ChannelEnd",
    "ChannelInfo",
    "Client",
    "InvokeReply",
    "InvokeRequest",
    "ListMessages",
    "MessageCount",
    "MessageInfo",
    "MessageList",
    "MessageStep",
    "MessageTrace",
    "RemoteError",
    "Result",
    "Status",
]
