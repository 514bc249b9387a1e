"""The first block of a clique network and the keys of its development, made once and kept in a folder.

All keys here are of development: they guard nothing, and the faucet's is meant to be read. A folder is made under
another name and renamed when it is whole, so that a kill in the middle leaves none.
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import coincurve
from web3 import Account

from adapters.ethereum.seals import SEAL_BYTES, VANITY_BYTES
from fabric.core.clock import Clock, SystemClock
from fabric.core.errors import ConfigError, LedgerUnavailable
from fabric.trust.schemes import ADDRESS_BYTES, address_of

SIGNERS: Final = 3
ACCOUNTS: Final = 4
"""Accounts with wei from block 0 on, which the first node signs for; the first of them is the faucet."""
FAUCET_WEI: Final = 10**27
EPOCH_BLOCKS: Final = 30_000
SCHEME: Final = ("--state.scheme", "hash", "--db.engine", "leveldb")
"""How a node stores blocks and states, from its first block on: states of every block, each written at once, so
that a kill loses none. The newer schemes keep the newest ones in memory."""
_INIT_SECONDS: Final = 60
_FORKS: Final = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul")
_CLOCK: Final[Clock] = SystemClock()


@dataclass(frozen=True)
class Ground:
    """What a clique network stands on.

    Attributes:
        folder: where all of it lies; one folder a node below it.
        chain_id: EIP-155 chain id.
        period: seconds between blocks.
        signers: addresses of the sealing accounts, ascending, 20 bytes each; node number n seals for the n-th.
        accounts: addresses of the accounts that have wei.
    """

    folder: Path
    chain_id: int
    period: int
    signers: tuple[bytes, ...]
    accounts: tuple[bytes, ...]

    def node(self, number: int) -> Path:
        """Returns the folder of a node."""
        return self.folder / f"node-{number}"

    def peer_id(self, number: int) -> str:
        """Returns a node's public key, by which its peers know it."""
        secret = bytes.fromhex((self.node(number) / "nodekey").read_text())
        return coincurve.PrivateKey(secret).public_key.format(compressed=False)[1:].hex()

    @property
    def password(self) -> Path:
        """The file with the password of all key files."""
        return self.folder / "password"

    @property
    def faucet_key(self) -> str:
        """The faucet's private key, a development key: 0x and 64 digits."""
        return (self.folder / "faucet.key").read_text()


def ground(folder: Path, chain_id: int, period: int, gas_limit: int, geth: Path) -> Ground:
    """Returns what the folder holds, made now if it holds nothing; a node without blocks gets the first one.

    Raises:
        ConfigError: it holds a network of another chain id or period, or a spoiled one.
        LedgerUnavailable: geth does not take the genesis block.
    """
    if not folder.exists():
        _make(folder, chain_id, period, gas_limit)
    made = _read(folder)
    if (made.chain_id, made.period) != (chain_id, period):
        message = (
            f"{folder} holds a network of chain {made.chain_id} with {made.period} s between blocks, configured are"
            f" {chain_id} and {period} s: configure these, or remove the folder to start a new chain"
        )
        raise ConfigError(message)
    for number in range(len(made.signers)):
        if not (made.node(number) / "geth" / "chaindata").exists():
            _initialise(made.node(number), folder / "genesis.json", geth)
    return made


def genesis(ground_: Ground, gas_limit: int, time: int) -> dict[str, Any]:
    """Returns the genesis document of geth: clique, every fork up to London from block 0 on, none after it."""
    vanity, seal = bytes(VANITY_BYTES), bytes(SEAL_BYTES)
    forks = {f"{name}Block": 0 for name in (*_FORKS, "berlin", "london")}
    return {
        "config": {
            "chainId": ground_.chain_id,
            "clique": {"epoch": EPOCH_BLOCKS, "period": ground_.period},
            **forks,
        },
        "alloc": {account.hex(): {"balance": hex(FAUCET_WEI)} for account in ground_.accounts},
        "difficulty": "0x1",
        "extradata": "0x" + (vanity + b"".join(ground_.signers) + seal).hex(),
        "gasLimit": hex(gas_limit),
        "timestamp": hex(time),
    }


def _make(folder: Path, chain_id: int, period: int, gas_limit: int) -> None:
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    signers = _keys(SIGNERS)
    accounts = _keys(ACCOUNTS)
    made = Ground(draft, chain_id, period, tuple(signers), tuple(accounts))
    _write(made.password, secrets.token_hex())
    _write(draft / "faucet.key", "0x" + next(iter(accounts.values())).hex())
    _write(draft / "genesis.json", json.dumps(genesis(made, gas_limit, _CLOCK.unix_seconds())))
    for number, signer in enumerate(signers.values()):
        held = [*accounts.values(), signer] if number == 0 else [signer]
        _make_node(made, number, held)
    draft.rename(folder)


def _make_node(made: Ground, number: int, keys: Sequence[bytes]) -> None:
    folder = made.node(number)
    (folder / "keystore").mkdir(parents=True)
    _write(folder / "nodekey", secrets.token_hex(32))
    password = made.password.read_text()
    for place, key in enumerate(keys):
        # A node lists its accounts in the order of these names. The password lies beside them, so one round is enough.
        held = Account.encrypt(key, password, kdf="pbkdf2", iterations=1)
        _write(folder / "keystore" / f"{place:02}.json", json.dumps(held))


def _initialise(folder: Path, document: Path, geth: Path) -> None:
    command = [str(geth), "--datadir", str(folder), *SCHEME, "init", str(document)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INIT_SECONDS)  # noqa: S603 - a list
    except (OSError, subprocess.SubprocessError) as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        message = f"{geth} does not take the genesis block: {str(said).strip()[-200:]}"
        raise LedgerUnavailable(message) from error


def _read(folder: Path) -> Ground:
    try:
        document: Mapping[str, Any] = json.loads((folder / "genesis.json").read_text())
        config, extra = document["config"], bytes.fromhex(document["extradata"][2:])
        listed = extra[VANITY_BYTES:-SEAL_BYTES]
        signers = [listed[at : at + ADDRESS_BYTES] for at in range(0, len(listed), ADDRESS_BYTES)]
        accounts = tuple(bytes.fromhex(account) for account in document["alloc"])
        return Ground(folder, int(config["chainId"]), int(config["clique"]["period"]), tuple(signers), accounts)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{folder / 'genesis.json'} is spoiled ({error!r}): put it back, or remove {folder} for a new chain"
        raise ConfigError(message) from error


def _keys(count: int) -> dict[bytes, bytes]:
    """Returns new keys by their addresses, ascending."""
    made = (coincurve.PrivateKey() for _ in range(count))
    return dict(sorted((address_of(key.public_key.format(compressed=False)), key.secret) for key in made))


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
