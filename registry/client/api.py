"""The registry's API from an author's side: signs entries and brings them, again and again until they are logged.

Signing needs the namespace's next number, which the registry tells; a false one is of no use to it, since the entry
then fits nowhere in the log. An entry that was logged meanwhile is answered with its place, so repeating is safe.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import SystemClock
from fabric.core.errors import (
    FabricError,
    Malformed,
    NotFound,
    Oversize,
    PlatformError,
    Refused,
    StoreError,
    Unauthenticated,
    Unauthorized,
    VerificationError,
)
from fabric.core.ids import Digest, parse_word, sha256
from fabric.trust.fields import read_integer
from registry.book.bodies import MAX_WHEEL_BYTES, Body, Owners, read_body
from registry.book.entry import Entry, parse_entry
from registry.book.rules import Overtaken, Unsigned
from registry.busy import Busy, TooOften, TooSlow
from registry.client.transport import Web
from registry.proof_of_key import Asked, prove
from registry.tuf.keys import Key

_TRIES: Final = 8
_PAGES: Final = 100
"""Of what waits: more than a registry keeps, and an end to one that never ends."""
_OK: Final = (200, 202)
_LAST: Final = 2**53 - 1
_ERRORS: Final[dict[str, Callable[[str], FabricError]]] = {
    **{kind.code: kind for kind in (FabricError, NotFound, Refused, Oversize, Unauthenticated, Unauthorized)},
    **{kind.code: kind for kind in (PlatformError, StoreError)},
    **{kind.code: kind for kind in (Overtaken, Unsigned, Busy, TooOften, TooSlow)},
    Malformed.code: lambda text: Malformed("the registry says", text),
    VerificationError.code: lambda text: VerificationError("registry", text),
}


@dataclass(frozen=True)
class Told:
    """What the registry says of an entry that it was given.

    Attributes:
        digest: names the entry.
        position: in the log; None while it waits.
        lacks: what it waits for, for people.
    """

    digest: Digest
    position: int | None
    lacks: str


class Api:
    """A registry's API."""

    def __init__(self, web: Web, pinned: Callable[[], str] | None = None) -> None:
        """Takes the transport.

        Args:
            web: the transport.
            pinned: says how the log is called in what the offline keys signed; None believes the registry.
        """
        self._web = web
        self._pinned = pinned

    def origin(self) -> str:
        """Returns the name of the registry's log, for which entries and proofs of keys are signed.

        Raises:
            VerificationError: it names another than it is trusted as, where a signature might be of use to it.
            StoreError: it does not answer.
        """
        told = str(self._get("api/v1/").get("origin"))
        if self._pinned is not None and told != (known := self._pinned()):
            raise VerificationError("registry", f"it calls its log {told!r}, and is trusted as {known!r}")
        return told

    def namespace(self, name: str) -> tuple[Owners, int]:
        """Returns who owns a namespace and its next number; raises ``NotFound`` and ``StoreError``."""
        value = self._get(f"api/v1/namespaces/{name}")
        body = read_body("owners", {key: value.get(key) for key in ("issuers", "keys", "threshold")})
        if not isinstance(body, Owners):
            raise Malformed("namespace", "expected owners")
        return body, read_integer(value.get("sequence"), "sequence", 0, _LAST)

    def sequence(self, name: str) -> int:
        """Returns a namespace's next number, 0 where it is not claimed."""
        try:
            return self.namespace(name)[1]
        except NotFound:
            return 0

    def make(self, namespace: str, body: Body, keys: Sequence[Key]) -> Entry:
        """Returns the namespace's next entry, signed by some keys."""
        entry = Entry(self.origin(), namespace, self.sequence(namespace), body)
        for key in keys:
            entry = entry.signed_by(key.public, key.sign)
        return entry

    def submit(self, entry: Entry, *wheels: bytes) -> Told:
        """Brings an entry, and the wheel files that the registry asks for; raises what the registry refuses with."""
        told, wants = self._told("POST", "api/v1/entries", entry, canonical.encode(entry.to_json()))
        files = {sha256(wheel): wheel for wheel in wheels}
        while wants is not None:
            if wants not in files:
                raise Refused(f"the registry waits for the wheel {wants.hex()}: publish the files, not only the entry")
            path = f"api/v1/pending/{entry.digest.hex()}/wheels/{wants.hex()}"
            told, wants = self._told("PUT", path, entry, files.pop(wants))
        return told

    def enter(self, namespace: str, body: Body, keys: Sequence[Key], *wheels: bytes) -> Told:
        """Makes an entry and brings it, again with the next number where somebody else was faster.

        Only for what stands on its own: a change of owners must be thought over when somebody else changed them.

        Raises:
            FabricError: as ``submit``; ``Overtaken`` where others were faster eight times.
        """
        for _ in range(_TRIES - 1):
            try:
                return self.submit(self.make(namespace, body, keys), *wheels)
            except Overtaken:
                continue
        return self.submit(self.make(namespace, body, keys), *wheels)

    def pending(self) -> list[JsonObject]:
        """Returns what waits at the registry, as it says."""
        found: dict[str, JsonObject] = {}
        for page in range(1, _PAGES + 1):
            value = self._get(f"api/v1/pending?page={page}").get("pending")
            items = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
            if not items:
                break
            found |= {str(item.get("digest")): item for item in items}  # what moves meanwhile is told twice
        return [*found.values()]

    def waiting(self, digest: str) -> Entry:
        """Returns an entry that waits; checks that it has this digest, and is for this registry's log."""
        value = self._get(f"api/v1/pending/{parse_word(digest, 'digest').hex()}")
        entry = parse_entry(value.get("body"))
        if entry.digest.hex() != digest:
            raise VerificationError("registry", f"asked for entry {digest}, was given {entry.digest.hex()}")
        if entry.registry != (origin := self.origin()):
            raise VerificationError("registry", f"{digest} is for the log {entry.registry!r}, this one is {origin!r}")
        return entry

    def stage(self, namespace: str, token: str, wheel: bytes) -> JsonObject:
        """Brings a wheel with a token; returns what the registry calls it; raises ``Unauthenticated`` and others."""
        status, data = self._web.ask(
            "POST", f"api/v1/staged/{namespace}", wheel, headers={"Authorization": f"Bearer {token.strip()}"}
        )
        return self._read(status, data, "staged")

    def staged(self, digest: str) -> tuple[str, JsonObject] | None:
        """Returns namespace and body of what a token brought, None where the digest names an entry."""
        value = self._get(f"api/v1/pending/{parse_word(digest, 'digest').hex()}")
        body = value.get("body")
        if value.get("kind") != "staged" or not isinstance(body, dict):
            return None
        if sha256(canonical.encode(body)).hex() != digest:
            raise VerificationError("registry", f"asked for {digest}, was given another")
        namespace = body.get("namespace")
        if not isinstance(namespace, str) or value.get("namespace") != namespace:
            raise VerificationError("registry", f"{digest} waits in another namespace than the registry says")
        return namespace, body

    def waiting_wheel(self, digest: str, key: Key) -> bytes:
        """Returns the wheel file of a release that waits, which is shown to who may sign it.

        Args:
            digest: names what waits.
            key: of an owner of the namespace, or of the registry.

        Raises:
            Unauthenticated: the key is neither, or the clocks are more than five minutes apart.
            NotFound, StoreError: it is not there, or the registry does not answer.
        """
        path, asked = f"api/v1/pending/{digest}/wheel", Asked(self.origin(), Digest(parse_word(digest, "digest")))
        status, data = self._web.ask("GET", path, None, _proven(asked, key), MAX_WHEEL_BYTES)
        if status != _OK[0]:
            self._read(status, data, path)
        return data

    def forget(self, digest: str, key: Key) -> JsonObject:
        """Has what waits forgotten, by an owner or an authority; returns it; raises as ``waiting_wheel``."""
        asked = Asked(self.origin(), Digest(parse_word(digest, "digest")), "forget")
        path = f"api/v1/pending/{digest}"
        status, data = self._web.ask("DELETE", path, None, _proven(asked, key))
        return self._read(status, data, path)

    def search(self, query: str, page: int = 1) -> JsonObject:
        """Returns what a search finds, unverified."""
        return self._get(f"api/v1/search?{urlencode({'q': query, 'page': page})}")

    def _get(self, path: str) -> JsonObject:
        return self._ask("GET", path, None)

    def _told(self, method: str, path: str, entry: Entry, body: bytes) -> tuple[Told, Digest | None]:
        value = self._ask(method, path, body)
        wheel, position = value.get("wheel"), value.get("position")
        if value.get("digest") != entry.digest.hex():  # a second owner is told this name, and signs what bears it
            raise VerificationError("registry", f"it was given entry {entry.digest.hex()} and speaks of another")
        told = Told(
            entry.digest,
            None if position is None else read_integer(position, "position", 0, _LAST),
            str(value.get("lacks")),
        )
        return told, None if wheel is None else Digest(parse_word(wheel, "wheel"))

    def _ask(self, method: str, path: str, body: bytes | None) -> JsonObject:
        status, data = self._web.ask(method, path, body)
        return self._read(status, data, path)

    def _read(self, status: int, data: bytes, path: str) -> JsonObject:
        try:
            value = canonical.decode_object(data)
        except Malformed as error:
            raise StoreError(f"{self._web.name}/{path}: status {status}, no answer of a registry: {error}") from error
        if status not in _OK:
            raise _error(value.get("error"), f"{self._web.name}: status {status}")
        return value


def _proven(asked: Asked, key: Key) -> dict[str, str]:
    return {"Authorization": prove(asked, key.public, key.sign, SystemClock().unix_seconds())}


def _error(value: JsonValue, place: str) -> FabricError:
    """Returns what the registry refused with, as an error of our own."""
    fields = value if isinstance(value, dict) else {}
    text = str(fields.get("message", ""))[:4000] or place
    return _ERRORS.get(str(fields.get("code")), Refused)(text)
