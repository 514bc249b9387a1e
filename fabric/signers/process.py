"""The handle on a key process: typed signing operations, any number in flight, answered in order.

The keys live in the child only. It ends with the process that started it; it cannot be read by its siblings.
"""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import ConfigError, FabricError, Malformed, Refused, SigningFailed
from fabric.core.ids import Digest
from fabric.signers.proposals import Endorsed, Invocation
from fabric.signers.protocol import MAX_FRAME_BYTES, AccountKey, CheckpointKey, ClientKey, SetUp
from fabric.signers.queries import Query
from fabric.signers.transactions import Eip1559Fields, write_transaction
from fabric.trust.fields import read_base64
from fabric.wire.frames import frame, read_frame


@dataclass(frozen=True)
class Signed:
    """Bytes that the key process made of typed fields, and its signature over them."""

    data: bytes
    signature: bytes


class KeyProcess:
    """One child process with up to three keys. Start it with ``start``; safe to use concurrently."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Takes a started child; use ``start``."""
        self._process = process
        self._reader, self._writer = streams
        self._waiting: deque[asyncio.Future[JsonValue]] = deque()
        self._checkpoint_key = b""
        self._address = b""
        self._client_key = b""
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        *,
        checkpoint: CheckpointKey | None = None,
        account: AccountKey | None = None,
        client: ClientKey | None = None,
    ) -> Self:
        """Starts the child and reads the public keys; missing key files are created by the child.

        Raises:
            ConfigError: a key file cannot be used.
            SigningFailed: the child ended before it answered.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "fabric.signers.child"),
                *(str(theirs.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={},
                start_new_session=True,
            )
        streams = await asyncio.open_connection(sock=ours, limit=1 << 20)
        started = cls(process, streams)
        try:
            await started._set_up(SetUp(checkpoint, account, client))
        except FabricError:
            await started.aclose()
            raise
        return started

    @property
    def pid(self) -> int:
        """The child's pid (of its guardian, which ends as the holder of the keys ends)."""
        return self._process.pid

    @property
    def checkpoint_key(self) -> bytes:
        """The log's public key, 32 bytes; empty where the process holds none."""
        return self._checkpoint_key

    @property
    def address(self) -> bytes:
        """The account's address, 20 bytes; empty where the process holds none."""
        return self._address

    @property
    def client_key(self) -> bytes:
        """The client's public key, SubjectPublicKeyInfo in DER; empty where the process holds none."""
        return self._client_key

    async def sign_checkpoint(self, origin: str, size: int, root: Digest) -> tuple[bytes, bytes]:
        """Returns the log's public key and its signature over the checkpoint's body.

        Raises:
            Refused: another log, or a checkpoint that contradicts one signed before.
            SigningFailed: the child is gone.
        """
        request: JsonObject = {"op": "sign_checkpoint", "origin": origin, "size": size, "root": root.hex()}
        return self._checkpoint_key, _bytes(await self._ask(request))

    async def sign_transaction(self, transaction: Eip1559Fields) -> bytes:
        """Returns one raw signed transaction; raises as ``sign_transactions``."""
        return (await self.sign_transactions([transaction]))[0]

    async def sign_transactions(self, transactions: Sequence[Eip1559Fields]) -> list[bytes]:
        """Returns raw signed transactions in order, in one round trip; all of them or none.

        Raises:
            Refused: a transaction outside the account's grant.
            SigningFailed: the child is gone.
        """
        values: list[JsonValue] = [write_transaction(transaction) for transaction in transactions]
        answer = await self._ask({"op": "sign_transactions", "transactions": values})
        assert isinstance(answer, list)  # noqa: S101 - our own child's answer
        return [_bytes(item) for item in answer]

    async def sign_proposal(self, invocation: Invocation) -> Signed:
        """Returns the proposal of an invocation; raises ``Refused`` outside the grant, ``SigningFailed``."""
        return _signed(await self._ask({"op": "sign_proposal", "invocation": invocation.to_json()}))

    async def sign_endorsed(self, invocation: Invocation, endorsed: Endorsed) -> bytes:
        """Returns the envelope of an endorsed invocation; raises as ``sign_proposal``."""
        request: JsonObject = {
            "op": "sign_endorsed",
            "invocation": invocation.to_json(),
            "endorsed": endorsed.to_json(),
        }
        return read_base64(await self._ask(request), "envelope")

    async def sign_query(self, query: Query) -> Signed:
        """Returns a signed question; raises as ``sign_proposal``."""
        return _signed(await self._ask({"op": "sign_query", "query": query.to_json()}))

    async def aclose(self) -> None:
        """Ends the child; idempotent."""
        self._writer.close()
        if self._process.returncode is None:
            # Its peer's closing ends it; it holds nothing that a kill could lose.
            await self._process.wait()
        await self._task

    async def _set_up(self, set_up: SetUp) -> None:
        answer = await self._ask(set_up.to_json())
        assert isinstance(answer, dict)  # noqa: S101 - our own child's answer
        self._checkpoint_key = _bytes(answer["checkpoint"] or "")
        self._address = _bytes(answer["account"] or "")
        self._client_key = _bytes(answer["client"] or "")

    async def _ask(self, request: JsonObject) -> JsonValue:
        if self._task.done():
            message = "the key process is gone"
            raise SigningFailed(message)
        future: asyncio.Future[JsonValue] = asyncio.get_running_loop().create_future()
        # No await between the two: answers come in the order of the writes.
        self._waiting.append(future)
        self._writer.write(frame(canonical.encode(request)))
        return await future

    async def _read(self) -> None:
        """Hands each answer to the request that waits longest; fails all when the child is gone."""
        try:
            while (answer := await read_frame(self._reader, MAX_FRAME_BYTES)) is not None:
                _settle(self._waiting.popleft(), canonical.decode_object(answer))
        except (Malformed, ConnectionError):
            self._writer.close()
        for future in self._waiting:
            if not future.done():
                future.set_exception(SigningFailed("the key process is gone"))
        self._waiting.clear()


_ERRORS: dict[str, type[FabricError]] = {"config": ConfigError, "refused": Refused}


def _settle(future: asyncio.Future[JsonValue], answer: JsonObject) -> None:
    if future.done():
        return  # its asker was cancelled
    error = answer.get("error")
    if isinstance(error, dict):
        kind = _ERRORS.get(str(error["code"]), SigningFailed)
        future.set_exception(kind(str(error["message"])))
    else:
        future.set_result(answer["ok"])


def _signed(value: JsonValue) -> Signed:
    assert isinstance(value, dict)  # noqa: S101 - our own child's answer
    return Signed(read_base64(value["signed"], "signed"), read_base64(value["signature"], "signature"))


def _bytes(value: JsonValue) -> bytes:
    return bytes.fromhex(str(value))
