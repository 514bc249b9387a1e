"""Python client over gRPC: invoke, stream, results, proofs, blobs.

async with Client("127.0.0.1:7070", api_key="...") as fabric:
    reply = await fabric.invoke("shipments", [Call("judge", data, "shipment-1")])
"""

from fabric.client.client import Client, RemoteError
from fabric.wire.service import Answer, Call, InvokeReply, InvokeRequest, Result
from fabric.wire.status import Status

__all__ = ["Answer", "Call", "Client", "InvokeReply", "InvokeRequest", "RemoteError", "Result", "Status"]
