"""Runs a concrete scenario through the Python rules; the Solidity twin has a runner of its own."""

from fabric.ledger.rules.batches import verify
from fabric.ledger.rules.calls import decode_call
from fabric.ledger.rules.engine import apply
from fabric.ledger.rules.operations import Consume
from fabric.ledger.rules.state import Context, DictState
from fabric.ledger.rules.violations import RuleViolation
from tests.support.rules_builder import NO_OP, OK, Case, Step


def run(case: Case) -> DictState:
    """Carries out every step, asserts its outcome, and returns the state at the end."""
    state = DictState()
    for step in case.steps:
        place = f"{case.name}, step {step.number}"
        if step.answer is not None:
            assert isinstance(step.operation, Consume)
            assert verify(case.genesis, state, step.operation) is step.answer, place
            continue
        before = dict(state)
        outcome = _outcome(case, state, step)
        assert outcome == step.expect, place
        if outcome != OK:
            assert state == before, place
    return state


def _outcome(case: Case, state: DictState, step: Step) -> str:
    context = Context(step.time, step.sender)
    try:
        events = apply(case.genesis, state, context, decode_call(step.call))
    except RuleViolation as violation:
        return violation.rule
    assert events == step.events, f"{case.name}, step {step.number}"
    return OK if events else NO_OP
