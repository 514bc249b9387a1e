"""Creating the settlement contract once, whatever crashes: signed and stored, then sent, then waited for.

The folder holds the signed transaction. After a crash the ledger is asked for it first, and only the stored bytes are
ever sent again, so that one fabric founds one deployment.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import rlp
from eth_hash.auto import keccak

from adapters.ethereum import answers
from adapters.ethereum.rpc import Call, Rpc, RpcError
from adapters.ethereum.transactions import Eip1559, TransactionSigner, decode, transaction_hash
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError, Malformed, Reverted, SubmitError
from fabric.trust.fields import read_hex, read_integer, read_object

FILE: Final = "creation.json"
SALT_BYTES: Final = 32
MINED_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.1
_NAMES: Final = frozenset({"block", "raw", "salt", "sender"})


@dataclass(frozen=True)
class Drafted:
    """A signed creation.

    Attributes:
        raw: the transaction.
        sender: who signed it, 20 bytes.
        salt: of the deployment.
        block: where it was mined; 0 where that is not known yet.
    """

    raw: bytes
    sender: bytes
    salt: bytes
    block: int = 0

    @property
    def address(self) -> bytes:
        """The contract's, 20 bytes: it follows from sender and nonce."""
        nonce = decode(self.raw).nonce
        encoded: bytes = rlp.encode([self.sender, nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")])
        return keccak(encoded)[-20:]


class Creation:
    """The one creation of a folder."""

    def __init__(self, rpc: Rpc, folder: Path) -> None:
        """Takes the node and the folder."""
        self._rpc = rpc
        self._place = folder / FILE

    def kept(self) -> Drafted | None:
        """Returns what the folder holds; raises ``ConfigError`` for a file that is spoiled."""
        if not self._place.exists():
            return None
        field = str(self._place)
        try:
            fields = read_object(canonical.decode(self._place.read_bytes()), _NAMES, field)
            drafted = Drafted(
                raw=read_hex(fields["raw"], f"{field}: raw"),
                sender=read_hex(fields["sender"], f"{field}: sender", 20),
                salt=read_hex(fields["salt"], f"{field}: salt", SALT_BYTES),
                block=read_integer(fields["block"], f"{field}: block", 0, 2**53 - 1),
            )
            decode(drafted.raw)
        except (OSError, Malformed) as error:
            raise ConfigError(
                f"{field} is spoiled ({error}): put it back; another deployment is another ledger"
            ) from error
        return drafted

    async def draft(
        self,
        signer: TransactionSigner,
        chain_id: int,
        price: tuple[int, int],
        gas: int,
        code: Callable[[bytes], bytes],
    ) -> Drafted:
        """Signs a creation and stores it.

        Args:
            signer: who pays.
            chain_id: EIP-155 chain id.
            price: priority and maximal fee, wei a gas unit.
            gas: gas limit.
            code: the creation code for a salt.
        """
        (answer,) = await self._rpc.ask([("eth_getTransactionCount", ["0x" + signer.address.hex(), "pending"])])
        with answers.reading():
            nonce = answers.quantity(answer, "nonce")
        salt = secrets.token_bytes(SALT_BYTES)
        raw = await signer.sign(Eip1559(chain_id, nonce, *price, gas, b"", 0, code(salt)))
        drafted = Drafted(raw, signer.address, salt)
        self._place.parent.mkdir(parents=True, exist_ok=True)
        self._write(drafted)
        return drafted

    async def finish(self, drafted: Drafted) -> JsonObject:
        """Returns address, salt and first block of the contract, once it is there.

        Raises:
            Reverted: the ledger refused to create it.
            SubmitError: the node did not take the transaction, or it is in no block after a minute.
            LedgerUnavailable: no answer.
        """
        if not drafted.block:
            drafted = replace(drafted, block=await self._mined(drafted))
            self._write(drafted)
        return {"settlement": "0x" + drafted.address.hex(), "salt": drafted.salt.hex(), "start": drafted.block}

    async def _mined(self, drafted: Drafted) -> int:
        locator = transaction_hash(drafted.raw)
        asked: list[Call] = [("eth_getTransactionReceipt", [locator])]
        (answer,) = await self._rpc.ask(asked)
        if answer is None:
            await self._send(drafted)
        try:
            async with asyncio.timeout(MINED_SECONDS):
                while answer is None:
                    await asyncio.sleep(_POLL_SECONDS)
                    (answer,) = await self._rpc.ask(asked)
        except TimeoutError as error:
            message = f"transaction {locator} is in no block after {MINED_SECONDS} seconds; start again to wait further"
            raise SubmitError(message) from error
        with answers.reading():
            outcome = answers.outcome(answer)
        if not outcome.succeeded:
            self._place.unlink()  # it had its effect, which is none: the next start drafts another
            raise Reverted(f"the ledger refused to create settlement by transaction {locator}")
        return outcome.block

    async def _send(self, drafted: Drafted) -> None:
        sender, nonce = "0x" + drafted.sender.hex(), decode(drafted.raw).nonce
        sent, used = await self._rpc.batch(
            [("eth_sendRawTransaction", ["0x" + drafted.raw.hex()]), ("eth_getTransactionCount", [sender, "latest"])]
        )
        if not isinstance(sent, RpcError):
            return
        with answers.reading():
            is_used = not isinstance(used, RpcError) and answers.quantity(used, "nonce") > nonce
        (receipt,) = await self._rpc.ask([("eth_getTransactionReceipt", [transaction_hash(drafted.raw)])])
        if receipt is not None or "known" in sent.message:
            return  # it was mined, or lies in the pool
        if is_used:
            self._place.unlink()  # another transaction has its nonce: this one can never take effect
        raise SubmitError(f"the node did not take the creation of settlement: {sent.message}; start again")

    def _write(self, drafted: Drafted) -> None:
        document: JsonObject = {
            "block": drafted.block,
            "raw": drafted.raw.hex(),
            "salt": drafted.salt.hex(),
            "sender": drafted.sender.hex(),
        }
        draft = self._place.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(canonical.encode(document))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._place)
        # A rename is an entry of the folder: without this a loss of power may take it back, and found twice.
        folder = os.open(self._place.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
