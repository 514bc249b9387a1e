"""Account links: both sides sign, for one namespace of one registry; nothing else holds."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.hyperledger.account import account_of, certificate_account
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, Refused
from fabric.trust.schemes import HALF_ORDER
from registry.book.accounts import AccountLink, parse_link
from registry.book.bodies import Link
from registry.book.book import Book
from registry.book.entry import MAX_ENTRY_BYTES
from registry.book.hyperledger import ORDER, parse_identity
from registry.book.rules import check
from tests.support.account_links import (
    ACCOUNTS,
    CHANNEL,
    CLIENT,
    EVM,
    HYPERLEDGER,
    IDENTITY,
    NATIVE,
    linked,
    sign_p256,
    signed,
    spki_of,
)
from tests.support.books import entry, founded, log
from tests.support.hl_authorities import Authority
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, owners

NOW = 1_800_000_000
PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
SECP256K1_ORDER = 2 * HALF_ORDER + 1


def _check(book: Book, document: JsonObject) -> None:
    check(book, entry(book, "acme", Link(document), [ALICE]))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_link_is_logged(account: str) -> None:
    book, link = founded(), linked(account)
    assert parse_link(link.to_json()) == link
    leaf = log(book, "acme", Link(link.to_json()), ALICE)
    assert [item.document["account"] for item in book.holdings["acme"].links.values()] == [account]
    assert len(leaf.encoded) < MAX_ENTRY_BYTES // 32


def _holds(data: bytes) -> bool:
    """Says whether bytes are a link that the rules take from Alice: the rest of rule 9 is tested below."""
    try:
        link = parse_link(canonical.decode_object(data))
    except Malformed:
        return False
    return link.key == ALICE.key.public and link.is_signed(ORIGIN, "acme")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_bit_of_a_link_is_free(account: str) -> None:
    good = canonical.encode(linked(account).to_json())
    assert _holds(good)
    for at in range(len(good) * 8):
        spoiled = bytearray(good)
        spoiled[at // 8] ^= 1 << at % 8
        assert not _holds(bytes(spoiled)), (at, bytes(spoiled))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_bit_of_a_signature_is_free(account: str) -> None:
    link = linked(account)
    for at in range(len(link.signature) * 8):
        spoiled = bytearray(link.signature)
        spoiled[at // 8] ^= 1 << at % 8
        assert not replace(link, signature=bytes(spoiled)).is_signed(ORIGIN, "acme")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_signature_has_one_length(account: str) -> None:
    link, made = linked(account), linked(account).signature
    longer = made[:32] + b"\0" + made[32:]  # the same numbers, one of them in more bytes
    for other in (b"", made[:-1], made[1:], made + b"\0", b"\0" + made, made * 2, longer):
        assert not replace(link, signature=other).is_signed(ORIGIN, "acme")


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("other", ["registry", "namespace"])
def test_a_link_of_elsewhere_is_none_here(account: str, other: str) -> None:
    link = linked(account, registry="registry.test/two") if other == "registry" else linked(account, namespace="bobs")
    with pytest.raises(Refused, match="the account did not sign"):
        _check(founded(), link.to_json())


@pytest.mark.parametrize(
    ("account", "here", "elsewhere"),
    [(EVM, ":31337:", ":1:"), (NATIVE, ":abab", ":abac"), (HYPERLEDGER, ":cdcd", ":cdce")],
)
def test_the_same_key_on_another_chain_is_another_account(account: str, here: str, elsewhere: str) -> None:
    moved = replace(linked(account), account=account.replace(here, elsewhere))
    with pytest.raises(Refused, match="the account did not sign"):
        _check(founded(), moved.to_json())


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_publisher_it_names_must_sign_and_own(account: str) -> None:
    book = founded()
    log(book, "acme", owners(ALICE, BOB), ALICE)
    with pytest.raises(Refused, match="is no owner that signed this entry"):
        check(book, entry(book, "acme", Link(linked(account).to_json()), [BOB]))
    with pytest.raises(Refused, match="is no owner that signed this entry"):
        check(book, entry(book, "acme", Link(linked(account, MALLORY).to_json()), [ALICE]))


@pytest.mark.parametrize(
    "account",
    [
        *("eip155:1:0xAB", EVM.upper(), "eip155:01:" + EVM[-42:], "solana:x:y", NATIVE + "0", ""),
        *(HYPERLEDGER.upper(), HYPERLEDGER[:-1], CHANNEL, CHANNEL + ":Org1MSP", HYPERLEDGER + "\n"),
    ],
)
def test_what_is_no_account_is_malformed(account: str) -> None:
    with pytest.raises(Malformed, match=r"link\.account"):
        parse_link({**AccountLink(EVM, ALICE.key.public, b"x").to_json(), "account": account})


def test_the_upper_half_of_an_order_is_refused() -> None:
    link = linked(HYPERLEDGER)
    high = sign_p256(link.message(ORIGIN, "acme"), high=True)
    assert high[:32] == link.signature[:32]
    with pytest.raises(Refused, match="the account did not sign"):
        _check(founded(), replace(link, signature=high).to_json())
    evm = linked(EVM)
    s = SECP256K1_ORDER - int.from_bytes(evm.signature[32:64], "big")
    flipped = evm.signature[:32] + s.to_bytes(32, "big") + bytes([55 - evm.signature[64]])
    with pytest.raises(Refused, match="the account did not sign"):
        _check(founded(), replace(evm, signature=flipped).to_json())


@pytest.mark.parametrize("r", [0, 1, ORDER, ORDER + 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, ORDER // 2, ORDER // 2 + 1, ORDER])
def test_numbers_at_the_edge_are_no_signature(r: int, s: int) -> None:
    made = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert not IDENTITY.signed(made, b"message")


def test_a_signature_in_der_is_none_here() -> None:
    link = linked(HYPERLEDGER)
    r, s = link.signature[:32], link.signature[32:]
    der = b"\x30\x44\x02\x20" + r + b"\x02\x20" + s
    assert not replace(link, signature=der).is_signed(ORIGIN, "acme")


@pytest.mark.parametrize("msp", ["Org2MSP", "org1MSP", "Org1MSP."])
def test_an_account_is_of_one_msp_and_one_key(msp: str) -> None:
    link = linked(HYPERLEDGER)
    with pytest.raises(Refused, match="the account did not sign"):
        _check(founded(), replace(link, identity=replace(IDENTITY, msp=msp)).to_json())
    key = spki_of(ec.derive_private_key(2, ec.SECP256R1()))
    with pytest.raises(Refused, match="the account did not sign"):
        _check(founded(), replace(link, identity=replace(IDENTITY, public_key=key)).to_json())


def test_a_signature_of_another_account_of_the_key_is_none_of_this_one() -> None:
    """Who is of two organisations by one key has two accounts, and signs for each."""
    other = replace(IDENTITY, msp="Org2MSP")
    moved = AccountLink(f"{CHANNEL}:{other.account.hex()}", ALICE.key.public, identity=other)
    message = linked(HYPERLEDGER).message(ORIGIN, "acme")
    assert not signed(moved, message).is_signed(ORIGIN, "acme")
    assert signed(moved, moved.message(ORIGIN, "acme")).is_signed(ORIGIN, "acme")


def _spki(curve: ec.EllipticCurve, *, compressed: bool = False) -> bytes:
    key = ec.derive_private_key(7, curve)
    if compressed:
        head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
        return head + key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return spki_of(key)


def _beyond() -> bytes:
    """Returns the smallest point of the curve in a second spelling: its x, and the prime once more."""
    head, x = IDENTITY.public_key[:27], 0
    while True:
        x += 1
        square = (x**3 - 3 * x + 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B) % PRIME
        y = pow(square, (PRIME + 1) // 4, PRIME)
        if y * y % PRIME == square:
            parse_identity({"msp": "Org1MSP", "public_key": (head + _words(x, y)).hex()})
            return head + _words(x + PRIME, y)


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


@pytest.mark.parametrize(
    "key",
    [
        *(b"", _spki(ec.SECP384R1()), _spki(ec.SECP256K1()), _spki(ec.SECP256R1(), compressed=True)),
        *(IDENTITY.public_key[26:], IDENTITY.public_key[:-1], IDENTITY.public_key + b"\0", IDENTITY.public_key[:27]),
        *(IDENTITY.public_key[:27] + bytes(64), IDENTITY.public_key[:-1] + b"\1", _beyond()),
    ],
)
def test_a_key_is_a_point_of_p256_in_one_spelling(key: bytes) -> None:
    fields: JsonObject = {"msp": "Org1MSP", "public_key": key.hex()}
    with pytest.raises(Malformed, match=r"link\.identity\.public_key"):
        parse_identity(fields)
    with pytest.raises(Malformed, match=r"link\.identity\.public_key"):
        _check(founded(), {**linked(HYPERLEDGER).to_json(), "identity": fields})


@pytest.mark.parametrize(
    "msp", ["", "Org1 MSP", "Org1\0MSP", "Org\u0433MSP", "Org1MSP\n", "\ud800", "x" * 201, 7, None]
)
def test_an_msp_id_is_printable_ascii(msp: str | int | None) -> None:
    with pytest.raises(Malformed, match=r"link\.identity\.msp"):
        parse_identity({"msp": msp, "public_key": IDENTITY.public_key.hex()})


def test_an_identity_belongs_to_accounts_of_hyperledger_alone() -> None:
    bare, extra = linked(HYPERLEDGER).to_json(), linked(EVM).to_json()
    extra["identity"] = bare.pop("identity")
    for fields in (bare, extra):
        with pytest.raises(Malformed, match=r"link\.identity"):
            parse_link(fields)
    assert not replace(linked(HYPERLEDGER), identity=None).is_signed(ORIGIN, "acme")


def test_the_account_is_the_one_that_the_ledger_knows() -> None:
    """A renewed certificate of the same key is of the same account; what the chaincode takes for the sender is it."""
    authority = Authority("Org1MSP", NOW)
    first, second = (authority.issue("alice", "client", key=CLIENT) for _ in range(2))
    assert first.pem != second.pem
    accounts = {certificate_account("Org1MSP", each.pem.encode()) for each in (first, second)}
    assert accounts == {account_of("Org1MSP", IDENTITY.public_key)} == {IDENTITY.account}


def test_no_message_of_a_channels_client_is_a_link() -> None:
    """What a client signs otherwise holds a byte 0A, the tag of its first field; JSON holds no byte below 20."""
    assert min(linked(HYPERLEDGER).message(ORIGIN, "acme")) >= 0x20


def test_a_document_that_is_none_is_malformed() -> None:
    values: tuple[JsonValue, ...] = (None, [], "x", {}, {"identity": None}, {"account": 1})
    for value in values:
        with pytest.raises(Malformed, match="link"):
            parse_link(value)
