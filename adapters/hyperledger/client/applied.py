"""What ``apply`` answered, held against the calls: which were refused, and that nothing else is written than they ask.

Endorsers may execute something else for the right proposal. Every key and value of the write set follows from the calls
and the transaction's time, or the transaction is not signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.client.answers import Answer, UntrueAnswer
from adapters.hyperledger.client.events import write_told
from adapters.hyperledger.client.work import Effect, Task
from adapters.hyperledger.names import EVENT, MAILBOX, series_entry
from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.ledger.port import EventKind
from fabric.ledger.rules import mailbox_entries
from fabric.ledger.rules.mailbox_entries import EventEntry
from fabric.trust.fields import read_object, read_text
from fabric.trust.message import Message

_MAX_REASON: Final = 1_000
_MAX_BYTES: Final = 1 << 20
_REFUSAL: Final = frozenset({"reason", "rule"})


@dataclass(frozen=True)
class Refusal:
    """The rules refused a call: the rule's name and the reason."""

    rule: str
    reason: str

    @property
    def text(self) -> str:
        """Both, as an observation shows them: the rule's name first."""
        return f"{self.rule}: {self.reason}"


def read_applied(answer: Answer, tasks: Sequence[Task]) -> list[Refusal | None]:
    """Returns what became of each call.

    Raises:
        UntrueAnswer: the answer is none of ``apply``, or the transaction writes or tells anything else than what its
            calls ask for at its time.
    """
    try:
        refusals = read_refusals(answer.payload, len(tasks))
        accepted = [task.effect for task, refusal in zip(tasks, refusals, strict=True) if refusal is None]
        _check(answer, accepted)
    except Malformed as error:
        message = f"the chaincode's answer: {error}"
        raise UntrueAnswer(message) from error
    return refusals


def read_refusals(payload: bytes, count: int) -> list[Refusal | None]:
    """Reads the answer of ``apply``: for each call None, or why the rules refused it; raises ``Malformed``."""
    value = canonical.decode(payload, max_bytes=_MAX_BYTES)
    if not isinstance(value, list) or len(value) != count:
        raise Malformed("apply", f"expected a list of {count}")
    return [None if each is None else parse_refusal(each) for each in value]


def parse_refusal(value: canonical.JsonValue) -> Refusal:
    """Reads the object of a refusal; raises ``Malformed``."""
    fields = read_object(value, _REFUSAL, "refusal")
    rule = read_text(fields["rule"], "refusal.rule")
    if not rule.isalnum():
        raise Malformed("refusal.rule", "expected letters")
    return Refusal(rule, read_text(fields["reason"], "refusal.reason", _MAX_REASON))


def _check(answer: Answer, effects: Sequence[Effect]) -> None:
    seconds, transaction = answer.invocation.seconds, answer.invocation.transaction
    done = _written(answer, effects)
    told = [effect.told for effect in done if effect.told]
    expected = {effect.key for effect in done}
    for at, (kind, subject) in enumerate(told):
        key = series_entry(MAILBOX, transaction, at)
        if answer.writes.get(key) != _entry(kind, subject, seconds):
            message = f"{key} is not written as the calls ask for"
            raise UntrueAnswer(message)
        expected.add(key)
    if answer.writes.keys() != expected:
        message = f"it writes what no call asks for: {', '.join(sorted(answer.writes.keys() - expected))[:300]}"
        raise UntrueAnswer(message)
    if answer.event != ((EVENT, write_told(told)) if told else None):
        message = "the event tells something else than the calls ask for"
        raise UntrueAnswer(message)


def _written(answer: Answer, effects: Sequence[Effect]) -> list[Effect]:
    """Returns the effects that the transaction writes, each once; those of accepted repeats are there already."""
    done: dict[str, Effect] = {}
    for effect in effects:
        value = answer.writes.get(effect.key)
        if value is None and answer.reads.get(effect.key) is None:
            message = f"a call was accepted and {effect.key} is not written"
            raise UntrueAnswer(message)
        if value is not None and effect.time_of(value) not in (0, answer.invocation.seconds):
            message = f"{effect.key} is written with another value than the call asks for"
            raise UntrueAnswer(message)
        if value is not None:
            done.setdefault(effect.key, effect)
    return list(done.values())


def _entry(kind: EventKind, subject: Message, seconds: int) -> bytes:
    return EventEntry(mailbox_entries.EventKind[kind.name], subject.id, seconds).encoded
