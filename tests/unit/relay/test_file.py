"""A channel as people write it becomes its ten words, the same from either end."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fabric.core.errors import Malformed, NotFound
from fabric.relay.file import read_channel_file
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Shown
from tests.support.proofs import ETHEREUM, NATIVE

ADDRESS = "0xAbCdEf0123456789abcdef0123456789ABCDEF01"
ENDS = (
    f'[[ends]]\nledger = "native"\naccount = "{"ab" * 32}"\nbinding = "{"01" * 32}"\naccepts = "asserted"\n',
    f'[[ends]]\nledger = "ethereum"\naccount = "{ADDRESS}"\nbinding = "{"02" * 32}"\naccepts = "proven"\n',
)


def known() -> Mapping[str, Destination]:
    return {"native": NATIVE, "ethereum": ETHEREUM}


def nobody() -> Mapping[str, Destination]:
    raise NotFound("no fabric runs")


def read(folder: Path, text: str) -> Channel:
    path = folder / "channel.toml"
    path.write_text(text)
    return read_channel_file(path, known)


def test_what_it_becomes(tmp_path: Path) -> None:
    channel = read(tmp_path, f'salt = "{"07" * 32}"\n' + "".join(ENDS))
    native, ethereum = channel.end_at(NATIVE.id), channel.end_at(ETHEREUM.id)
    assert native is not None
    assert ethereum is not None
    assert (native.account, native.binding, native.accepts) == (b"\xab" * 32, b"\x01" * 32, Shown.ASSERTED)
    assert ethereum.account == bytes(12) + bytes.fromhex(ADDRESS[2:])
    assert (ethereum.accepts, channel.salt) == (Shown.PROVEN, b"\x07" * 32)


def test_the_order_of_the_ends_does_not_matter(tmp_path: Path) -> None:
    assert read(tmp_path, "".join(ENDS)).id == read(tmp_path, "".join(reversed(ENDS))).id


def test_a_channel_between_other_ledgers_needs_no_fabric(tmp_path: Path) -> None:
    text = "".join(ENDS).replace('ledger = "native"', f'destination = "{NATIVE.id.hex()}"')
    text = text.replace('ledger = "ethereum"', f'destination = "{ETHEREUM.id.hex()}"')
    path = tmp_path / "channel.toml"
    path.write_text(text)
    assert read_channel_file(path, nobody).id == read(tmp_path, "".join(ENDS)).id


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('ledger = "native"', 'ledger = "nativ"', "did you mean 'native'"),
        ('ledger = "native"', "", "expected either ledger or destination"),
        ('ledger = "native"', f'ledger = "native"\ndestination = "{"00" * 32}"', "expected either ledger"),
        ('ledger = "native"', 'ledger = "ethereum"', "must be below"),
        ('accepts = "proven"', 'accepts = "maybe"', "ends.1.accepts"),
        ('accepts = "proven"', 'accept = "proven"', "ends.1.accepts"),
        ('accepts = "proven"', 'accepts = "proven"\nextra = 1', "ends.1.extra: unknown key"),
        (f'account = "{ADDRESS}"', 'account = "0x12"', "address of 40 for an account"),
        (f'binding = "{"01" * 32}"', 'binding = "01"', "64 lower-case hexadecimal digits"),
        (ENDS[1], "", "expected two ends"),
        ("[[ends]]", "[", "no TOML"),
    ],
    ids=lambda one: one[:24],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(tmp_path, "".join(ENDS).replace(old, new, 1))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"missing\.toml"):
        read_channel_file(tmp_path / "missing.toml", known)
