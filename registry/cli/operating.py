"""What an operator's commands do: approve, moderate, mirror, audit, rotate, restore."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import typer

from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError, Malformed, NotFound, VerificationError
from fabric.trust.checkpoint import open_note
from fabric.trust.policy import Policy
from fabric.trust.standing import State
from registry.book.bodies import Change, Claim
from registry.book.entry import decode_leaf, parse_entry
from registry.book.replay import replay
from registry.cli.common import known, open_api, parse, show, table, told
from registry.client.anchors import check_anchors
from registry.client.audit import audit, compare_views
from registry.client.mirror import mirror
from registry.client.reader import Reader
from registry.client.transport import open_location
from registry.client.trusted import Trusted
from registry.files import Shelf
from registry.house.founding import DATABASE, rotate_online, rotate_root
from registry.house.lock import locked
from registry.house.store import open_store
from registry.log.paths import CHECKPOINT
from registry.log.tree import read_entries, root_of
from registry.server.run import read_policy
from registry.tuf.keys import open_key, open_keys

_NOTE_BYTES = 16_384
_ROTATE = ("online", "root")


def list_pending(name: str, *, as_json: bool) -> None:
    """Lists what waits."""
    items = open_api(name).pending()
    if as_json:
        show({"pending": items}, as_json=True)
        return
    entries = [parse_entry(item.get("body")) for item in items if item.get("kind") == "entry"]
    if entries:
        table([[entry.digest.hex(), entry.kind, entry.namespace, len(entry.signatures)] for entry in entries])
    else:
        typer.echo("nothing waits", err=True)


def approve_claim(name: str, wanted: str, ceremony: Path, *, as_json: bool) -> None:
    """Signs a claim that waits, named by its namespace or its digest; raises ``NotFound`` where none does."""
    api = open_api(name)
    entries = [parse_entry(item.get("body")) for item in api.pending() if item.get("kind") == "entry"]
    claims = [entry for entry in entries if isinstance(entry.body, Claim)]
    claims = [entry for entry in claims if wanted in {entry.namespace, entry.digest.hex()}]
    if len(claims) != 1:
        several = ", ".join(entry.digest.hex() for entry in claims)
        found = f"{len(claims)} wait: approve one by its own name, of {several}" if claims else "none waits"
        raise NotFound(f"one claim of {wanted!r} was expected, {found}")
    claim = api.waiting(claims[0].digest.hex())
    claim.signers()  # before our own keys stand beside theirs
    for key in open_keys(ceremony, "authority"):
        claim = claim.signed_by(key.public, key.sign)
    assert isinstance(claim.body, Claim)  # noqa: S101 - chosen so above
    owners = [key.hex() for key in claim.body.owners.keys]
    told(api.submit(claim), as_json=as_json, done="approved", namespace=claim.namespace, owners=owners)


def drop_pending(name: str, digests: Sequence[str], ceremony: Path) -> None:
    """Has what waits forgotten, with an authority's key; raises ``NotFound`` and ``Unauthenticated``."""
    api, key = open_api(name), open_keys(ceremony, "authority")[0]
    for digest in digests:
        item = api.forget(digest, key)
        show({"forgotten": digest, "namespace": item.get("namespace")}, as_json=False)


def moderate_release(name: str, ref: str, how: tuple[str, str], ceremony: Path, *, as_json: bool) -> None:
    """Changes a release's state with the authorities' keys."""
    state, reason = how
    if state not in {State.QUARANTINED, State.ACTIVE, State.REVOKED}:
        raise Malformed("state", f"expected quarantined, active or revoked, got {state[:40]!r}")
    wanted = parse(ref, needs_version=True)
    reader = known().open(name)
    reader.refresh()
    found = reader.resolve(wanted.namespace, wanted.name, wanted.version)
    api, body = open_api(name), Change(found.listing.measurement, State(state), reason)
    entry = api.make(wanted.namespace, body, open_keys(ceremony, "authority"))
    told(api.submit(entry), as_json=as_json, done=state, ref=ref)


def mirror_registry(name: str, folder: Path) -> None:
    """Copies a registry."""
    mine = known()
    mirror(mine.open(name), open_location(mine.entry(name).url), folder, typer.echo)


def audit_registry(name: str, against: list[str], policy: Path | None) -> None:
    """Audits a registry, and compares it with other sources of its log and with what ledgers hold."""
    mine = known()
    reader = mine.open(name)
    audit(reader, typer.echo)
    if policy is not None:
        typer.echo(check_anchors(reader, _policy(policy)))
    for number, place in enumerate(against):
        other = _other(name, place, number)
        other.refresh()
        typer.echo(compare_views(reader, other))


def rotate_keys(folder: Path, what: str, places: tuple[Path, Path], threshold: int) -> None:
    """Replaces keys."""
    ceremony, new = places
    if what not in _ROTATE:
        raise Malformed("what", f"expected {' or '.join(_ROTATE)}, got {what[:40]!r}")
    if what == "online":
        rotate_online(folder, ceremony, threshold, SystemClock())
        typer.echo("the online keys are new: start the server, which signs everything with them")
        return
    rotate_root(folder, ceremony, new, threshold, SystemClock())
    typer.echo(f"the offline keys are those in {new}; readers follow by themselves. Keep the authorities' keys as well")


def restore_database(folder: Path, source: str, database: str) -> None:
    """Fills a registry's empty database from its published log.

    Raises:
        VerificationError: the published log is not signed by this registry's key, or its entries are others.
        ConfigError: the database has a log already.
        Refused: a process works on the registry.
    """
    with locked(folder):
        _restore(folder, source, database)


def _restore(folder: Path, source: str, database: str) -> None:
    place = open_location(source)

    def read(path: str, limit: int) -> bytes:
        return place.read(f"log/{path}", limit)

    checkpoint = open_note(read(CHECKPOINT, _NOTE_BYTES).decode(), open_key(folder / "keys" / "log.key").public)
    leaves = read_entries(read, 0, checkpoint.size)
    if root_of(leaves) != checkpoint.root:
        raise VerificationError("log", f"{source}: the entries do not give the signed root; take another mirror")
    replay(checkpoint.origin, [decode_leaf(leaf) for leaf in leaves])
    asyncio.run(_fill(folder, database, leaves))
    typer.echo(f"{len(leaves)} entries are back; start the server. What was logged later is lost: see the guide")


async def _fill(folder: Path, database: str, leaves: list[bytes]) -> None:
    store = open_store(database or folder / DATABASE)
    try:
        if await store.leaves(0):
            raise ConfigError(f"{folder}: the database has a log; move it away first")
        await store.append_all(0, [(decode_leaf(leaf).entry.digest, leaf) for leaf in leaves])
    finally:
        await store.aclose()


def _policy(path: Path) -> Policy:
    found = read_policy(path)
    assert found is not None  # noqa: S101 - a path was given
    return found


def _other(name: str, place: str, number: int) -> Reader:
    """Returns a reader of another source, with a memory of its own: the views must not disturb each other."""
    mine = known()
    source, clock = open_location(place), SystemClock()
    root = Shelf(mine.folders.config).read(f"roots/{name}.json")
    if root is None:
        raise ConfigError(f"no registry is trusted as {name!r}")
    state = mine.folders.state / "views" / f"{name}-{number}"
    return Reader(source, Trusted(source, root, state, mine.folders.cache / "registries"), clock)
