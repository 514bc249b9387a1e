"""Which state of a development node is kept, and which one it is started on again."""

from pathlib import Path
from typing import Final

import pytest

from adapters.ethereum import snapshots
from adapters.ethereum.snapshots import BEGUN, DOUBTFUL, SNAPSHOT, STATE

TRANSACTION: Final = '{"info":{"transaction_hash":"0x00","nonce":"0x0"}}'


def state(height: int, *, transactions: int = 2, used: int = 2) -> bytes:
    """Returns a state as the node spells it: two accounts, a contract, transactions."""
    accounts = [(used - 1, "0x"), (1, "0x"), (7, "0x6080")]
    written = [
        f'"0x{at:040x}":{{"nonce":{nonce},"balance":"0x1f","code":"{code}","storage":{{}}}}'
        for at, (nonce, code) in enumerate(accounts)
    ]
    listed = ",".join([TRANSACTION] * transactions)
    head = f'{{"block":{{}},"accounts":{{{",".join(written)}}},"best_block_number":{height},"blocks":[],'
    return (head + f'"transactions":[{listed}],"historical_states":null}}').encode()


SOUND, OLDER, TORN = state(9), state(8), state(9, used=3)
CUT = SOUND[:-1]


@pytest.mark.parametrize(
    ("data", "is_whole"), [(SOUND, True), (TORN, True), (CUT, False), (SOUND[:40], False), (b"", False), (b"{}", False)]
)
def test_what_is_whole(tmp_path: Path, data: bytes, *, is_whole: bool) -> None:
    (tmp_path / STATE).write_bytes(data)
    assert snapshots.is_whole(tmp_path / STATE) is is_whole


@pytest.mark.parametrize(("data", "is_sound"), [(SOUND, True), (TORN, False), (state(9, transactions=3), False)])
def test_what_is_sound(tmp_path: Path, data: bytes, *, is_sound: bool) -> None:
    (tmp_path / STATE).write_bytes(data)
    assert snapshots.is_sound(tmp_path / STATE) is is_sound


@pytest.mark.parametrize(
    ("left", "started_on"),
    [
        ({STATE: SOUND, SNAPSHOT: OLDER}, SOUND),
        ({STATE: CUT, SNAPSHOT: OLDER}, OLDER),
        ({STATE: CUT, BEGUN: SOUND, SNAPSHOT: OLDER}, SOUND),
        ({STATE: TORN, SNAPSHOT: OLDER}, OLDER),
        ({BEGUN: TORN, DOUBTFUL: TORN, SNAPSHOT: OLDER}, OLDER),
        ({STATE: CUT, DOUBTFUL: TORN}, TORN),
        ({DOUBTFUL: state(7, used=9), SNAPSHOT: state(6, used=9)}, state(7, used=9)),
    ],
)
def test_a_node_is_started_on_the_newest_sound_state(tmp_path: Path, left: dict[str, bytes], started_on: bytes) -> None:
    for name, data in left.items():
        (tmp_path / name).write_bytes(data)
    assert snapshots.tidy(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {STATE: started_on}


def test_without_a_whole_state_nothing_is_touched(tmp_path: Path) -> None:
    assert snapshots.tidy(tmp_path), "a new chain"
    (tmp_path / STATE).write_bytes(CUT)
    assert not snapshots.tidy(tmp_path)
    assert (tmp_path / STATE).read_bytes() == CUT


def test_a_snapshot_is_replaced_by_a_sound_state_alone(tmp_path: Path) -> None:
    (tmp_path / SNAPSHOT).write_bytes(OLDER)
    (tmp_path / STATE).write_bytes(CUT)
    snapshots._take(tmp_path)
    assert (tmp_path / BEGUN).read_bytes() == CUT, "out of the node's way"
    (tmp_path / STATE).write_bytes(b"the next one")
    snapshots._take(tmp_path)
    assert (tmp_path / SNAPSHOT).read_bytes() == OLDER
    (tmp_path / BEGUN).write_bytes(TORN)
    snapshots._take(tmp_path)
    assert ((tmp_path / SNAPSHOT).read_bytes(), (tmp_path / DOUBTFUL).read_bytes()) == (OLDER, TORN)
    (tmp_path / STATE).write_bytes(SOUND)
    snapshots._take(tmp_path)
    assert (tmp_path / SNAPSHOT).read_bytes() == SOUND


def test_a_folder_is_kept_by_one(tmp_path: Path) -> None:
    lock = snapshots.lock_of(tmp_path)
    assert lock
    assert snapshots.lock_of(tmp_path) is None
    lock.close()
    again = snapshots.lock_of(tmp_path)
    assert again
    again.close()
