"""Why the rules refuse an operation: the closed list of codes, which Solidity spells as custom errors."""

from enum import StrEnum

from fabric.core.errors import LedgerError, Party


class Code(StrEnum):
    """Every reason for which a rule refuses; the value is the name of the Solidity error."""

    BAD_SIGNATURE = "BadSignature"
    """No key can have made the signature, or it is not of the key that it names."""
    BAD_ORDER = "BadOrder"
    """Appraisers' signatures are not in strictly ascending order of their signers."""
    QUORUM_MISSING = "QuorumMissing"
    """Fewer pinned appraisers signed than the threshold asks for."""
    WRONG_DESTINATION = "WrongDestination"
    """Meant for another deployment than this one."""
    NOT_YET_VALID = "NotYetValid"
    """The attestation result's validity has not begun."""
    ATTESTATION_EXPIRED = "AttestationExpired"
    """The attestation result's validity has ended."""
    UNKNOWN_KEY = "UnknownKey"
    """The key was never registered here."""
    KEY_RETIRED = "KeyRetired"
    """The key is retired and its deadline is over."""
    KEY_REVOKED = "KeyRevoked"
    """The key is revoked; or it is retired or revoked and shall become active again."""
    BAD_TRANSITION = "BadTransition"
    """A key's state only moves forward: active, retired, revoked."""
    WRONG_EPOCH = "WrongEpoch"
    """The header bears another epoch than the key's attestation result."""
    BAD_COUNT = "BadCount"
    """A batch holds 1 to 1,024 records."""
    NOT_SETTLED = "NotSettled"
    """The batch is not anchored here."""
    NOT_INCLUDED = "NotIncluded"
    """The path does not lead from the record to the batch's root."""
    WRONG_RECIPIENT = "WrongRecipient"
    """The sender is not the record's recipient, or the record has none."""
    WRONG_INTENT = "WrongIntent"
    """The record's intent is not that of its invocation here."""
    RECORD_EXPIRED = "RecordExpired"
    """The record's last time is over."""
    CODE_REVOKED = "CodeRevoked"
    """The record's code is revoked since the settlement of its batch, or since before."""
    INTENT_SPENT = "IntentSpent"
    """The intent was consumed before."""
    CHANNEL_NOT_OPEN = "ChannelNotOpen"
    """The channel is not open at this end."""
    NOT_CHANNEL_END = "NotChannelEnd"
    """The sender is not the account of the channel's end here."""
    WRONG_CHANNEL = "WrongChannel"
    """The message's ledgers or accounts are not those of its channel's ends."""
    WRONG_SEQUENCE = "WrongSequence"
    """Not the next message of this channel and direction."""
    WRONG_BODY = "WrongBody"
    """The body is not the one whose digest the message carries."""
    BODY_TOO_LONG = "BodyTooLong"
    """A body has at most 30,720 bytes."""
    MESSAGE_EXPIRED = "MessageExpired"
    """The message's last time is over, or its tombstone stands."""
    MESSAGE_DELIVERED = "MessageDelivered"
    """The message was delivered, so that it cannot expire."""
    NOT_YET_EXPIRED = "NotYetExpired"
    """The message may still be delivered."""
    UNKNOWN_MESSAGE = "UnknownMessage"
    """The message was not sent here."""
    MESSAGE_CLOSED = "MessageClosed"
    """The message was acknowledged with another outcome."""
    ASSERTED_SOURCE = "AssertedSource"
    """The other ledger's event was only asserted, and this end of the channel takes proven ones alone."""
    WRONG_BINDING = "WrongBinding"
    """The record was made under another binding than the one of this end of the channel."""
    WRONG_METHOD = "WrongMethod"
    """The record is of another method than the one that makes such records."""
    WRONG_PAYLOAD = "WrongPayload"
    """The payload is not the one whose digest the record carries."""


class RuleViolation(LedgerError):
    """An operation that the rules refuse; it has no effect.

    Attributes:
        rule: which rule, of the closed list.
        reason: what was expected and what was found.
    """

    code = "rule-violation"
    party = Party.CALLER

    def __init__(self, rule: Code, reason: str) -> None:
        """Names the rule and the reason."""
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason
