"""A channel in memory with Hyperledger's semantics, to run the chaincode's contract without peers.

A transaction is executed on the committed state alone: it sees none of its own writes. What it read, by version, and
what it would write are then committed in a block: where a version that it read is no longer the one of the state, it is
``MVCC_READ_CONFLICT`` and changes nothing.
"""

from dataclasses import dataclass, field
from typing import Final

from adapters.hyperledger.chaincode.contract import Answer, Contract
from adapters.hyperledger.chaincode.transaction import Transaction
from adapters.hyperledger.genesis import GenesisDocument
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import FrozenClock
from fabric.core.ids import NOBODY, Account, sha256
from tests.support.rules_builder import party

VALID: Final = "VALID"
CONFLICT: Final = "MVCC_READ_CONFLICT"
CHANNEL: Final = "shipments"
CHAINCODE: Final = "cryptlet"

Version = tuple[int, int]


@dataclass
class Simulation:
    """An executed transaction: what it read and would write. A ``Ledger`` of the chaincode while it runs."""

    state: dict[str, tuple[bytes, Version]]
    transaction: Transaction
    reads: dict[str, Version | None] = field(default_factory=dict)
    writes: dict[str, bytes] = field(default_factory=dict)
    answer: Answer = field(default_factory=lambda: Answer(b""))

    def get(self, key: str) -> bytes | None:
        value, version = self.state.get(key, (None, None))
        self.reads[key] = version
        return value

    def put(self, key: str, value: bytes) -> None:
        assert key in self.reads, f"{key} is written and was not read"
        assert value
        self.writes[key] = value

    @property
    def outcomes(self) -> list[JsonValue]:
        """What ``apply`` answered."""
        value = canonical.decode(self.answer.payload)
        assert isinstance(value, list)
        return value


class Channel:
    """The committed state, and the events of valid transactions in the order in which readers count them."""

    def __init__(self, clock: FrozenClock, document: GenesisDocument | None = None) -> None:
        self.clock = clock
        self.contract = Contract(clock)
        self.state: dict[str, tuple[bytes, Version]] = {}
        self.requests: list[JsonObject] = []
        self.mailbox: list[JsonObject] = []
        self._blocks = 0
        self._transactions = 0
        if document:
            assert self.commit(self.run(b"found", document.encoded)) == [VALID]

    def run(self, *arguments: bytes, sender: Account = NOBODY, time: int | None = None) -> Simulation:
        """Executes a transaction on the state as it is now."""
        self._transactions += 1
        transaction = Transaction(
            id=sha256(f"transaction {self._transactions}".encode()).hex(),
            channel=CHANNEL,
            chaincode=CHAINCODE,
            time=self.clock.seconds if time is None else time,
            creator=sender,
            arguments=arguments,
        )
        return self.execute(transaction)

    def execute(self, transaction: Transaction) -> Simulation:
        """Executes a transaction that the caller made."""
        simulation = Simulation(dict(self.state), transaction)
        simulation.answer = self.contract.invoke(transaction, simulation)
        return simulation

    def commit(self, *simulations: Simulation) -> list[str]:
        """Commits a block; returns the code of each transaction."""
        self._blocks += 1
        return [self._commit(each, (self._blocks, at)) for at, each in enumerate(simulations)]

    def values(self) -> dict[bytes, bytes]:
        """Returns the committed values by key."""
        return {key.encode(): value for key, (value, _) in self.state.items()}

    def _commit(self, simulation: Simulation, version: Version) -> str:
        now = {key: self.state[key][1] if key in self.state else None for key in simulation.reads}
        if now != simulation.reads:
            return CONFLICT
        self.state.update({key: (value, version) for key, value in simulation.writes.items()})
        if simulation.answer.event:
            self._tell(canonical.decode(simulation.answer.event))
        return VALID

    def _tell(self, told: JsonValue) -> None:
        assert isinstance(told, list)
        for each in told:
            assert isinstance(each, dict)
            (self.requests if each["event"] == "requested" else self.mailbox).append(each)


def genesis(seed: str = "genesis") -> GenesisDocument:
    """Returns a genesis document of the channel; what varies is derived from the seed."""
    appraisers = sorted((party(f"appraiser-{number}").public for number in (1, 2, 3)), key=lambda keys: keys.ed25519)
    return GenesisDocument(
        channel=CHANNEL,
        chaincode=CHAINCODE,
        block=sha256(f"block 0 {seed}".encode()),
        appraisers=tuple(appraisers),
        threshold=2,
        skew=300,
        salt=sha256(f"salt {seed}".encode()),
    )
