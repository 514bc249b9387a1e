"""A binding as people write it: TOML with names of ledgers becomes the one canonical document."""

from pathlib import Path
from typing import Any

import pytest

from fabric.bindings.authorise import check_caller, check_routes
from fabric.bindings.file import DEFAULT_VALID_SECONDS, read_binding_file
from fabric.core import canonical
from fabric.core.errors import Malformed, PluginError, Refused, Unauthorized
from fabric.core.ids import NOBODY
from fabric.trust.binding import Binding, write_binding
from fabric.trust.kind import DestinationKind
from fabric.trust.policy import Policy
from tests.support.proofs import ETHEREUM, NATIVE, USUAL, kinds, policy

LEDGERS = {"native": NATIVE, "ethereum": ETHEREUM}
POLICY = policy()
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


def test_a_grant_is_written_out(tmp_path: Path) -> None:
    path = tmp_path / "binding.toml"
    path.write_text(f'capabilities = ["native"]\n{TEXT}')
    assert read_binding_file(path, LEDGERS).capabilities == {"native"}
    path.write_text(f'capabilities = ["net"]\n{TEXT}')
    with pytest.raises(Malformed, match=r"binding\.capabilities: expected names of \['native'\]"):
        read_binding_file(path, LEDGERS)


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


RELAY = f"""
name = "claims-in"
cryptlet = "relay@1.0.0"
measurement = "{MEASUREMENT}"
methods = ["acknowledge", "deliver"]
callers = ["relay"]

[[destinations]]
ledger = "native"
recipient = "mailbox"
consume = true
codec = {{ kind = "message" }}

[[sources]]
ledger = "ethereum"
"""


def read_relay(folder: Path, text: str, policy: Policy | None = POLICY) -> Binding:
    path = folder / "relay.toml"
    path.write_text(text)
    return read_binding_file(path, LEDGERS, policy)


def test_a_relays_binding_names_mailbox_and_sources(tmp_path: Path) -> None:
    binding = read_relay(tmp_path, RELAY)
    (route,) = binding.routes
    assert (route.recipient, route.consume, route.codec) == (NATIVE.settlement, True, {"kind": "message"})
    (source,) = binding.sources
    known = POLICY.destinations[ETHEREUM.id]
    assert (source.destination, source.accept_asserted) == (ETHEREUM, False)
    assert (source.trust, source.minimum_status) == (known.trust, known.minimum_status)
    check_routes(binding, [NATIVE], kinds)


def test_a_source_may_have_roots_of_its_own(tmp_path: Path) -> None:
    own = 'accept_asserted = true\nminimum_status = "included"\ntrust = { validators = 3 }\n'
    for roots in (POLICY, None):
        (source,) = read_relay(tmp_path, RELAY + own, roots).sources
        assert (source.accept_asserted, source.minimum_status, source.trust) == (True, "included", {"validators": 3})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('[[sources]]\nledger = "ethereum"', '[[sources]]\nledger = "etherem"', "did you mean 'ethereum'"),
        ("[[sources]]", "[[sources]]\naccept_assert = true", "did you mean 'accept_asserted'"),
        ("[[sources]]", '[[sources]]\nminimum_status = "sure"', "sources.0.minimum_status"),
        ('recipient = "mailbox"', 'recipient = "mailbo"', "destinations.0.recipient"),
    ],
    ids=["ledger", "key", "status", "recipient"],
)
def test_what_is_wrong_with_a_relays_binding_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_relay(tmp_path, RELAY.replace(old, new))
    assert expected in str(caught.value)


def test_a_source_without_roots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="no policy says what events of 'ethereum' are checked under"):
        read_relay(tmp_path, RELAY, None)


def test_a_mailbox_takes_letters_that_are_delivered_to_it(tmp_path: Path) -> None:
    for old, new in (("consume = true", "consume = false"), ('kind = "message"', 'kind = "json"')):
        with pytest.raises(Refused, match="the mailbox on native takes letters"):
            check_routes(read_relay(tmp_path, RELAY.replace(old, new)), [NATIVE], kinds)


def test_a_source_of_a_kind_that_is_not_here_is_refused(tmp_path: Path) -> None:
    def without(kind: str) -> DestinationKind:
        if kind == "ethereum":
            raise PluginError("no plug-in 'ethereum'")
        return kinds(kind)

    with pytest.raises(Refused, match=r"events of source .* cannot be checked here: no plug-in"):
        check_routes(read_relay(tmp_path, RELAY), [NATIVE], without)


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
