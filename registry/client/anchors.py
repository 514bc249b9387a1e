"""Anchors: checkpoints that ledgers hold, against the log that is shown. Step 6 of an audit."""

from typing import Final

from fabric.core.errors import NotFound, VerificationError
from fabric.gateway.kinds import load_kind
from fabric.trust.checkpoint import Checkpoint, read_note
from fabric.trust.policy import Policy
from fabric.trust.verifier import verify
from registry.client.reader import Reader, at
from registry.log.tree import SPLIT, Tiles, check_extends
from registry.server.anchoring import INDEX, anchor_path, read_index

LOOKED_AT: Final = 16
_INDEX_BYTES: Final = 4 << 20
_PROOF_BYTES: Final = 1 << 20


def check_anchors(reader: Reader, policy: Policy) -> str:
    """Verifies the newest anchored checkpoints, and that the log which is shown goes on from each of them.

    Args:
        reader: a refreshed reader.
        policy: whose fabrics and ledgers are trusted.

    Returns:
        What was found, for people.

    Raises:
        VerificationError: step ``anchors``: a proof does not hold, or a ledger holds another history.
        StoreError: the registry does not answer.
    """
    try:
        index = read_index(reader.read_log(INDEX, _INDEX_BYTES))[-LOOKED_AT:]
    except NotFound:
        return "anchors: none; `registry serve --anchor-binding` has checkpoints written to ledgers"
    for size, ledgers in index:
        for ledger in ledgers:
            with at("anchors"):
                _check(reader, policy, (size, ledger))
    newest, ledgers = index[-1] if index else (0, [])
    return f"anchors: {len(index)} checkpoints hold, the newest of {newest} entries on {', '.join(ledgers) or 'none'}"


def _check(reader: Reader, policy: Policy, place: tuple[int, str]) -> None:
    size, ledger = place
    verified = verify(reader.read_log(anchor_path(size, ledger), _PROOF_BYTES), policy, load_kind)
    anchored = read_note(verified.proof.input.decode())
    shown = reader.checkpoint
    if anchored.origin != shown.origin or anchored.size != size or anchored.size > shown.size:
        raise VerificationError("anchors", f"{ledger} holds {_told(anchored)}, shown are {_told(shown)}")
    try:
        check_extends(Tiles(reader.read_log, shown.size), anchored, shown)
    except VerificationError as error:
        if error.step != SPLIT:
            raise VerificationError("anchors", error.reason) from error
        raise VerificationError(
            "anchors", f"split view: {ledger} holds {_told(anchored)} at {verified.anchorage.locator}; {error.reason}"
        ) from error


def _told(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.size} entries of {checkpoint.origin}, root {checkpoint.root.hex()}"
