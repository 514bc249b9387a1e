"""A binding as people write it: TOML with names of ledgers becomes the one canonical document."""

from pathlib import Path
from typing import Any

import pytest

from fabric.bindings.authorise import check_caller, check_routes
from fabric.bindings.file import DEFAULT_VALID_SECONDS, read_binding_file
from fabric.core import canonical
from fabric.core.errors import Malformed, Refused, Unauthorized
from fabric.core.ids import NOBODY
from fabric.trust.binding import Binding, write_binding
from tests.support.proofs import ETHEREUM, NATIVE, USUAL, kinds

LEDGERS = {"native": NATIVE, "ethereum": ETHEREUM}
MEASUREMENT = "ab" * 32
ADDRESS = "0xAbCdEf0123456789abcdef0123456789ABCDEF01"
TEXT = f"""
name = "shipments"
cryptlet = "cold-chain@1.0.0"
measurement = "{MEASUREMENT}"
methods = ["judge", "approve", "judge"]
callers = ["local", "acme"]
requesters = ["{ADDRESS}"]

[[destinations]]
ledger = "native"

[[destinations]]
ledger = "ethereum"
recipient = "{ADDRESS}"
consume = true
codec = {{ kind = "abi", fields = [["accepted", "bool"]] }}
"""


def read(folder: Path, text: str) -> Binding:
    path = folder / "binding.toml"
    path.write_text(text)
    return read_binding_file(path, LEDGERS)


def test_what_it_becomes(tmp_path: Path) -> None:
    binding = read(tmp_path, TEXT)
    account = bytes(12) + bytes.fromhex(ADDRESS[2:])
    assert binding.methods == {"judge", "approve"}
    assert binding.callers == {"acme", "local"}
    assert binding.requesters == {account}
    assert binding.valid_seconds == DEFAULT_VALID_SECONDS
    native, ethereum = binding.routes
    assert (native.destination, native.recipient, native.consume) == (NATIVE.id, NOBODY, False)
    assert native.codec == {"kind": "json"}
    assert (ethereum.destination, ethereum.recipient, ethereum.consume) == (ETHEREUM.id, account, True)
    assert Binding.parse(binding.document) == binding


def test_the_order_of_names_does_not_matter(tmp_path: Path) -> None:
    other = TEXT.replace('["local", "acme"]', '["acme", "local"]').replace(
        '["judge", "approve", "judge"]', '["approve", "judge"]'
    )
    assert read(tmp_path, TEXT).version == read(tmp_path, other).version


@pytest.mark.parametrize("text", ["ab" * 19 + "a", "ab" * 20 + "a", "ab" * 31, "0x" + "ab" * 33, "zz" * 20, "", "0x"])
@pytest.mark.parametrize("name", ["recipient", "requesters"])
def test_an_account_is_an_address_or_a_word_and_nothing_between(tmp_path: Path, name: str, text: str) -> None:
    """A digit too many or too few would silently be somebody else."""
    spelled = f'recipient = "{ADDRESS}"' if name == "recipient" else f'requesters = ["{ADDRESS}"]'
    with pytest.raises(Malformed, match=f"{name}"):
        read(tmp_path, TEXT.replace(spelled, spelled.replace(ADDRESS, text)))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('ledger = "native"', 'ledger = "nativ"', "did you mean 'native'"),
        ('ledger = "native"', 'ledger = "ethereum"', "a destination twice"),
        ('name = "shipments"', "", "binding.toml: name"),
        ('name = "shipments"', 'name = ""', "binding.name"),
        ('name = "shipments"', 'nam = "x"\nname = "x"', "binding.toml: nam: unknown key - did you mean 'name'?"),
        ("consume = true", "consum = true", "destinations.1.consum: unknown key - did you mean 'consume'?"),
        (f'recipient = "{ADDRESS}"', 'recipient = "0x12"', "expected an address of 40 hexadecimal digits"),
        ("consume = true", 'consume = "sometimes"', "destinations.1.consume"),
        (f'measurement = "{MEASUREMENT}"', 'measurement = "ab"', "binding.measurement"),
        ('callers = ["local", "acme"]', 'callers = ["local", ""]', "binding.callers"),
        ('callers = ["local", "acme"]', "valid_seconds = 0", "valid_seconds"),
        ('callers = ["local", "acme"]', "valid_seconds = 99999999999", "valid_seconds"),
        ('{ kind = "abi", fields = [["accepted", "bool"]] }', "{ kind = 2027-01-01 }", "canonical JSON"),
        ('{ kind = "abi", fields = [["accepted", "bool"]] }', "{ kind = nan }", "canonical JSON"),
        ("name", "[", "binding.toml"),
    ],
    ids=lambda one: one[:24],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"missing\.toml"):
        read_binding_file(tmp_path / "missing.toml", LEDGERS)
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(Malformed, match=r"bytes\.toml"):
        read_binding_file(tmp_path / "bytes.toml", LEDGERS)


def test_callers_are_those_of_the_binding(tmp_path: Path) -> None:
    binding = read(tmp_path, TEXT)
    check_caller(binding, "acme")
    with pytest.raises(Unauthorized, match="does not name caller 'mallory'"):
        check_caller(binding, "mallory")


def test_routes_are_ledgers_of_the_fabric_with_codecs_they_know(tmp_path: Path) -> None:
    binding = read(tmp_path, TEXT)
    check_routes(binding, [NATIVE, ETHEREUM], kinds)
    with pytest.raises(Refused, match="no ledger here is"):
        check_routes(binding, [NATIVE], kinds)
    fields: Any = canonical.decode_object(USUAL["native"].make().binding.document)
    fields.pop("format")
    fields["destinations"][0]["codec"] = {"kind": "abi"}
    with pytest.raises(Malformed, match="codec"):
        check_routes(write_binding(fields), [NATIVE], kinds)
