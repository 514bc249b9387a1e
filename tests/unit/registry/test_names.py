"""Names: which part of a reference is wrong, and which new name would be taken for another."""

import json
import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from fabric.core.errors import Malformed
from registry.names import Clash, Likeness, NameIndex, Ref, clashes, normalised, parse_name, parse_ref, skeleton
from tests.support.projects import ROOT

NAMES: Final = (
    *("cold-chain", "shipment", "fingerprint", "weather-oracle", "warehouse", "learning", "customs-claim", "wallet"),
    *("carbon-credits", "invoice-matching", "parametric-cover", "timestamp", "voting-tally", "acme", "gs1-lookup"),
    *("lot10-tracker", "modem-gateway", "swiftness", "crew-planning", "returns", "energy-meter", "loan-book", "llama"),
    *("proof-of-origin", "kyc-attest", "harbour", "fx-rates", "weighbridge", "concrete-tests", "seal-check"),
)
WORDS: Final = (
    # Short ones differ by a letter as a rule.
    *("cold", "gold", "data", "date", "rate", "node", "mode", "code", "lock", "look", "book", "good", "god", "bar"),
    # Long ones that people tell apart.
    *("insurance", "assurance-report", "payment", "shipment", "weather", "whether-or-not", "customer", "custody"),
    *("invoice", "voicemail", "transport", "transfer", "transaction", "contract", "contact-list", "container"),
    *("registry", "registrar-desk", "statement", "settlement", "consumption", "consent", "production", "product-code"),
)
LOOKS: Final = dict(zip("aceiopsxyv", "\u0430\u0441\u0435\u0456\u03bf\u0440\u0455\u0445\u0443\u03bd", strict=True))
"""Cyrillic and Greek letters for Latin ones."""
ASCII_LOOKS: Final = (("m", "rn"), ("rn", "m"), ("w", "vv"), ("o", "0"), ("0", "o"), ("l", "1"), ("1", "l"))


def _homoglyphs(name: str, chance: random.Random) -> str:
    return "".join(LOOKS.get(letter, letter) if chance.random() < 0.7 else letter for letter in name)


def _fullwidth(name: str, chance: random.Random) -> str:
    at = chance.randrange(len(name))
    return name[:at] + chr(ord(name[at]) + 0xFEE0) + name[at + 1 :]


def _capital(name: str, chance: random.Random) -> str:
    return "".join(letter.upper() if chance.random() < 0.5 else letter for letter in name)


def _looks(name: str, chance: random.Random) -> str:
    for old, new in chance.sample(ASCII_LOOKS, len(ASCII_LOOKS)):
        if old in name:
            return name.replace(old, new, 1)
    return name


def _doubled(name: str, chance: random.Random) -> str:
    at = chance.randrange(len(name))
    return name[:at] + name[at] + name[at:]


def _hyphen(name: str, chance: random.Random) -> str:
    if "-" in name:
        return name.replace("-", "", 1)
    at = chance.randrange(1, len(name))
    return f"{name[:at]}-{name[at:]}"


def _transposed(name: str, chance: random.Random) -> str:
    at = chance.choice([at for at in range(len(name) - 1) if name[at] != name[at + 1] and "-" not in name[at : at + 2]])
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def _dropped(name: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(name))
    return name[:at] + name[at + 1 :]


def _unseen(name: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(name))
    return name[:at] + chance.choice("\u200b\u200d\u00ad\u0301_.") + name[at:]


def _looks_and_transposed(name: str, chance: random.Random) -> str:
    return _looks(_transposed(name, chance), chance)


MANNERS: Final[tuple[Callable[[str, random.Random], str], ...]] = (
    *(_homoglyphs, _fullwidth, _capital, _looks, _doubled, _hyphen, _transposed, _dropped, _unseen),
    _looks_and_transposed,
)


@pytest.mark.parametrize("seed", range(3))
def test_self_made_confusables_are_all_caught(seed: int) -> None:
    chance, index = random.Random(seed), NameIndex(NAMES)  # noqa: S311 - a test's own
    made = {(manner(name, chance), name) for name in NAMES for manner in MANNERS}
    made = {(candidate, name) for candidate, name in made if candidate != name and len(name) > 4}
    assert len(made) >= 200
    missed = {pair for pair in made if pair[1] not in {clash.existing for clash in index.clashes(pair[0])}}
    assert missed == set()


def test_no_false_alarm_among_real_words() -> None:
    index = NameIndex((*WORDS, *NAMES))
    alarms = {(clash.candidate, clash.existing) for word in (*WORDS, *NAMES) for clash in index.clashes(word)}
    assert {pair for pair in alarms if pair[0] != pair[1]} == set()


@pytest.mark.parametrize(
    ("candidate", "existing", "kind"),
    [
        ("cold-chain", "cold-chain", Likeness.SAME),
        ("coldchain", "cold-chain", Likeness.LOOKALIKE),
        ("c0ld-cha1n", "cold-chaln", Likeness.LOOKALIKE),
        ("rnodem", "modem", Likeness.LOOKALIKE),
        ("vvallet", "wallet", Likeness.LOOKALIKE),
        ("\u0430cme", "acme", Likeness.LOOKALIKE),
        ("acrne", "acme", Likeness.LOOKALIKE),
        ("cold-chian", "cold-chain", Likeness.NEAR),
        ("wallets", "wallet", Likeness.NEAR),
        ("accme", "acme", Likeness.NEAR),
        ("lea-rxning", "learning", Likeness.NEAR),
        ("acne", "acme", None),
        ("walled-gardens", "wallet", None),
        ("", "acme", None),
    ],
)
def test_the_kind_of_a_clash(candidate: str, existing: str, kind: Likeness | None) -> None:
    assert clashes(candidate, [existing, "unlike-all-others"]) == (kind and Clash(kind, candidate, existing))


