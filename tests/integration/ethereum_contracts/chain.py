"""One anvil of a test's own, and the few ways in which these tests talk to it.

Every transaction is mined at a time that the test says; a reverted one is mined too, and its custom error is read from
the trace, so that what is tested is execution in a block and not a simulation.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final

from eth_abi.abi import decode
from eth_hash.auto import keccak
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.types import RPCEndpoint, TxParams, TxReceipt, Wei

from adapters.ethereum.contracts import load

Answer = Any
"""What a node answers: some JSON value."""
ROOT: Final = Path(__file__).resolve().parents[3]
NAMES: Final = ("Settlement", "InsuredShipment", "test/Probe", "test/Attacker", "test/Correspondent")
FORKS: Final = ("london", "osaka")
"""The oldest fork that the contracts are compiled for, and the newest that this anvil has."""
GENESIS_TIME: Final = 1_800_000_000
GAS_LIMIT: Final = 8_000_000
LISTENING: Final = re.compile(r"Listening on (\S+)")
STOP_SECONDS: Final = 10


@dataclass(frozen=True)
class Refusal:
    """A custom error: its name and arguments, bytes as bytes."""

    name: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Sent:
    """A transaction that took effect.

    Attributes:
        receipt: as the node gave it.
        events: name and arguments of every event, in order; those of unknown contracts are left out.
    """

    receipt: TxReceipt
    events: tuple[tuple[str, dict[str, Any]], ...] = field(default=())

    @property
    def gas(self) -> int:
        return self.receipt["gasUsed"]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@dataclass(frozen=True)
class Chain:
    """A running anvil."""

    web3: Web3

    @property
    def accounts(self) -> list[str]:
        return [str(account) for account in self.web3.eth.accounts]

    @property
    def genesis(self) -> bytes:
        return bytes(self.web3.eth.get_block(0)["hash"])

    @property
    def time(self) -> int:
        """Time of the newest block."""
        return self.web3.eth.get_block("latest")["timestamp"]

    def rpc(self, method: str, *arguments: object) -> Answer:
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(arguments))
        assert "error" not in answer, answer
        return answer["result"]

    def contract(self, name: str, address: str) -> Contract:
        return self.web3.eth.contract(Web3.to_checksum_address(address), abi=load(name).abi)

    def deploy(self, name: str, *arguments: object) -> Contract:
        """Deploys an artefact from the first account."""
        sent = self.send(self._creation(name, arguments))
        address = sent.receipt["contractAddress"]
        assert address is not None
        return self.contract(name, address)

    def refusal_of_deployment(self, name: str, *arguments: object) -> Refusal:
        return self.refusal(self._creation(name, arguments))

    def send(
        self,
        call: ContractFunction | ContractConstructor,
        *,
        sender: str | None = None,
        at: int | None = None,
        value: int = 0,
    ) -> Sent:
        """Sends a transaction that must succeed."""
        outcome = self.attempt(call, sender=sender, at=at, value=value)
        assert isinstance(outcome, Sent), outcome
        return outcome

    def attempt(
        self,
        call: ContractFunction | ContractConstructor,
        *,
        sender: str | None = None,
        at: int | None = None,
        value: int = 0,
    ) -> Sent | Refusal:
        """Sends a transaction that may succeed or not."""
        receipt = self._mine(call, sender, at, value)
        if receipt["status"] == 0:
            return self._reason(receipt)
        events = [_event(log["topics"], log["data"]) for log in receipt["logs"]]
        return Sent(receipt, tuple(events))

    def refusal(
        self,
        call: ContractFunction | ContractConstructor,
        *,
        sender: str | None = None,
        at: int | None = None,
    ) -> Refusal:
        """Sends a transaction that must revert, and returns why it did."""
        receipt = self._mine(call, sender, at)
        assert receipt["status"] == 0, "expected a refusal"
        return self._reason(receipt)

    def _creation(self, name: str, arguments: tuple[object, ...]) -> ContractConstructor:
        artifact = load(name)
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        return factory.constructor(*arguments)

    def _mine(
        self, call: ContractFunction | ContractConstructor, sender: str | None, at: int | None, value: int = 0
    ) -> TxReceipt:
        self.rpc("evm_setNextBlockTimestamp", self.time + 1 if at is None else at)
        fields: TxParams = {"from": sender or self.accounts[0], "gas": GAS_LIMIT, "value": Wei(value)}
        return self.web3.eth.wait_for_transaction_receipt(call.transact(fields), poll_latency=0.005)

    def _reason(self, receipt: TxReceipt) -> Refusal:
        options = {"tracer": "callTracer"}
        name = "debug_traceTransaction"
        trace = self.rpc(name, receipt["transactionHash"].to_0x_hex(), options)
        return decode_error(bytes.fromhex(trace.get("output", "0x")[2:]))


@contextmanager
def anvil(fork: str) -> Iterator[Chain]:
    """Runs an anvil on a free port of its own choice, in memory, and ends it by its process id.

    Its first block is always the same, so that addresses, signatures and gas are.
    """
    find = [sys.executable, str(ROOT / "deploy" / "devnets" / "install.py"), "--which", "anvil"]
    path = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
    genesis = ["--hardfork", fork, "--timestamp", str(GENESIS_TIME)]
    command = [path, "--host", "127.0.0.1", "--port", "0", *genesis]
    with TemporaryDirectory() as history:  # where it moves the states of older blocks; its default is the user's home
        process = subprocess.Popen([*command, "--cache-path", history], stdout=subprocess.PIPE, text=True)
        try:
            address = _address(process)
            # It tells of every request; a full pipe would stop it.
            drain = Thread(target=process.stdout.read, daemon=True)  # type: ignore[union-attr]
            drain.start()
            yield Chain(Web3(HTTPProvider(f"http://{address}")))
            process.terminate()
            process.wait(STOP_SECONDS)
            drain.join(STOP_SECONDS)
        finally:
            process.kill()
            process.wait(STOP_SECONDS)
            process.stdout.close()  # type: ignore[union-attr]


def decode_error(data: bytes) -> Refusal:
    """Reads revert data; what is no custom error of ours is named by its selector."""
    selector, body = data[:4], data[4:]
    if selector not in _errors():
        return Refusal(selector.hex())
    name, types = _errors()[selector]
    return Refusal(name, tuple(decode(types, body)))


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if match := LISTENING.match(line):
            return match[1]
    message = f"anvil ended with {process.wait()}"
    raise RuntimeError(message)


def _entries(kind: str) -> Iterator[dict[str, Any]]:
    for name in NAMES:
        yield from (entry for entry in load(name).abi if entry["type"] == kind)


def _signature(entry: dict[str, Any]) -> bytes:
    types = ",".join(item["type"] for item in entry["inputs"])
    return keccak(f"{entry['name']}({types})".encode())


@cache
def _errors() -> dict[bytes, tuple[str, list[str]]]:
    return {
        _signature(entry)[:4]: (entry["name"], [item["type"] for item in entry["inputs"]])
        for entry in _entries("error")
    }


@cache
def _events() -> dict[bytes, dict[str, Any]]:
    return {_signature(entry): entry for entry in _entries("event")}


def _event(topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]]:
    entry = _events()[bytes(topics[0])]
    indexed = [item for item in entry["inputs"] if item["indexed"]]
    others = [item for item in entry["inputs"] if not item["indexed"]]
    values = {
        item["name"]: decode([item["type"]], bytes(topic))[0] for item, topic in zip(indexed, topics[1:], strict=True)
    }
    decoded = decode([item["type"] for item in others], bytes(data))
    values |= dict(zip((item["name"] for item in others), decoded, strict=True))
    return entry["name"], values
