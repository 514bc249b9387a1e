"""The other side of the ledger: an integrator with an own account, who deploys contracts and brings them records.

Nothing here has any right that another account would not have: whether a record counts is decided by the contracts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from eth_abi.abi import encode

from adapters.ethereum import abi, answers, contracts
from adapters.ethereum.accounts import DEPLOY_GAS, NodeAccount, created
from adapters.ethereum.development import open_account
from adapters.ethereum.rpc import RpcError
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, LedgerUnavailable, NotFound
from fabric.core.ids import Account, BindingVersion, Digest, InvocationId, Measurement
from fabric.trust.destination import Destination
from fabric.trust.message import Channel
from fabric.trust.proof import Proof
from fabric.trust.schemes import ADDRESS_BYTES

ACCOUNT: Final = 1
"""Number of the development node's account; another one than the deployer of settlement."""


async def open_integrator(settings: Mapping[str, JsonValue], folder: Path) -> "EthereumIntegrator":
    """Opens an integrator's account on a development node.

    Args:
        settings: see ``adapters.ethereum.settings.Settings``.
        folder: unused; the node holds the account's key.

    Raises:
        ConfigError: the node holds no accounts.
        ForeignLedger: the node serves another ledger.
        LedgerUnavailable: the node does not answer.
    """
    del folder
    return EthereumIntegrator(*await open_account(settings, ACCOUNT))


class EthereumIntegrator:
    """An integrator's account (``fabric.ledger.devnet.Integrator``)."""

    def __init__(self, account: NodeAccount, destination: Destination) -> None:
        """Takes the account and the deployment that its contracts shall stand on."""
        self._account = account
        self._destination = destination

    async def deploy(self, name: str, measurement: Measurement, caller: Account) -> "EthereumContract":
        """Deploys a contract built on ``ContractCryptlet``.

        Args:
            name: of a committed artefact: ``ShipmentContract``, ``InsuredShipment``.
            measurement: the only bundle whose records it accepts.
            caller: whose invocations it accepts beside its own requests; zero for nobody's.

        Raises:
            NotFound: there is no artefact of that name.
            LedgerError: the node did not take it.
        """
        artifact = _artifact(name)
        words = [self._destination.settlement[-ADDRESS_BYTES:].hex(), measurement, caller]
        arguments = encode(["address", "bytes32", "bytes32"], words)
        outcome = await self._account.send(b"", artifact.bytecode + arguments, DEPLOY_GAS)
        address = await created(self._account.rpc, outcome)
        return EthereumContract(self._account, address, artifact.abi)

    async def check(self, proofs: Sequence[bytes]) -> list[bool]:
        """Asks the settlement contract whether it anchors the record of each proof file; one round trip for all.

        Raises:
            Malformed: no proof file.
            LedgerUnavailable: no answer.
        """
        settlement = "0x" + self._destination.settlement[-ADDRESS_BYTES:].hex()
        parsed = [Proof.parse(each) for each in proofs]
        calls = [{"to": settlement, "data": "0x" + _verify(proof).hex()} for proof in parsed]
        given = await self._account.rpc.batch([("eth_call", [cast("JsonValue", call), "latest"]) for call in calls])
        with answers.reading():
            # A record that the contract cannot even read is refused with an error.
            return [not isinstance(each, RpcError) and _is_true(each) for each in given]

    async def aclose(self) -> None:
        """Closes the connection; idempotent."""
        await self._account.rpc.aclose()


