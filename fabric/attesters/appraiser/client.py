"""The appraiser as its users see it: start the process, have evidence appraised, have key states signed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fabric.attesters.appraiser.files import AppraiserFolder
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import AttestationFailed, Malformed
from fabric.core.ids import DestinationId, parse_word
from fabric.signers.spawn import Spawned, spawn
from fabric.trust.attestation import KeySet, KeyStatus
from fabric.trust.fields import read_hex, read_list, read_object
from fabric.trust.proof import Attestation, parse_attestation
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import ADDRESS_BYTES, Signature, parse_signature
from fabric.wire.local import Line

MAX_REPLY_BYTES: Final = 256 << 10
_MAX_SIGNATURES: Final = 2


@dataclass(frozen=True)
class Appraised(Attestation):
    """An attestation with the evidence that it rests on.

    Attributes:
        evidence: canonical JSON; its SHA-256 is ``result.evidence``.
    """

    evidence: bytes


class AppraiserClient:
    """Talks to one appraiser over its socket."""

    def __init__(self, socket: Path) -> None:
        """Connects when first asked."""
        self._line = Line(socket, MAX_REPLY_BYTES)

    async def describe(self) -> KeySet:
        """Returns the appraiser's public keys, as it says; compare them with what is pinned."""
        return _keys(await self._ask({"op": "describe"}))

    async def appraise(
        self, get_evidence: Callable[[bytes], Awaitable[bytes]], destinations: Sequence[DestinationId]
    ) -> Appraised:
        """Has an enclave appraised: fresh nonce, evidence, judgement.

        Args:
            get_evidence: makes evidence for a nonce; an enclave's ``evidence``.
            destinations: ids of the destinations where its keys shall count.

        Raises:
            AttestationFailed: the appraiser refused; names the line of its policy that is not met.
            PlatformError: the appraiser does not answer.
        """
        nonce = parse_word(await self._ask({"op": "nonce"}), "appraiser reply.nonce")
        evidence = await get_evidence(nonce)
        request: JsonObject = {
            "op": "appraise",
            "nonce": nonce.hex(),
            "evidence": evidence.decode(errors="replace"),
            "destinations": [item.hex() for item in destinations],
        }
        found = parse_attestation(await self._ask(request))
        return Appraised(found.result, found.destinations, found.signatures, evidence)

    async def sign_key_status(self, status: KeyStatus) -> tuple[Signature, ...]:
        """Has an operator's decision signed: an enclave's keys retire or are revoked.

        Raises:
            AttestationFailed: refused.
            PlatformError: the appraiser does not answer.
        """
        answer = await self._ask({"op": "key_status", "status": status.encoded.hex()})
        return read_list(answer, parse_signature, "appraiser reply", _MAX_SIGNATURES)

    async def sign_code_revocation(self, revocation: CodeRevocation) -> tuple[Signature, ...]:
        """Has an operator's decision signed: results of a bundle do not count from a time on; raises as above."""
        answer = await self._ask({"op": "code_revocation", "revocation": revocation.encoded.hex()})
        return read_list(answer, parse_signature, "appraiser reply", _MAX_SIGNATURES)

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        await self._line.aclose()

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connection."""
        await self.aclose()

    async def _ask(self, request: JsonObject) -> JsonValue:
        reply = canonical.decode_object(await self._line.ask(canonical.encode(request)), max_bytes=MAX_REPLY_BYTES)
        error = reply.get("error")
        if isinstance(error, dict):
            message = f"the appraiser refused: {error.get('message')}"
            raise AttestationFailed(message)
        if "ok" not in reply:
            raise Malformed("appraiser reply", "expected ok or error")
        return reply["ok"]


@dataclass(frozen=True)
class AppraiserProcess:
    """A running appraiser.

    Attributes:
        folder: its folder; ``folder.socket`` is where it listens.
        keys: its public keys.
        pid: the process that holds the keys.
    """

    folder: AppraiserFolder
    keys: KeySet
    pid: int
    spawned: Spawned

    def client(self) -> AppraiserClient:
        """Returns a new connection to it."""
        return AppraiserClient(self.folder.socket)

    async def aclose(self) -> None:
        """Ends it; idempotent."""
        await self.spawned.aclose()


async def launch_appraiser(folder: Path) -> AppraiserProcess:
    """Starts an appraiser in its folder, which holds ``policy.json``; missing key files are created by it.

    Raises:
        ConfigError: policy or key files cannot be used.
        PlatformError: it did not start.
    """
    place = AppraiserFolder.prepare(folder)
    spawned = await spawn("fabric.attesters.appraiser", {"folder": str(place.path)}, place.log)
    ready = read_object(spawned.ready, frozenset({"address", "ed25519", "pid"}), "ready line")
    pid = ready["pid"]
    assert isinstance(pid, int)  # noqa: S101 - our own process's ready line
    return AppraiserProcess(place, _keys({name: ready[name] for name in ("address", "ed25519")}), pid, spawned)


def _keys(value: JsonValue) -> KeySet:
    fields = read_object(value, frozenset({"address", "ed25519"}), "appraiser keys")
    return KeySet(
        parse_word(fields["ed25519"], "appraiser keys.ed25519"),
        read_hex(fields["address"], "appraiser keys.address", ADDRESS_BYTES),
    )