def test_the_worst_clash_comes_first_and_none_is_left_out() -> None:
    index = NameIndex(["shipments", "ship-ment", "shipment"])
    found = [(clash.existing, clash.kind) for clash in index.clashes("shipment")]
    assert found == [
        ("shipment", Likeness.SAME),
        ("ship-ment", Likeness.LOOKALIKE),
        ("shipments", Likeness.NEAR),
    ]
    assert {clash.reason.partition(" ")[0] for clash in index.clashes("shipment")} == {"'shipment'"}


class Counted(dict[str, list[str]]):
    """Counts what is asked of it."""

    asked = 0

    @override
    def get(self, key: str, default: Any = None) -> Any:
        self.asked += 1
        return super().get(key, default)


@pytest.mark.parametrize("number", [1, 10_000])
def test_the_number_of_names_does_not_count(number: int) -> None:
    """A candidate asks for the forms one edit away from its own, and for no name that is there."""
    index = NameIndex(f"name-{each}-of-many" for each in range(number))
    near = Counted(index._near)
    index._near = near  # type: ignore[assignment]
    assert index.clashes("weather-oracle") == ()
    assert 73 * 13 < near.asked < 73 * 50


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("acme/cold-chain@1.2.0", Ref("acme", "cold-chain", "1.2.0")),
        ("acme/cold-chain@1.2.0rc1", Ref("acme", "cold-chain", "1.2.0rc1")),
        ("a/b", Ref("a", "b")),
        (f"{'a' * 64}/{'b' * 64}", Ref("a" * 64, "b" * 64)),
    ],
)
def test_a_reference_is_read(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref
    assert str(ref) == text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("cold-chain@1.2.0", "reference"),
        ("", "reference"),
        ("/cold-chain", "namespace"),
        ("Acme/cold-chain", "namespace"),
        ("1acme/cold-chain", "namespace"),
        (f"{'a' * 65}/cold-chain", "namespace"),
        ("acme/", "name"),
        ("acme/cold--chain", "name"),
        ("acme/cold-chain-", "name"),
        ("acme/cold/chain", "name"),
        ("acme/cold-chain\n", "name"),
        (f"acme/{'a' * 65}", "name"),
        ("acme/cold-chain@", "version"),
        ("acme/cold-chain@1.2", "version"),
        ("acme/cold-chain@01.2.0", "version"),
        ("acme/cold-chain@1.2.0@1.2.0", "version"),
        ("acme/cold-chain@latest", "version"),
        ("acme/cold-chain@1.2.0\n", "version"),
    ],
)
def test_the_wrong_part_is_named(text: str, part: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_ref(text)
    assert refusal.value.format == part
    assert str(refusal.value).isprintable()


def test_a_foreign_spelling_is_told_what_it_imitates() -> None:
    with pytest.raises(
        Malformed, match=r"name: expected words of a-z .* got 'c\\u043eld-chain'; it looks like 'cold-chain'"
    ):
        parse_name("c\u043eld-chain", existing=NameIndex(NAMES))
    with pytest.raises(Malformed, match="got 'Grün'$".replace("ü", r"\\xfc")):
        parse_name("Grün", existing=NameIndex(NAMES))


def test_the_vectors() -> None:
    """The document is what a second implementation is held to, so it is checked against the rules once more."""
    value = json.loads((ROOT / "tests/vectors/names.json").read_text())
    assert [parse_ref(one["text"]).name for one in value["references"] if "wrong" not in one]
    for one in value["forms"]:
        assert (normalised(one["name"]), skeleton(one["name"])) == (one["normalised"], one["skeleton"])
    for one in value["clashes"]:
        found = clashes(one["candidate"], [one["existing"]])
        assert (found and found.kind) == one["kind"], one


@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_malformed(text: str) -> None:
    for candidate in (text, f"acme/{text}", f"acme/cold@{text}"):
        try:
            ref = parse_ref(candidate)
        except Malformed:
            continue
        assert str(ref) == candidate


@given(st.text(max_size=64))
def test_forms_are_stable(text: str) -> None:
    """A form of a form is itself, so that no two ways to it differ; and nothing unseen is left in it."""
    assert normalised(normalised(text)) == normalised(text)
    assert skeleton(skeleton(text)) == skeleton(text)
    assert NameIndex(["acme"]).clashes(text) == () or normalised(text)


@given(st.text("abcdefmnrvw01lo-", min_size=5, max_size=12), st.data())
def test_every_single_edit_of_a_long_name_is_caught(name: str, data: st.DataObject) -> None:
    letters = name.replace("-", "")
    at = data.draw(st.integers(0, len(letters)))
    letter = data.draw(st.sampled_from("abmnrvw0"))
    edits = [letters[:at] + letter + letters[at:], letters[:at] + letters[at + 1 :]]
    edits.append(letters[:at] + letter + letters[at + 1 :])
    edits.append(letters[:at] + letters[at : at + 2][::-1] + letters[at + 2 :])
    for edited in edits:
        if max(len(letters), len(edited)) >= 5:
            assert clashes(edited, [name]) is not None, (edited, name)