class EthereumContract:
    """A contract built on ``ContractCryptlet`` (``fabric.ledger.devnet.Contract``)."""

    def __init__(self, owner: NodeAccount, address: bytes, interface: list[dict[str, Any]]) -> None:
        """Takes who deployed it, its address and its ABI."""
        self._owner = owner
        self._address = address
        web3 = owner.rpc.web3
        at = web3.to_checksum_address("0x" + address.hex())
        self._interface = [item for item in interface if item["type"] == "function"]
        self._contract = web3.eth.contract(address=at, abi=interface, decode_tuples=True)

    @property
    def account(self) -> Account:
        """The contract's address as a word."""
        return Account(self._address.rjust(32, b"\0"))

    async def bind(self, binding: BindingVersion) -> None:
        """Sets the binding version, once; raises ``Reverted`` the second time."""
        await self._owner.send(self._address, self._data("bind", binding))

    async def request(self, input_digest: Digest) -> InvocationId:
        """Asks for an invocation over an input by the contract's one function ``request...(bytes32)``.

        Returns:
            The id as the settlement contract computed it.

        Raises:
            Reverted: the contract refused it.
            LedgerError: it made no request.
        """
        outcome = await self._owner.send(self._address, self._data(self._request, input_digest))
        for log in outcome.logs:
            if log.topics[:1] == (abi.REQUESTED,):
                return InvocationId(log.topics[2])
        message = f"{self._request} made no request"
        raise LedgerError(message)

    async def consume(self, proof: bytes) -> Mapping[str, JsonValue]:
        """Brings the contract the record of a proof file.

        Returns:
            ``locator`` and ``gas``.

        Raises:
            Malformed: no proof file.
            Reverted: the contract refused it; the message is the name of its error.
        """
        read = Proof.parse(proof)
        data = abi.CONSUME.call(read.record.encoded, read.payload, read.header.batch_id, read.index, read.path)
        # Asked before it is sent, so that a refusal costs nothing.
        await self._owner.try_call(self._address, data)
        outcome = await self._owner.send(self._address, data)
        where = f"block {outcome.block} tx 0x{outcome.transaction.hex()}"
        return {"gas": outcome.gas, "locator": where}

    async def fund(self, amount: int) -> None:
        """Gives it so many wei by its function ``fund()``; raises ``NotFound`` where it has none."""
        await self._owner.send(self._address, self._data("fund"), wei=amount)

    async def open_route(self, channel: Channel, patience: int) -> None:
        """Has it open a channel and send over it by its function ``openRoute(bytes,uint64)``.

        Raises:
            NotFound: it has no such function.
            Reverted: the contract refused it.
        """
        await self._owner.send(self._address, self._data("openRoute", channel.encoded, patience))

    async def read(self) -> Mapping[str, JsonValue]:
        """Returns what its functions without arguments say, and its judgement of the file that it last asked for."""
        try:
            state = {name: _plain(await self._view(name)) for name in self._views}
            if "fileDigest" in state and any(item["name"] == "judgementOf" for item in self._interface):
                digest = bytes.fromhex(str(state["fileDigest"]))
                state["judgement"] = _plain(await self._view("judgementOf", digest))
        except LedgerError:
            raise
        except Exception as error:
            message = f"the contract cannot be read: {error!r}"
            raise LedgerUnavailable(message) from error
        return state

    async def _view(self, name: str, *arguments: object) -> object:
        return await self._contract.functions[name](*arguments).call()

    def _data(self, name: str, *arguments: object) -> bytes:
        if all(item["name"] != name for item in self._interface):
            message = f"the contract has no function {name!r}"
            raise NotFound(message)
        return bytes.fromhex(str(self._contract.encode_abi(name, list(arguments)))[2:])

    @property
    def _views(self) -> list[str]:
        return [
            str(item["name"])
            for item in self._interface
            if item["stateMutability"] in ("view", "pure") and not item["inputs"]
        ]

    @property
    def _request(self) -> str:
        names = [str(item["name"]) for item in self._interface]
        asking = [name for name in names if name.startswith("request")]
        if len(asking) != 1:
            message = f"expected one function request...(bytes32), found {len(asking)}"
            raise NotFound(message)
        return asking[0]


def _artifact(name: str) -> contracts.Artifact:
    try:
        return contracts.load(name)
    except KeyError as error:
        message = f"no contract {name!r} is compiled here"
        raise NotFound(message) from error


def _verify(proof: Proof) -> bytes:
    return abi.VERIFY.call(proof.record.encoded, proof.header.batch_id, proof.index, proof.path)


def _is_true(answer: JsonValue) -> bool:
    return bool(abi.VERIFY.read(answers.data(answer, "eth_call"))[0])


def _plain(value: object) -> JsonValue:
    """Returns a contract's value as JSON: bytes in hexadecimal digits, structs as objects."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (bool, int)) else str(value)
