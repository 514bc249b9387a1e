"""Rules: which entry may come next. The numbers are those of docs/spec/registry.md, section 3.

1.  The entry is for this log, has the namespace's next number, and is no longer than an entry may be, signed as it is.
2.  Every signature holds, and is of a key that may speak here: an owner's, one that is to become an owner, or an
    authority's (the owners of the namespace ``registry``).
3.  ``claim``: a namespace is claimed once, for ever. The new owners sign as their own threshold asks, and so do the
    authorities; the log's first entry is the claim of ``registry`` itself, and nothing else can be.
4.  ``owners``: as many present owners sign as the threshold asks, one at least, and as many new ones as theirs. None
    of the new keys is one that was lost. A namespace without owners stays closed.
5.  ``release``: as many owners sign as the threshold asks, two where it was staged; the publication is signed by one of
    them. Name and version were never given before, and the bundle is nowhere else.
6.  ``change``: an owner deprecates, yanks, revokes, or takes the first two back; an authority puts a bundle into
    quarantine and takes it out; as many authorities as their threshold asks revoke. What is revoked stays so.
7.  ``compromise``: as many other owners say it as the threshold asks, or as many authorities as theirs: whoever has
    fewer keys than the threshold gets rid of no owner. The last authority stays.
8.  ``rebuild``: an owner of another namespace than the bundle's, once; again where the first word was a thief's.
9.  ``link``: the owner that it names signs, and the account in it signed for that owner. ``service``: an owner;
    its document says the same name and version, which were never given before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fabric.core import canonical
from fabric.core.errors import Malformed, Refused
from fabric.trust.standing import State
from registry.book.accounts import parse_link
from registry.book.bodies import Change, Claim, Compromise, Link, Owners, Rebuild, Release, Service
from registry.book.book import Book, Holding
from registry.book.entry import MAX_ENTRY_BYTES, MAX_SIGNATURES, ROOT, Entry
from registry.book.words import rank
from registry.data_service import read_data_service
from registry.names import parse_name

_STAGED_KEYS: Final = 2


class Unsigned(Refused):
    """An entry that lacks signatures, and nothing else that was looked at before them."""

    code = "unsigned"


class Overtaken(Refused):
    """An entry of a registry whose number was given to another meanwhile: sign it again with the next one."""

    code = "overtaken"


@dataclass(frozen=True)
class _Case:
    """An entry before the rules of its kind.

    Attributes:
        book: the log so far.
        entry: the entry.
        signers: keys whose signatures hold.
        holding: the namespace; None where it is not claimed.
        by_owners: how many owners signed.
        by_authorities: how many authorities signed.
    """

    book: Book
    entry: Entry
    signers: frozenset[bytes]
    holding: Holding | None
    by_owners: int
    by_authorities: int

    @property
    def place(self) -> str:
        """What it is about, for messages."""
        return f"{self.entry.kind} in namespace {self.entry.namespace!r}"

    @property
    def held(self) -> Holding:
        """The namespace; raises ``NotFound``."""
        return self.book.holding(self.entry.namespace)

    @property
    def by_quorum(self) -> bool:
        """Whether the authorities signed as their threshold asks."""
        owners = self.book.authorities()
        return bool(owners.keys) and self.by_authorities >= owners.threshold


def check(book: Book, entry: Entry) -> None:
    """Says whether an entry may come next, and changes nothing.

    Raises:
        Malformed: a signature does not hold, or a name is none.
        Overtaken: its number is not the namespace's next.
        Refused: the rules forbid it; the message says which and what it takes.
        NotFound: it speaks of something that is not there.
    """
    if entry.registry != book.origin:
        raise Refused(f"the entry is signed for the log {entry.registry!r}, this one is {book.origin!r}")
    if not book.is_next(entry):
        holding = book.holdings.get(entry.namespace)
        number = holding.sequence if holding else 0
        raise Overtaken(
            f"{entry.kind}: namespace {entry.namespace!r} has {number} entries, this one is signed as number"
            f" {entry.sequence}: somebody else was faster, or it was logged before; read the namespace again, then sign"
        )
    case = _case(book, entry)
    _check_size(case)
    _check_signers(case)
    _RULES[type(entry.body)](case, entry.body)


def _case(book: Book, entry: Entry) -> _Case:
    signers = entry.signers()
    holding = book.holdings.get(entry.namespace)
    owners = set(holding.owners.keys) if holding else set()
    authorities = set(book.authorities().keys)
    return _Case(book, entry, signers, holding, len(signers & owners), len(signers & authorities))


def _check_size(case: _Case) -> None:
    """Rule 1. Signatures come one after the other: an entry that fits in each part may not fit as a whole."""
    size, count = len(canonical.encode(case.entry.to_json())), len(case.entry.signatures)
    if size > MAX_ENTRY_BYTES:
        raise Refused(
            f"{case.place}: it has {size} bytes with its signatures, and may have {MAX_ENTRY_BYTES}: state less"
        )
    if count > MAX_SIGNATURES:
        raise Refused(f"{case.place}: {count} signatures, and it may have {MAX_SIGNATURES}: fewer suffice")


def _check_signers(case: _Case) -> None:
    """Rule 2. A signature that counts for nothing could be added or taken away by anybody."""
    known = set(case.book.authorities().keys) | (set(case.holding.owners.keys) if case.holding else set())
    body = case.entry.body
    joining = body.owners if isinstance(body, Claim) else body if isinstance(body, Owners) else None
    known |= set(joining.keys) if joining else set()
    strangers = sorted(case.signers - known)
    if strangers:
        lost = case.holding.lost.get(strangers[0]) if case.holding else None
        why = "owns it no more, it is in wrong hands" if lost is not None else "neither owns it nor is an authority"
        owned = ", ".join(key.hex() for key in case.holding.owners.keys) if case.holding else "nobody"
        raise Refused(f"{case.place}: the key {strangers[0].hex()} {why}; its owners: {owned or 'none, it is closed'}")
    if not case.signers:
        raise Refused(f"{case.place}: nobody signed it")


def _claim(case: _Case, body: Claim) -> None:
    name = case.entry.namespace
    if case.holding is not None:
        raise Refused(
            f"the namespace {name!r} was claimed at position {case.holding.claimed} and is given to nobody else"
        )
    if not body.owners.keys:
        raise Refused(f"{case.place}: without a key")
    _demand(case, len(case.signers & set(body.owners.keys)), body.owners.threshold, "new owners")
    if not case.book.size:
        if name != ROOT:
            raise Refused(f"the log's first entry is the claim of {ROOT!r}, not of {name!r}")
        return
    if not case.by_quorum:
        threshold = case.book.authorities().threshold
        raise Unsigned(
            f"the namespace {name!r} waits for its approval: {case.by_authorities} of {threshold} authorities signed;"
            " `cryptlet registry approve` is theirs to run"
        )


def _owners(case: _Case, body: Owners) -> None:
    held = case.held
    for key in body.keys:
        if key in held.lost:
            raise Refused(f"{case.place}: the key {key.hex()} is in wrong hands since {held.lost[key]}")
    if not body.keys and case.entry.namespace == ROOT:
        raise Refused("the registry's own namespace cannot be closed")
    if not held.owners.keys:  # whose threshold is 0: anybody would do
        raise Refused(f"the namespace {case.entry.namespace!r} is closed, and nobody opens it again")
    _begun(case)
    _demand(case, case.by_owners, held.owners.threshold, "owners")
    _demand(case, len(case.signers & set(body.keys)), body.threshold, "new owners")


def _release(case: _Case, body: Release) -> None:
    held, publication = case.held, body.publication
    parse_name(publication.name, "release.name")
    rank(publication.version)
    if not publication.is_signed():
        raise Malformed("release.publication", "its signature is not of the key that it names")
    signers = (case.signers | {publication.signature.key}) & set(held.owners.keys)
    if publication.signature.key not in signers:
        raise Refused(f"{case.place}: the publication is signed by {publication.signature.key.hex()}, no owner of it")
    title = f"{case.entry.namespace}/{publication.name}@{publication.version}"
    taken = held.names.get(publication.name, {}).get(publication.version)
    if taken is not None:
        raise Refused(f"{title} is measurement {taken.hex()} and stays so: give the bundle a new version")
    other = case.book.listings.get(publication.measurement)
    if other is not None:
        raise Refused(f"{title}: these very bytes are published as {other.ref} already")
    _begun(case)
    _demand(case, len(signers), max(held.owners.threshold, _STAGED_KEYS if body.staged else 1), "owners")


def _change(case: _Case, body: Change) -> None:
    item = case.book.listing(body.measurement)
    if item.namespace != case.entry.namespace:
        raise Refused(f"{case.place}: the bundle {body.measurement.hex()} is {item.ref}")
    present = item.now.state
    if present is State.REVOKED:
        raise Refused(
            f"{item.ref} was revoked at {item.now.since} ({item.now.reason}) and stays so: publish a new version"
        )
    if present is body.state and item.now.reason == body.reason:
        raise Refused(f"{item.ref} is {present} already, for this reason")
    if not _may_change(case, present, body.state):
        # Authorities that are not enough yet wait for each other; nobody else's signature can come to count.
        waits = body.state is State.REVOKED and case.by_authorities > 0
        kind = Unsigned if waits else Refused
        raise kind(f"{case.place}: from {present} to {body.state} takes {_WHO[_needs(present, body.state)]}")


def _may_change(case: _Case, present: State, wanted: State) -> bool:
    need = _needs(present, wanted)
    if need == "revoker":
        return case.by_owners > 0 or case.by_quorum
    return case.by_owners > 0 if need == "owner" else case.by_authorities > 0


def _needs(present: State, wanted: State) -> str:
    if wanted is State.REVOKED:
        return "revoker"
    return "authority" if State.QUARANTINED in (present, wanted) else "owner"


def _compromise(case: _Case, body: Compromise) -> None:
    held = case.held
    if body.key not in held.owners.keys:
        raise Refused(f"{case.place}: the key {body.key.hex()} is no owner's")
    others, needed = len(case.signers & (set(held.owners.keys) - {body.key})), held.owners.threshold
    if others < needed and not case.by_quorum:
        _refuse_compromise(case, others, needed)
    if case.entry.namespace == ROOT and len(held.owners.keys) == 1:
        raise Refused("the registry's last authority cannot be taken away: add another one first")


def _refuse_compromise(case: _Case, others: int, needed: int) -> None:
    if not others and not case.by_authorities:
        raise Refused(f"{case.place}: another owner must say so, or as many authorities as their threshold asks")
    quorum = case.book.authorities().threshold
    raise Unsigned(
        f"{case.place}: {others} of the {needed} other owners signed that it takes,"
        f" or {case.by_authorities} of {quorum} authorities"
    )


def _rebuild(case: _Case, body: Rebuild) -> None:
    _owner(case)
    item = case.book.listing(body.measurement)
    if item.namespace == case.entry.namespace:
        raise Refused(f"{case.place}: {item.ref} is its own; a rebuild is somebody else's word")
    if case.entry.namespace in case.book.rebuilders(item):
        raise Refused(f"{case.place}: it has vouched for {item.ref} before")


def _link(case: _Case, body: Link) -> None:
    _owner(case)
    link = parse_link(body.document)
    if link.key not in case.signers & set(case.book.holding(case.entry.namespace).owners.keys):
        raise Refused(f"{case.place}: the key {link.key.hex()} that it links is no owner that signed this entry")
    if not link.is_signed(case.book.origin, case.entry.namespace):
        raise Refused(f"{case.place}: the account did not sign for this key, namespace and registry: {link.account}")


def _service(case: _Case, body: Service) -> None:
    _owner(case)
    parse_name(body.name, "service.name")
    rank(body.version)
    if (body.name, body.version) in case.held.services:
        title = f"{case.entry.namespace}/{body.name}@{body.version}"
        raise Refused(f"the data service {title} is listed and stays as it is: give it a new version")
    said = read_data_service(canonical.encode(body.document))
    if (said.name, said.version) != (body.name, body.version):
        raise Refused(f"{case.place}: the document is of {said.title}, not of {body.name}@{body.version}")


def _owner(case: _Case) -> None:
    case.book.holding(case.entry.namespace)
    _begun(case)


def _begun(case: _Case) -> None:
    """Refuses what no owner signed: nobody else makes it wait, so that owners' places are theirs."""
    if not case.by_owners:
        raise Refused(f"{case.place}: none of its owners signed it, and one does so before all others")


def _demand(case: _Case, signed: int, needed: int, whose: str) -> None:
    if signed < needed:
        raise Unsigned(f"{case.place}: {signed} of the {needed} {whose} signed that it takes")


_WHO: Final = {
    "revoker": "an owner, or as many authorities as their threshold asks",
    "owner": "an owner",
    "authority": "an authority",
}
_RULES: Final[Mapping[type, Callable[[_Case, Any], None]]] = {
    Claim: _claim,
    Owners: _owners,
    Release: _release,
    Change: _change,
    Compromise: _compromise,
    Rebuild: _rebuild,
    Link: _link,
    Service: _service,
}
