"""Anchoring: the log's checkpoint is written to ledgers at an interval, by a fabric that fingerprints it.

The proof of that invocation has the signed checkpoint for its input and stands on a ledger. It lies beside the log, and
whoever has it needs nobody to see that the log was so long, with this root, at that time: a registry that shows others
another history contradicts it (docs/spec/registry.md, 7).
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from fabric.client import Call, Client
from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.errors import FabricError, Malformed, StoreError
from fabric.core.ids import InvocationId, sha256
from fabric.trust.checkpoint import read_note
from fabric.trust.fields import read_integer, read_list, read_object, read_text
from registry.files import Shelf
from registry.house.registry import Registry
from registry.log.paths import CHECKPOINT

METHOD: Final = "file"
INDEX: Final = "anchors/index.json"
KEPT: Final = 1_000
_LEDGER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_POLLS: Final = 600
_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Anchorer:
    """Anchors one registry's log.

    Attributes:
        registry: whose log.
        connect: opens a connection to the fabric.
        binding: name of a binding of the fingerprint cryptlet there.
        pause_seconds: between two looks at how far a result got.
    """

    registry: Registry
    connect: Callable[[], Client]
    binding: str
    pause_seconds: float = 1.0

    @property
    def _shelf(self) -> Shelf:
        return Shelf(self.registry.publisher.shelf.root / "log")

    async def run(self, seconds: float) -> None:
        """Anchors at an interval for ever; what fails is logged and tried again."""
        while True:
            try:
                await self.anchor()
            except FabricError as error:
                _LOG.warning("checkpoint not anchored", error=str(error))
            await asyncio.sleep(seconds)

    async def anchor(self) -> int | None:
        """Anchors the published checkpoint, unless that is done; returns its size, None where nothing was new.

        Raises:
            FabricError: the fabric refused or does not answer, or the result did not become final in time. The next
                round asks under the same key, so that nothing is anchored twice.
        """
        note = self._shelf.read(CHECKPOINT)
        if note is None:
            return None
        size, index = read_note(note.decode()).size, read_index(self._shelf.read(INDEX))
        if any(known == size for known, _ in index):
            return None
        proofs = await self._prove(note, size)
        self._shelf.put_all({anchor_path(size, ledger): proof for ledger, proof in proofs.items()})
        kept = [*index, (size, sorted(proofs))][-KEPT:]
        self._shelf.put(INDEX, _write_index(kept))
        return size

    async def _prove(self, note: bytes, size: int) -> dict[str, bytes]:
        key = f"{self.registry.book.origin[:100]}/{size}/{sha256(note).hex()[:16]}"
        async with self.connect() as fabric:
            (answer,) = (await fabric.invoke(self.binding, [Call(METHOD, note, key)])).answers
            if answer.failure is not None:
                raise StoreError(f"the fabric did not fingerprint the checkpoint: {answer.failure.message}")
            invocation = InvocationId(answer.invocation)
            for _ in range(_POLLS):
                result = await fabric.result(invocation)
                if result.anchors and all(item.status.endswith("final") for item in result.anchors):
                    return {item.ledger: await fabric.proof(invocation, item.destination) for item in result.anchors}
                await asyncio.sleep(self.pause_seconds)
        raise StoreError(f"the checkpoint of {size} entries is not final on every ledger yet")


def anchor_path(size: int, ledger: str) -> str:
    """Returns the path of a checkpoint's proof on a ledger, below the log."""
    return f"anchors/{size}.{ledger}.json"


def read_index(data: bytes | None) -> list[tuple[int, list[str]]]:
    """Reads which checkpoints were anchored where, the oldest first; raises ``Malformed``."""
    if data is None:
        return []
    return list(read_list(canonical.decode(data), _read_anchored, "anchors", KEPT))


def _read_anchored(value: JsonValue) -> tuple[int, list[str]]:
    fields = read_object(value, frozenset(("ledgers", "size")), "anchors")
    size = read_integer(fields["size"], "anchors.size", 0, 2**53 - 1)
    return size, list(read_list(fields["ledgers"], _read_ledger, "anchors.ledgers", 64))


def _read_ledger(value: JsonValue) -> str:
    name = read_text(value, "anchors.ledgers", 64)
    if not _LEDGER.fullmatch(name):
        raise Malformed("anchors.ledgers", f"expected the name of a ledger, got {name!a}")
    return name


def _write_index(items: list[tuple[int, list[str]]]) -> bytes:
    return canonical.encode([{"size": size, "ledgers": [*ledgers]} for size, ledgers in items])
