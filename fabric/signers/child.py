"""The key process: ``python -m fabric.signers.child DESCRIPTOR PARENT``, started by ``fabric.signers.process`` only."""

import socket
import sys
from collections.abc import Sequence
from typing import Final

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import FabricError, Malformed, Refused
from fabric.core.ids import Digest, parse_word
from fabric.signers.client import ClientSigner
from fabric.signers.files import ed25519_key, p256_key, secp256k1_key
from fabric.signers.hardening import drop_privileges, harden, renew_memory
from fabric.signers.protocol import MAX_FRAME_BYTES, SetUp, parse_set_up
from fabric.signers.transactions import Grant, parse_transaction, sign_transaction
from fabric.trust.checkpoint import Checkpoint
from fabric.trust.schemes import address_of
from fabric.wire.frames import frame, receive

MAX_TRANSACTIONS: Final = 4096


class CheckpointSigner:
    """Signs checkpoints of one log, and while it lives never two histories of it."""

    def __init__(self, key: Ed25519PrivateKey, origin: str) -> None:
        """Takes the log's key and name."""
        self._key = key
        self._origin = origin
        self._last: Checkpoint | None = None

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """Returns the signature over the checkpoint's body.

        Raises:
            Refused: another log, a smaller tree than the last one, or another root for the same size.
        """
        if checkpoint.origin != self._origin:
            message = f"checkpoint of {checkpoint.origin!r}, this key signs for {self._origin!r}"
            raise Refused(message)
        last = self._last
        if last and (checkpoint.size < last.size or (checkpoint.size == last.size and checkpoint.root != last.root)):
            message = f"checkpoint of size {checkpoint.size} contradicts the signed one of size {last.size}"
            raise Refused(message)
        self._last = checkpoint
        return self._key.sign(checkpoint.body)


class AccountSigner:
    """Signs transactions of one account within its grant."""

    def __init__(self, key: coincurve.PrivateKey, grant: Grant) -> None:
        """Takes the account's key and what it may be used for."""
        self._key = key
        self._grant = grant

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return address_of(self._key.public_key.format(compressed=False))

    def sign(self, values: Sequence[JsonValue]) -> list[bytes]:
        """Returns raw transactions in order; signs none when one of them is refused.

        Raises:
            Refused: a transaction outside the grant.
            Malformed: not a transaction.
        """
        transactions = [parse_transaction(value) for value in values]
        for transaction in transactions:
            self._grant.check(transaction)
        return [sign_transaction(transaction, self._key) for transaction in transactions]


class KeyHolder:
    """Answers requests; ``answer`` maps any bytes to a JSON reply."""

    def __init__(self, set_up: SetUp) -> None:
        """Reads the key files; raises ``ConfigError``."""
        checkpoint, account, client = set_up.checkpoint, set_up.account, set_up.client
        self._checkpoint = CheckpointSigner(ed25519_key(checkpoint.path), checkpoint.origin) if checkpoint else None
        self._account = AccountSigner(secp256k1_key(account.path), account.grant) if account else None
        self._client = ClientSigner(p256_key(client.path), client.grant) if client else None

    def describe(self) -> JsonObject:
        """Returns the public keys."""
        return {
            "checkpoint": self._checkpoint.public_key.hex() if self._checkpoint else None,
            "account": self._account.address.hex() if self._account else None,
            "client": self._client.public_key.hex() if self._client else None,
        }

    def answer(self, request: bytes) -> JsonObject:
        """Returns ``{"ok": ...}`` or ``{"error": {code, message}}``; never raises for what was asked."""
        try:
            return {"ok": self._dispatch(canonical.decode_object(request, max_bytes=MAX_FRAME_BYTES))}
        except FabricError as error:
            return {"error": {"code": error.code, "message": str(error)}}

    def _dispatch(self, request: JsonObject) -> JsonValue:
        operation = request.get("op")
        if operation == "sign_checkpoint" and set(request) == {"op", "origin", "size", "root"}:
            return self._sign_checkpoint(request)
        if operation == "sign_transactions" and set(request) == {"op", "transactions"}:
            return self._sign_transactions(request["transactions"])
        if operation == "sign_proposal" and set(request) == {"op", "invocation"}:
            return self._of_client.sign_proposal(request["invocation"])
        if operation == "sign_endorsed" and set(request) == {"op", "invocation", "endorsed"}:
            return self._of_client.sign_transaction(request["invocation"], request["endorsed"])
        if operation == "sign_query" and set(request) == {"op", "query"}:
            return self._of_client.sign_query(request["query"])
        raise Malformed("signer request", "no operation of this key process")

    @property
    def _of_client(self) -> ClientSigner:
        if self._client is None:
            message = "this key process holds no client's key"
            raise Refused(message)
        return self._client

    def _sign_checkpoint(self, request: JsonObject) -> JsonValue:
        if self._checkpoint is None:
            message = "this key process holds no checkpoint key"
            raise Refused(message)
        origin, size = request["origin"], request["size"]
        if not isinstance(origin, str) or type(size) is not int or size < 0:
            raise Malformed("signer request", "origin is text, size an unsigned integer")
        root = Digest(parse_word(request["root"], "signer request.root"))
        return self._checkpoint.sign(Checkpoint(origin, size, root)).hex()

    def _sign_transactions(self, values: JsonValue) -> JsonValue:
        if self._account is None:
            message = "this key process holds no account key"
            raise Refused(message)
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_TRANSACTIONS:
            raise Malformed("signer request", f"expected 1 to {MAX_TRANSACTIONS} transactions")
        return [raw.hex() for raw in self._account.sign(values)]


def serve(stream: socket.socket) -> None:
    """Serves the peer until it closes; any ill-formed frame ends the process."""
    first = receive(stream, MAX_FRAME_BYTES)
    if first is None:
        return
    try:
        holder = KeyHolder(parse_set_up(canonical.decode(first)))
        drop_privileges()  # after the key files: they may lie below folders of another user
    except FabricError as error:
        _send(stream, {"error": {"code": error.code, "message": str(error)}})
        return
    _send(stream, {"ok": holder.describe()})
    while (request := receive(stream, MAX_FRAME_BYTES)) is not None:
        _send(stream, holder.answer(request))


def main(arguments: Sequence[str]) -> None:
    """Hardens the process, then serves the inherited socket."""
    descriptor, parent = int(arguments[0]), int(arguments[1])
    harden(parent)
    renew_memory()
    with socket.socket(fileno=descriptor) as stream:
        serve(stream)


def _send(stream: socket.socket, value: JsonObject) -> None:
    stream.sendall(frame(canonical.encode(value)))


if __name__ == "__main__":
    main(sys.argv[1:])
