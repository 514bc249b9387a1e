"""A registry of a test's own: founded in a folder, with publishers, and readers that trust its first root."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.bundles.bundle import Bundle, pack, read_bundle
from fabric.bundles.layout import Parts
from fabric.core.clock import Clock, SystemClock
from fabric.core.ids import sha256
from fabric.trust.standing import State
from registry.book.bodies import Body, Change, Claim, Owners, Release
from registry.book.book import Book
from registry.book.effects import carry_out
from registry.book.entry import Entry, Leaf
from registry.client.reader import Reader
from registry.client.transport import Folder, Source
from registry.client.trusted import Trusted
from registry.house.founding import Plan, found, open_house
from registry.house.registry import Outcome, Registry
from registry.publish import Publisher, sign_publication
from registry.tuf.keys import Key, open_keys
from tests.support.projects import SOURCE, TOML

ORIGIN: Final = "registry.test/one"


@dataclass(frozen=True)
class Person:
    """Somebody with a key, made from a name."""

    name: str

    @cached_property
    def key(self) -> Key:
        return Key(Ed25519PrivateKey.from_private_bytes(sha256(f"test/person/{self.name}".encode())))

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.key.private)


ALICE, BOB, MALLORY = Person("alice"), Person("bob"), Person("mallory")


def owners(*people: Person, threshold: int = 1) -> Owners:
    """Returns what a namespace of these people says."""
    return Owners(tuple(sorted(person.key.public for person in people)), threshold)


def wheel(
    name: str = "greeter",
    version: str = "1.0.0",
    source: str = SOURCE,
    readme: str = "",
    capabilities: str = "[]",
    namespace: str = "",
) -> bytes:
    """Returns the wheel of a small project, without running its code."""
    package = name.replace("-", "_")
    methods = {"greet": {"description": "Greets.", "input": {"type": "object"}, "output": {"type": "object"}}}
    toml = f"capabilities = {capabilities}\n" if capabilities != "[]" else ""
    toml += TOML.format(name=name, version=version, package=package)
    if namespace:
        toml = toml.replace('description = "Greets."', f'description = "Greets."\nnamespace = "{namespace}"')
    if readme:
        toml = toml.replace('description = "Greets."', 'description = "Greets."\nreadme = "README.md"')
    text = json.dumps(methods, separators=(",", ":"), sort_keys=True).encode()
    return pack(Parts(toml.encode(), text, {f"{package}/__init__.py": source.encode()}, readme.encode() or None))


def release(data: bytes, person: Person, *, staged: bool = False) -> Release:
    """Returns the body that publishes a wheel."""
    return Release(sign_publication(read_bundle(data), person.publisher), len(data), staged)


@dataclass
class House:
    """A founded registry that is open.

    Attributes:
        folder: it and the ceremony's keys lie here.
        registry: the registry.
        clock: its clock.
    """

    folder: Path
    registry: Registry
    clock: Clock
    authorities: list[Key] = field(default_factory=list)

    @property
    def public(self) -> Path:
        return self.folder / "registry" / "public"

    @property
    def root(self) -> bytes:
        return (self.folder / "ceremony" / "root.json").read_bytes()

    def entry(self, namespace: str, body: Body, *people: Person, keys: Iterable[Key] = ()) -> Entry:
        """Returns the namespace's next entry, signed."""
        holding = self.registry.book.holdings.get(namespace)
        made = Entry(ORIGIN, namespace, holding.sequence if holding else 0, body)
        for key in (*(person.key for person in people), *keys):
            made = made.signed_by(key.public, key.sign)
        return made

    async def claim(self, namespace: str, *people: Person, threshold: int = 1) -> Outcome:
        """Claims a namespace, with the authorities' approval."""
        body = Claim(owners(*people, threshold=threshold))
        return await self.registry.submit(self.entry(namespace, body, *people, keys=self.authorities))

    async def publish(self, namespace: str, data: bytes, person: Person) -> Bundle:
        """Publishes a wheel."""
        outcome = await self.registry.submit(self.entry(namespace, release(data, person), person))
        if outcome.wheel:
            outcome = await self.registry.take_wheel(outcome.digest, outcome.wheel, data)
        assert outcome.position is not None
        return read_bundle(data)

    async def change(
        self, bundle: Bundle, state: State, reason: str, person: Person, namespace: str = "acme"
    ) -> Outcome:
        """Changes a bundle's state."""
        body = Change(bundle.measurement, state, reason)
        return await self.registry.submit(self.entry(namespace, body, person))

    async def force(self, entry: Entry) -> None:
        """Logs an entry as somebody would who has the server and its keys: without asking the rules."""
        leaf = Leaf(entry, self.registry.book.logged)
        await self.registry.store.append(self.registry.book.size, entry.digest, leaf.encoded)
        carry_out(self.registry.book, leaf)
        self.registry.book.size += 1
        self.registry.leaves.append(leaf.encoded)
        self.registry.publisher.publish(self.registry.book, self.registry.leaves)

    def reader(self, name: str = "reader", source: Source | None = None, root: bytes | None = None) -> Reader:
        """Returns a reader that trusts the first root and remembers in a folder of its own."""
        state, cache = self.folder / name / "state", self.folder / name / "cache"
        place = source or Folder(self.public)
        return Reader(place, Trusted(place, root or self.root, state, cache), self.clock)


def admit_all(book: Book, entry: Entry) -> None:
    """Adds nothing to the rules of the log."""


@asynccontextmanager
async def opened(
    folder: Path, clock: Clock | None = None, lifetime: int = 3_600, database: str = ""
) -> AsyncIterator[House]:
    """Opens the registry of a folder, which is founded if it is not there."""
    clock = clock or SystemClock()
    if not (folder / "registry").exists():
        await found(Plan(folder / "registry", folder / "ceremony", ORIGIN, database=database), clock)
    with open_house(folder / "registry", clock, admit_all, database, lifetime) as registry:
        try:
            await registry.load()
            yield House(folder, registry, clock, open_keys(folder / "ceremony", "authority"))
        finally:
            await registry.aclose()
