"""Opening a deployment: which ledger answers is checked before anything is sent to it or believed of it."""

from collections.abc import Mapping

from adapters.ethereum import abi, answers
from adapters.ethereum.client import EthereumLedger, Terms
from adapters.ethereum.rpc import Call, Rpc, RpcError
from adapters.ethereum.settings import Settings, parse_settings
from adapters.ethereum.transactions import TransactionSigner
from adapters.ethereum.view import block_call
from fabric.core.canonical import JsonValue
from fabric.core.clock import Clock
from fabric.core.errors import ForeignLedger, LedgerUnavailable, Malformed
from fabric.core.ids import WORD_BYTES
from fabric.trust.destination import Destination

KIND = "ethereum"


async def open_ledger(
    config: Mapping[str, JsonValue], clock: Clock, relayer: TransactionSigner | None = None
) -> EthereumLedger:
    """Opens a settlement deployment; also a ``RequestSource``.

    Args:
        config: see ``adapters.ethereum.settings.Settings``.
        clock: for how long a nonce is kept for a submission that is not stored yet.
        relayer: who signs and pays; None opens the ledger to read only.

    Raises:
        ConfigError: the configuration cannot be used.
        ForeignLedger: chain id, genesis block, code or destination id are not those of the deployment.
        LedgerUnavailable: the node does not answer.
    """
    settings = parse_settings(config)
    rpc = Rpc(settings.url, settings.timeout_seconds)
    try:
        destination = await identify(rpc, settings)
    except BaseException:
        await rpc.aclose()
        raise
    terms = Terms(settings.finality, settings.start, settings.fees, settings.following)
    return EthereumLedger(rpc, destination, terms, relayer, clock)


async def identify(rpc: Rpc, settings: Settings) -> Destination:
    """Returns the destination that the node serves, after checking that it is the configured one.

    Raises:
        ForeignLedger: it is not; the message says by what this shows.
        LedgerUnavailable: the node does not answer.
    """
    chain_id, genesis = await _chain(rpc, settings)
    destination = destination_of(chain_id, genesis, settings.address, bytes.fromhex(settings.salt))
    call: JsonValue = {
        "to": settings.settlement,
        "data": "0x" + abi.DESTINATION_ID.call().hex(),
    }
    asked: list[Call] = [
        ("eth_getCode", [settings.settlement, "latest"]),
        ("eth_call", [call, "latest"]),
    ]
    code, stated = await rpc.batch(asked)
    if isinstance(code, RpcError):
        message = f"eth_getCode was refused: {code.message}"
        raise LedgerUnavailable(message)
    if code in ("0x", None):
        message = f"there is no contract at {settings.settlement} on chain {chain_id}"
        raise ForeignLedger(message)
    if _word(stated) != destination.id:
        message = (
            f"the contract at {settings.settlement} is not the deployment that chain id, genesis block,"
            " address and salt give: another salt, a forked chain, or another contract"
        )
        raise ForeignLedger(message)
    return destination


def destination_of(chain_id: int, genesis: bytes, settlement: bytes, salt: bytes) -> Destination:
    """Returns the destination of a deployment.

    Args:
        chain_id: EIP-155 chain id.
        genesis: hash of the genesis block.
        settlement: address of the settlement contract, 20 bytes.
        salt: chosen at deployment, 32 bytes.
    """
    chain = chain_id.to_bytes(WORD_BYTES, "big")
    return Destination(KIND, chain, genesis, settlement.rjust(WORD_BYTES, b"\0"), salt)


async def _chain(rpc: Rpc, settings: Settings) -> tuple[int, bytes]:
    stated, first = await rpc.ask([("eth_chainId", []), block_call(0)])
    with answers.reading():
        chain_id, genesis = answers.quantity(stated, "chain id"), answers.block(first).hash
    if settings.chain_id not in (None, chain_id):
        message = f"the node serves chain {chain_id}, configured is {settings.chain_id}"
        raise ForeignLedger(message)
    if settings.genesis not in (None, genesis.hex()):
        message = f"the genesis block is 0x{genesis.hex()}, configured is 0x{settings.genesis}"
        raise ForeignLedger(message)
    return chain_id, genesis


def _word(answer: JsonValue | RpcError) -> object:
    if isinstance(answer, RpcError):
        return None
    try:
        return abi.DESTINATION_ID.read(answers.data(answer, "eth_call"))[0]
    except Malformed:
        return None
