"""What the demo tells at its end: an account for people, one JSON document for programs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import typer

from fabric.cli.demo.ground import Told
from fabric.core.canonical import JsonObject


@dataclass(frozen=True)
class Entry:
    """One result on one ledger."""

    invocation: str
    cryptlet: str
    ledger: str
    locator: str
    proof: Path
    status: str
    time: int
    cost: dict[str, int]


@dataclass
class Ending:
    """Everything that held.

    Attributes:
        folder: folder of the run.
        ready: what ``up`` printed when it was ready.
        ledgers: what stands behind each ledger.
        bundle: what ``build`` and ``publish`` printed.
        verdict: the contract's state after its judgement.
        consumed: locator and cost of the record consumed from the batch.
        entries: one per result and ledger.
        claims: the claims, and how each ended.
        post: the messages between all ledgers.
        deposits: wei of the insured contract that are free, locked and spent.
        checked_on_chain: how many anchors the settlement contract confirmed.
        refusal: what ``verify`` said of the proof with a flipped byte.
        accepted: what ``verify`` said of the same proof before.
        seconds: duration of each part, and ``total``.
    """

    folder: Path
    ready: JsonObject = field(default_factory=dict)
    ledgers: dict[str, str] = field(default_factory=dict)
    bundle: JsonObject = field(default_factory=dict)
    verdict: JsonObject = field(default_factory=dict)
    consumed: JsonObject = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    claims: list[Told] = field(default_factory=list)
    post: list[Told] = field(default_factory=list)
    deposits: dict[str, object] = field(default_factory=dict)
    checked_on_chain: int = 0
    refusal: JsonObject = field(default_factory=dict)
    accepted: JsonObject = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def messages(self) -> list[Told]:
        """Every message that travelled."""
        return [*self.claims, *self.post]


def to_document(ending: Ending) -> dict[str, object]:
    """Returns the JSON document of a run."""
    results = [
        {
            "invocation": entry.invocation,
            "cryptlet": entry.cryptlet,
            "ledger": entry.ledger,
            "locator": entry.locator,
            "proof": str(entry.proof.absolute()),
            "status": entry.status,
            "time": entry.time,
            "cost": entry.cost,
        }
        for entry in ending.entries
    ]
    return {
        "results": results,
        "seconds": round(ending.seconds["total"], 3),
        "parts": {name: round(value, 3) for name, value in ending.seconds.items() if name != "total"},
        "bundle": ending.bundle,
        "fabric": ending.ready,
        "ledgers": ending.ledgers,
        "contract": ending.verdict,
        "consumed": ending.consumed,
        "messages": [_message(told) for told in ending.messages],
        "deposits": ending.deposits,
        "checked_on_chain": ending.checked_on_chain,
        "verified": ending.accepted,
        "refused": ending.refusal,
        "folder": str(ending.folder.absolute()),
    }


def _message(told: Told) -> dict[str, object]:
    info = told.trace.message
    return {
        "id": info.message.id.hex(),
        "source": info.source,
        "destination": info.destination,
        "status": info.state,
        "channel": info.message.channel.hex(),
        "recipient": info.message.recipient.hex(),
        "expiry": info.message.expiry,
        "proofs": [str(path.absolute()) for path in told.proofs],
        "steps": [
            {"state": step.state, "ledger": step.ledger, "locator": step.locator, "time": step.ledger_time}
            for step in told.trace.steps
            if step.ledger
        ],
    }


def print_account(ending: Ending) -> None:
    """Prints the account for people."""
    for title, lines in _chapters(ending):
        typer.secho(f"\n{title}", bold=True)
        for line in lines:
            typer.echo(f"  {line}")


def _chapters(ending: Ending) -> list[tuple[str, list[str]]]:
    return [
        ("1. A cryptlet, built, measured, signed, published", _facts(ending.bundle)),
        ("2. A fabric, attested and registered on its ledgers", _facts({**ending.ready, **ending.ledgers})),
        ("3. A contract on Ethereum asked for judgement and got it", _verdict(ending.verdict)),
        ("4. Further shipments, streamed, anchored, one of them consumed", _anchors(ending)),
        ("5. A rejected shipment claimed from two insurers on another ledger", _claims(ending)),
        ("6. Messages between all ledgers, each way", _post(ending)),
        ("7. Verified offline, and refused after one byte was flipped", _verification(ending)),
    ]


def _facts(facts: JsonObject) -> list[str]:
    width = max((len(name) for name in facts), default=0)
    return [f"{name.replace('_', ' '):{width}}  {value}" for name, value in facts.items()]


def _verdict(contract: JsonObject) -> list[str]:
    judgement = contract.get("judgement")
    facts: JsonObject = {
        "contract": contract["contract"],
        "logger file": contract["fileDigest"],
        "invocation": contract["invocation"],
        "written back in": contract["written_back"],
        "state version": contract["stateVersion"],
    }
    return _facts(facts | (judgement if isinstance(judgement, dict) else {}))


_STATES: Final = ("sent", "delivered", "acknowledged")
_ASSERTED: Final = (
    "    final is the fabric's view, 4 blocks deep; a plain development chain has no seals, so that offline",
    "    its receipts count as included, asserted by the operator's node",
)
_PROVEN: Final = (
    "    final is shown offline too: the receipts hold the seals of more than half of the pinned signers",
)


def _anchors(ending: Ending) -> list[str]:
    lines = []
    for ledger in dict.fromkeys(entry.ledger for entry in ending.entries):
        entries = [entry for entry in ending.entries if entry.ledger == ledger]
        places = dict.fromkeys(entry.locator for entry in entries)
        lines.append(f"{ledger}: {len(entries)} results, all {' or '.join(dict.fromkeys(e.status for e in entries))}")
        for place in places:
            group = [entry for entry in entries if entry.locator == place]
            gas = group[0].cost.get("gas")
            cost = f"; {gas} gas = {gas / len(group):.0f} a result" if gas else ""
            lines.append(f"    {len(group):4} in {place}{cost}")
    lines += _PROVEN if ending.accepted["source"] == "proven" else _ASSERTED
    lines.append(f"the settlement contract confirms {ending.checked_on_chain} of them on chain")
    lines.append(f"consumed from the batch: {ending.consumed['invocation']}")
    lines.append(f"    in {ending.consumed['locator']}; {ending.consumed['gas']} gas")
    return lines


def _claims(ending: Ending) -> list[str]:
    lines = []
    for told in ending.claims:
        info = told.trace.message
        route = f"{info.source} to {info.destination}"
        lines.append(f"{told.what}: message {info.message.id.hex()[:16]}, {route}: {info.state}")
        lines += [f"    {step.state:13} {step.ledger:9} {step.locator}" for step in told.trace.steps if step.locator]
    lines.append(", ".join(f"{value} wei {name}" for name, value in ending.deposits.items()) + " of the deposits")
    return lines


def _post(ending: Ending) -> list[str]:
    return [f"{told.what}: {told.trace.message.state}; {_way(told)}" for told in ending.post]


def _way(told: Told) -> str:
    """Returns where a message was sent, delivered and acknowledged; transactions are in the JSON document."""
    steps = [step for step in told.trace.steps if step.locator]
    places = {step.state: f"{step.ledger} {step.locator.partition(' tx ')[0]}" for step in steps}
    return ", ".join(f"{state} in {places[state]}" for state in _STATES if state in places)


def _verification(ending: Ending) -> list[str]:
    accepted, refusal = ending.accepted, ending.refusal
    what = (
        f"{accepted['cryptlet']} {accepted['method']}, {accepted['ledger']} {accepted['status']} ({accepted['source']})"
    )
    parts = ", ".join(f"{name} {value:.1f}" for name, value in ending.seconds.items() if name != "total")
    return [
        f"all {len(ending.entries)} proofs verified offline against {ending.folder / 'state' / 'policy.json'}",
        f"{accepted['proof']}",
        f"    accepted: {what}, assurance {accepted['assurance']}",
        f"    one byte flipped: refused at step {refusal['number']} ({refusal['step']}): {refusal['reason']}",
        f"proofs: {ending.folder / 'proofs'}",
        f"it took {ending.seconds['total']:.1f} s: {parts}",
    ]
