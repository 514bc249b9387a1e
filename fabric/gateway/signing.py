"""The gateway's signers: one key-holding process a ledger, with a grant that grows with the bindings in force."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fabric.core.ids import Digest
from fabric.ledger.devnet import ChannelClient, EvmAccount, LogKey
from fabric.signers.process import KeyProcess, Signed
from fabric.signers.proposals import ClientGrant, Endorsed, Invocation
from fabric.signers.protocol import AccountKey, CheckpointKey, ClientKey
from fabric.signers.queries import Query
from fabric.signers.transactions import Eip1559Fields, Grant


class LogSigner:
    """Signs checkpoints of one log."""

    def __init__(self, process: KeyProcess) -> None:
        """Takes a running key process."""
        self._process = process

    async def sign_checkpoint(self, origin: str, size: int, root: Digest) -> tuple[bytes, bytes]:
        """See ``KeyProcess.sign_checkpoint``."""
        return await self._process.sign_checkpoint(origin, size, root)

    async def allow(self, recipients: Iterable[bytes]) -> None:
        """A log has no recipients."""

    async def aclose(self) -> None:
        """Ends the key process."""
        await self._process.aclose()


class Relayer:
    """Signs transactions of one account to settlement and to recipients of bindings in force; to nobody else."""

    def __init__(self, path: Path, account: EvmAccount) -> None:
        """Takes the key file and what the account may be used for; ``start`` opens it."""
        self._path = path
        self._chain_id = account.chain_id
        self._allowed = frozenset({account.settlement})
        self._process: KeyProcess | None = None
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Starts the key process; raises ``ConfigError`` for a key file that cannot be used."""
        key = AccountKey(self._path, Grant(self._chain_id, self._allowed))
        self._process = await KeyProcess.start(account=key)

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._running.address

    async def sign(self, transaction: Eip1559Fields) -> bytes:
        """Returns the raw signed transaction; raises ``Refused`` outside the grant."""
        return await self._running.sign_transaction(transaction)

    async def allow(self, recipients: Iterable[bytes]) -> None:
        """Starts a key process with the wider grant and ends the old one."""
        async with self._changing:
            wider = self._allowed | set(recipients)
            if wider == self._allowed:
                return
            old, self._allowed = self._running, wider
            await self.start()
            await old.aclose()

    async def aclose(self) -> None:
        """Ends the key process; idempotent."""
        if self._process is not None:
            await self._process.aclose()

    @property
    def _running(self) -> KeyProcess:
        if self._process is None:
            raise RuntimeError("the relayer was not started")
        return self._process


class ChannelSigner:
    """Signs what the fabric's client asks of one chaincode on one channel."""

    def __init__(self, process: KeyProcess) -> None:
        """Takes a running key process."""
        self._process = process

    @property
    def client_key(self) -> bytes:
        """The client's public key, SubjectPublicKeyInfo in DER."""
        return self._process.client_key

    async def sign_proposal(self, invocation: Invocation) -> Signed:
        """See ``KeyProcess.sign_proposal``."""
        return await self._process.sign_proposal(invocation)

    async def sign_endorsed(self, invocation: Invocation, endorsed: Endorsed) -> bytes:
        """See ``KeyProcess.sign_endorsed``."""
        return await self._process.sign_endorsed(invocation, endorsed)

    async def sign_query(self, query: Query) -> Signed:
        """See ``KeyProcess.sign_query``."""
        return await self._process.sign_query(query)

    async def allow(self, recipients: Iterable[bytes]) -> None:
        """A chaincode is the only recipient of its channel's calls."""

    async def aclose(self) -> None:
        """Ends the key process."""
        await self._process.aclose()


Signer = LogSigner | Relayer | ChannelSigner


@dataclass(frozen=True)
class KeyFiles:
    """Where the gateway's keys lie: of the native log, of the relayer's account, of the client of channels."""

    log: Path
    account: Path
    client: Path


async def open_signer(need: LogKey | EvmAccount | ChannelClient, keys: KeyFiles) -> Signer:
    """Starts the signer that a ledger asks for; raises ``ConfigError`` for a key file that cannot be used."""
    if isinstance(need, LogKey):
        return LogSigner(await KeyProcess.start(checkpoint=CheckpointKey(keys.log, need.origin)))
    if isinstance(need, ChannelClient):
        grant = ClientGrant(need.channel, frozenset({need.chaincode}))
        return ChannelSigner(await KeyProcess.start(client=ClientKey(keys.client, grant)))
    relayer = Relayer(keys.account, need)
    await relayer.start()
    return relayer
