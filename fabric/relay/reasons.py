"""What each reason means: who must act, whether time alone may help, and what to do (docs/spec/relay.md).

A table, so that a reason is a line. ``meaning`` ends the sentence "it waits because ...".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fabric.store.mail import ENDED, NEVER, MessageState, Passage, Reason


class Party(StrEnum):
    """Who must act before a message goes on. The values are shown and never renamed."""

    NOBODY = "nobody"
    """Time alone, or this fabric itself."""
    OPERATOR = "operator"
    """Who runs this fabric."""
    SOURCE_LEDGER = "source-ledger"
    DESTINATION_LEDGER = "destination-ledger"
    RECIPIENT = "recipient"
    SENDER = "sender"
    CHANNEL_PARTIES = "channel-parties"
    """Both ends, by another channel: nothing in a channel can change."""


@dataclass(frozen=True)
class Meaning:
    """What a reason means.

    Attributes:
        party: who must act; of a ledger, the one that the message waits for is put in by ``party_of``.
        passes: whether another attempt is made without anybody's doing, later and later.
        meaning: the end of a sentence.
        advice: what to do, for whoever must act.
    """

    party: Party
    passes: bool
    meaning: str
    advice: str = "nothing to do"


MAX_REVERTS: Final = 8
"""Times that an account may refuse a message before its next attempt is left to a person: the relayer pays for each."""
_LEDGER: Final = Party.DESTINATION_LEDGER
_ANOTHER: Final = "agree on another channel with a binding that fits, and send the message there"
_RETRY: Final = "put it right, then: cryptlet relay retry MSG --reason TEXT"

MEANINGS: Final[Mapping[Reason, Meaning]] = {
    Reason.NONE: Meaning(Party.NOBODY, passes=True, meaning="it is its turn next"),
    Reason.RUNNING: Meaning(Party.NOBODY, passes=True, meaning="the relay cryptlet runs"),
    Reason.ON_ITS_WAY: Meaning(_LEDGER, passes=True, meaning="the ledger has not taken it into a block or entry yet"),
    Reason.WAITING_FOR_FINALITY: Meaning(Party.NOBODY, passes=True, meaning="what the ledger took is not final yet"),
    Reason.NOT_RELAYED_HERE: Meaning(
        Party.OPERATOR,
        passes=False,
        meaning="its destination is no ledger of this fabric",
        advice="add the ledger to the configuration and start again, or leave it to another fabric",
    ),
    Reason.LEDGER_HALTED: Meaning(
        Party.OPERATOR,
        passes=False,
        meaning="a ledger of its route is halted",
        advice="find out why, then resume the ledger",
    ),
    Reason.CHANNEL_NOT_OPEN: Meaning(
        Party.RECIPIENT,
        passes=True,
        meaning="the destination's end of the channel is not open",
        advice="open it: cryptlet channel open FILE --key FILE, or openChannel of the mailbox contract",
    ),
    Reason.NO_BINDING: Meaning(
        Party.OPERATOR,
        passes=False,
        meaning="the binding that the channel names is not in force here",
        advice="put it in force: cryptlet bind FILE",
    ),
    Reason.NO_BUNDLE: Meaning(
        Party.OPERATOR,
        passes=True,
        meaning="the registry lacks the binding's bundle",
        advice="publish it: cryptlet publish WHEEL --registry FOLDER --key FILE",
    ),
    Reason.BINDING_UNFIT: Meaning(
        Party.CHANNEL_PARTIES, passes=False, meaning="the channel's binding does not serve this route", advice=_ANOTHER
    ),
    Reason.CALLER_NOT_NAMED: Meaning(
        Party.CHANNEL_PARTIES,
        passes=False,
        meaning='the channel\'s binding does not name the caller "relay"',
        advice=_ANOTHER,
    ),
    Reason.ASSERTED_NOT_ACCEPTED: Meaning(
        Party.CHANNEL_PARTIES,
        passes=False,
        meaning="the telling ledger's word can only be asserted, and channel or binding take proven events alone",
        advice=_ANOTHER,
    ),
    Reason.NO_PROOF: Meaning(
        _LEDGER, passes=True, meaning="the telling ledger cannot show its event now", advice="look after its node"
    ),
    Reason.SOURCE_REFUSED: Meaning(
        Party.OPERATOR,
        passes=True,
        meaning="the enclave does not take the proof of the event",
        advice="compare the roots of trust in the binding's sources with the ledger's own",
    ),
    Reason.PROOF_TOO_LONG: Meaning(
        Party.OPERATOR,
        passes=False,
        meaning="the proof of its event is longer than an enclave takes",
        advice="run a version of the fabric that takes it, then: cryptlet relay retry MSG --reason TEXT; what was not "
        "delivered expires by itself meanwhile; a lower gas limit of the telling ledger keeps it from happening again",
    ),
    Reason.RELAY_REFUSED: Meaning(
        Party.SENDER,
        passes=False,
        meaning="its relay refuses to carry it",
        advice="send another one that it carries; what it does not deliver expires and is refunded",
    ),
    Reason.CRYPTLET_FAILED: Meaning(
        Party.OPERATOR,
        passes=True,
        meaning="the relay cryptlet gave no result",
        advice="see the detail; the bundle's author may have to act",
    ),
    Reason.NO_CAPACITY: Meaning(
        Party.OPERATOR, passes=True, meaning="no enclave can take it now", advice="see the fabric's log"
    ),
    Reason.FEES_ABOVE_CAP: Meaning(
        Party.OPERATOR,
        passes=True,
        meaning="the ledger's fees are above the cap",
        advice="wait, or raise fee_cap of the ledger in the configuration and start again",
    ),
    Reason.SETTLEMENT_REFUSED: Meaning(
        Party.OPERATOR,
        passes=True,
        meaning="the ledger did not settle the batch of its record; it is made anew",
        advice="see whether the enclave's key is still registered there",
    ),
    Reason.RECORD_EXPIRED: Meaning(
        Party.NOBODY, passes=True, meaning="its record was not used in time; it is made anew"
    ),
    Reason.MESSAGE_EXPIRED: Meaning(
        Party.NOBODY, passes=True, meaning="its time is over; it expires as soon as the ledger's time says so"
    ),
    Reason.RECIPIENT_REVERTED: Meaning(
        Party.RECIPIENT,
        passes=True,
        meaning="the recipient refused it (failed, retriable)",
        advice=f"put the recipient right; it is tried {MAX_REVERTS} times in all, and expires if nothing helps",
    ),
    Reason.SENDER_REVERTED: Meaning(
        Party.SENDER,
        passes=True,
        meaning="the sender refused the acknowledgement (failed, retriable)",
        advice=f"put the sender right; it is tried {MAX_REVERTS} times in all",
    ),
    Reason.REFUSED_BY_RULES: Meaning(
        Party.OPERATOR, passes=False, meaning="the ledger's rules refused it", advice=_RETRY
    ),
    Reason.CLOSED_OTHERWISE: Meaning(
        Party.CHANNEL_PARTIES,
        passes=False,
        meaning="the source closed it with the other outcome",
        advice="a record of it was made under false roots of trust: look at both ledgers",
    ),
}

_BEFORE_ITS_END: Final = frozenset({MessageState.SENT, MessageState.DELIVERING, MessageState.EXPIRING})


def party_of(state: MessageState, reason: Reason) -> Party:
    """Returns who must act for a message in a state to go on."""
    party = MEANINGS[reason].party
    if party is not _LEDGER:
        return party
    # Before its end it waits for the destination to take it, and for the source to show it; afterwards the reverse.
    is_destination = (state in _BEFORE_ITS_END) is (reason is not Reason.NO_PROOF)
    return Party.DESTINATION_LEDGER if is_destination else Party.SOURCE_LEDGER


def is_given_up(passage: Passage) -> bool:
    """Says whether a message is not tried again by itself, though its reason may pass: it was refused too often."""
    return passage.not_before == NEVER and MEANINGS[passage.reason].passes


def advice_of(passage: Passage) -> str:
    """Returns what to do about a message, with ``MSG`` in the place of its id; empty where it has ended."""
    if passage.state in ENDED:
        return ""
    meaning = MEANINGS[passage.reason]
    if not is_given_up(passage):
        return meaning.advice
    rest = "; it expires in its time all the same" if passage.state is MessageState.SENT else ""
    return f"it was refused {passage.reverts} times and is not tried again by itself; {_RETRY}{rest}"


def sentence(state: MessageState, reason: Reason) -> str:
    """Returns why a message is where it is, for people."""
    return f"it is {state}, for good" if state in ENDED else f"it is {state}: {MEANINGS[reason].meaning}"
