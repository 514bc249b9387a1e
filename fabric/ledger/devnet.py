"""Ports for setting a ledger up and for standing on its other side; what ``up`` and ``demo`` need beyond ``Ledger``.

Plug-ins: ``cryptlet.devnets`` (``async start(folder, options, clock) -> Devnet``), ``cryptlet.externals`` (``async
connect(folder, options, clock, open_signer) -> Devnet``, for a ledger that somebody else runs),
``cryptlet.integrators`` (``async open_integrator(settings, folder) -> Integrator``) and ``cryptlet.correspondents``
(``async open_correspondent(settings, folder) -> Correspondent``).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.ids import Account, BindingVersion, Digest, InvocationId, Measurement
from fabric.trust.destination import Destination
from fabric.trust.kind import Status
from fabric.trust.message import Channel, Message
from fabric.trust.policy import Appraiser


@dataclass(frozen=True)
class Founding:
    """What a new settlement deployment pins for ever.

    Attributes:
        name: configured name of the ledger.
        appraisers: whose word it takes.
        threshold: how many of them must agree.
        relayer: EVM address of the fabric's relayer.
        sequencer: Ed25519 key of the fabric's native sequencer.
        client: P-256 key of the fabric's client of channels, SubjectPublicKeyInfo in DER.
    """

    name: str
    appraisers: tuple[Appraiser, ...]
    threshold: int
    relayer: bytes
    sequencer: bytes
    client: bytes = b""


@dataclass(frozen=True)
class LogKey:
    """The ledger asks for a signer of its log's checkpoints; ``origin`` is the log's name."""

    origin: str


@dataclass(frozen=True)
class EvmAccount:
    """The ledger asks for a signer of transactions.

    Attributes:
        chain_id: EIP-155 chain id.
        settlement: address that every transaction may go to; recipients of bindings come to it.
    """

    chain_id: int
    settlement: bytes


@dataclass(frozen=True)
class ChannelClient:
    """The ledger asks for a signer of what a client asks of a chaincode; both are names."""

    channel: str
    chaincode: str


OpenSigner = Callable[[EvmAccount | ChannelClient], Awaitable[Any]]
"""Starts the signer that a founding needs; whoever asked ends it (``aclose``). An account whose settlement is empty may
create contracts, and nothing else."""


@dataclass(frozen=True)
class Founded:
    """A deployment that exists.

    Attributes:
        destination: what its id commits to.
        settings: what the adapter's ``open_ledger`` and ``open_integrator`` take.
        trust: what a policy says of it.
        minimum_status: the best status its receipts can show.
        accept_asserted: whether its receipts are only asserted.
        signer: what kind of signer ``open_ledger`` takes.
    """

    destination: Destination
    settings: JsonObject
    trust: JsonObject
    minimum_status: Status
    accept_asserted: bool
    signer: LogKey | EvmAccount | ChannelClient


class Devnet(Protocol):
    """A ledger, and a folder with what is known of it; it runs there, or elsewhere."""

    async def found(self, founding: Founding) -> Founded:
        """Deploys settlement, or returns the deployment that the folder already holds.

        Raises:
            ForeignLedger: the folder holds a deployment of other founders, or of a ledger that is gone.
        """
        ...

    async def describe(self) -> JsonObject:
        """Returns what people need to use the ledger without a fabric: addresses, ids, development keys.

        Raises:
            LedgerUnavailable: it does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Ends what it started; the ledger's state stays in the folder."""
        ...


class Contract(Protocol):
    """A contract built on ``ContractCryptlet``, seen by the integrator who deployed it."""

    @property
    def account(self) -> Account:
        """The contract's account."""
        ...

    async def bind(self, binding: BindingVersion) -> None:
        """Sets the binding version, once."""
        ...

    async def request(self, input_digest: Digest) -> InvocationId:
        """Asks for an invocation over an input; returns its id, as the contract computed it."""
        ...

    async def consume(self, proof: bytes) -> Mapping[str, JsonValue]:
        """Consumes the record of a proof file; returns locator and cost.

        Raises:
            Reverted: the contract refused it; the message is the contract's own error.
        """
        ...

    async def fund(self, amount: int) -> None:
        """Gives it coins of the ledger for deposits, in their smallest unit; raises ``NotFound`` if it takes none."""
        ...

    async def open_route(self, channel: Channel, patience: int) -> None:
        """Has it open its end of a channel, and send over it from now on.

        Args:
            channel: a channel that names the contract.
            patience: seconds for which each of its messages may be delivered.

        Raises:
            NotFound: it sends no messages.
            Reverted: the contract refused it.
        """
        ...

    async def read(self) -> Mapping[str, JsonValue]:
        """Returns the contract's public state by name; of one that sends messages, these as ``claims``."""
        ...


class Integrator(Protocol):
    """Somebody with an account of their own on a ledger."""

    async def deploy(self, name: str, measurement: Measurement, caller: Account) -> Contract:
        """Deploys a contract by name.

        Args:
            name: name of a compiled contract.
            measurement: the bundle whose records it accepts.
            caller: the caller of the fabric whose records it accepts beside answers to its own requests; zero for none.
        """
        ...

    async def check(self, proofs: Sequence[bytes]) -> list[bool]:
        """Asks the settlement contract whether it anchors the record of each proof file."""
        ...

    async def aclose(self) -> None:
        """Closes connections."""
        ...


class Correspondent(Protocol):
    """An account of a development ledger that opens channels and sends messages by transactions of its own.

    Ledgers that take signed calls have none: there, whoever holds a key is one (``fabric.ledger.accounts``).
    """

    @property
    def account(self) -> Account:
        """The account."""
        ...

    async def open(self, channel: Channel) -> None:
        """Opens its end of a channel; returns when the ledger has taken it, which may be before it is final.

        Raises:
            Reverted: the rules refused it.
            LedgerUnavailable: the ledger did not answer; a repeat changes nothing.
        """
        ...

    async def send(self, message: Message, body: bytes) -> None:
        """Sends a message of its account; returns and raises as ``open``."""
        ...

    async def aclose(self) -> None:
        """Closes connections; idempotent."""
        ...
