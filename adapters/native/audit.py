"""Opening a ledger: every entry is hashed and carried out again, and nothing in the file is believed without it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from adapters.native.database import Database
from adapters.native.entry import Entry
from adapters.native.errors import Tampered
from adapters.native.genesis import GenesisDocument
from adapters.native.machine import execute
from adapters.native.tree import GrowingTree
from fabric.core.errors import FabricError, Malformed
from fabric.ledger.rules.state import DictState
from fabric.trust.checkpoint import Checkpoint, open_note
from fabric.trust.merkle import leaf_hash


@dataclass
class History:
    """What the entries of a ledger come to.

    Attributes:
        state: the rules' state.
        tree: the log's tree.
        positions: index of the entry that holds each effect, by work id.
        size: number of committed entries; the tree may hold more while a commit is under way.
        time: time of the last entry, Unix seconds; of an empty ledger, 0.
        note: the last checkpoint.
    """

    state: DictState = field(default_factory=DictState)
    tree: GrowingTree = field(default_factory=GrowingTree)
    positions: dict[bytes, int] = field(default_factory=dict)
    size: int = 0
    time: int = 0
    note: str = ""


def audit(database: Database, genesis: GenesisDocument) -> History:
    """Reads a whole ledger, checking it against its checkpoints and its state table.

    Raises:
        Tampered: naming the first part that is not what the sequencer wrote.
    """
    history = History()
    checkpoints = database.checkpoints()
    if not checkpoints or checkpoints[0][0] != 0:
        raise Tampered("checkpoint 0", "missing")
    with closing(database.entries()) as entries:
        for size, note in checkpoints:
            checkpoint = _open(genesis, size, note)
            _take(history, genesis, entries, checkpoint)
            history.size, history.note = size, note
        if next(entries, None) is not None:
            raise Tampered(f"entry {len(history.tree)}", "no checkpoint covers it")
    _compare_state(database, history.state)
    return history


def _open(genesis: GenesisDocument, size: int, note: str) -> Checkpoint:
    try:
        checkpoint = open_note(note, genesis.sequencer)
    except Malformed as error:
        raise Tampered(f"checkpoint {size}", error.reason) from error
    if (checkpoint.origin, checkpoint.size) != (genesis.origin, size):
        raise Tampered(f"checkpoint {size}", f"is of {checkpoint.origin} at size {checkpoint.size}")
    return checkpoint


def _take(
    history: History, genesis: GenesisDocument, entries: Iterator[tuple[int, bytes]], checkpoint: Checkpoint
) -> None:
    """Takes the entries of one commit: first the hashes, so that a changed entry is named as such."""
    start = len(history.tree)
    rows = list(islice(entries, checkpoint.size - start))
    for expected, (index, data) in enumerate(rows, start):
        if index != expected:
            raise Tampered(f"entry {expected}", "missing")
        history.tree.append(leaf_hash(data))
    if len(history.tree) != checkpoint.size:
        raise Tampered(f"entry {len(history.tree)}", f"missing, checkpoint {checkpoint.size} covers it")
    if history.tree.root(checkpoint.size) != checkpoint.root:
        raise Tampered(_span(start, checkpoint.size), f"not what checkpoint {checkpoint.size} covers")
    _replay(history, genesis, rows)


def _replay(history: History, genesis: GenesisDocument, rows: Sequence[tuple[int, bytes]]) -> None:
    for index, data in rows:
        try:
            entry = Entry.decode(data)
            events = execute(genesis.rules, history.state, entry.time, entry.envelope)
        except FabricError as error:
            raise Tampered(f"entry {index}", str(error)) from error
        if not events or entry.index != index or entry.time < history.time:
            raise Tampered(f"entry {index}", "no effect, or another index or an earlier time than its place")
        history.time = entry.time
        history.positions[entry.envelope.work_id(genesis.destination.id)] = index


def _compare_state(database: Database, state: DictState) -> None:
    seen = 0
    for key, value in database.state():
        if state.get(key) != value:
            raise Tampered(f"state {key.decode(errors='replace')}", "not what the entries come to")
        seen += 1
    if seen != len(state):
        stored = {key for key, _ in database.state()}
        lost = min(set(state) - stored)
        raise Tampered(f"state {lost.decode()}", "missing")


def _span(start: int, end: int) -> str:
    if end == 0:
        return "checkpoint 0"
    return f"entry {start}" if end - start <= 1 else f"entries {start} to {end - 1}"
