"""Checkpoints and signed notes of C2SP."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import Malformed
from fabric.trust.checkpoint import Checkpoint, key_hash, open_note, sign_note
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import word

LOG = SeededKeys("log")
KEY = LOG.public.ed25519
CHECKPOINT = Checkpoint("example.com/log", 7, word("root"))
NOTE = sign_note(CHECKPOINT, KEY, LOG.sign_message(CHECKPOINT.body))
WITNESS = "\u2014 witness.example " + "AAAAAAAA" * 10 + "\n"


def test_a_note_opens_under_its_key() -> None:
    assert open_note(NOTE, KEY) == CHECKPOINT


def test_the_key_hash_of_the_go_reference() -> None:
    """The verifier key of golang.org/x/mod/sumdb/note: PeterNeumann+c74f20a3+ARpc2..."""
    key = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert key[0] == 1
    assert key_hash("PeterNeumann", key[1:]).hex() == "c74f20a3"


def test_signatures_of_others_are_passed_over() -> None:
    assert open_note(NOTE + WITNESS, KEY) == CHECKPOINT
    body, _, line = NOTE.partition("\n\n")
    assert open_note(f"{body}\n\n{WITNESS}{line}", KEY) == CHECKPOINT


@pytest.mark.parametrize(
    "note",
    [
        "",
        NOTE[:-1],
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n7\n", "\n07\n"),
        NOTE.replace("\n7\n", "\n-7\n"),
        NOTE.replace("\n7\n", "\n8\n"),
        NOTE.replace("\n7\n", "\n7\nextension\n"),
        NOTE.replace("example.com/log\n", "example.com/other\n"),
        NOTE.replace("example.com", "exam ple.com"),
        NOTE.replace("example.com", "exam+ple.com"),
        NOTE.replace("example.com", "exam\ud800ple.com"),
        NOTE.replace("\u2014", "-"),
        NOTE.replace("\u2014 example.com/log", "\u2014 another"),
        NOTE + "\n",
        NOTE + "rubbish\n",
        NOTE + "\u2014 witness !!!!\n",
        NOTE + "\u2014 witness AAAA\n",
        NOTE.partition("\n\n")[0] + "\n\n" + WITNESS,
        NOTE + WITNESS * 400,
    ],
    ids=range(19),
)
def test_other_notes_are_malformed(note: str) -> None:
    with pytest.raises(Malformed):
        open_note(note, KEY)


def test_another_key_does_not_open_it() -> None:
    other = SeededKeys("other")
    with pytest.raises(Malformed, match="no signature"):
        open_note(NOTE, other.public.ed25519)
    forged = sign_note(CHECKPOINT, KEY, other.sign_message(CHECKPOINT.body))
    with pytest.raises(Malformed, match="does not hold"):
        open_note(forged, KEY)


@given(st.integers(0, len(NOTE) - 1), st.characters())
def test_a_note_with_one_other_letter_is_malformed(at: int, letter: str) -> None:
    changed = NOTE[:at] + letter + NOTE[at + 1 :]
    if changed != NOTE:
        with pytest.raises(Malformed):
            open_note(changed, KEY)


@given(st.text(max_size=200))
def test_any_text_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        open_note(text, KEY)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.binary(max_size=80))
def test_any_text_of_the_shape_is_malformed(origin: str, size: str, root: str, signature: bytes) -> None:
    blob = base64.b64encode(signature).decode()
    with pytest.raises(Malformed):
        open_note(f"{origin}\n{size}\n{root}\n\n\u2014 {origin} {blob}\n", KEY)


@given(
    st.from_regex(r"[a-z./]{1,20}", fullmatch=True),
    st.integers(0, 10**18),
    st.binary(min_size=32, max_size=32).map(lambda raw: word(raw.hex())),
)
def test_every_checkpoint_can_be_signed_and_opened(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, word(root.hex()))
    note = sign_note(checkpoint, KEY, LOG.sign_message(checkpoint.body))
    assert open_note(note, KEY) == checkpoint
