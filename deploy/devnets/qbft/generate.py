"""Makes the genesis block and the keys of a QBFT network of four Besu validators, once.

    python deploy/devnets/qbft/generate.py [--to FOLDER] [--chain-id N]

Into the folder go ``public/`` (genesis block, peers), ``validator-N/key`` and ``faucet.key``. Nothing of it is
committed: a validator's key makes blocks. What is there already is never overwritten.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import coincurve
import rlp

from fabric.core.clock import SystemClock
from fabric.trust.schemes import address_of

HERE: Final = Path(__file__).resolve().parent
VALIDATORS: Final = 4
"""The fewest of which one may fail: a block takes the seals of two thirds."""
FIRST_HOST, PORT = "172.30.7.11", 30303
"""Where compose.yaml puts the first validator; the others have the next addresses."""
CHAIN_ID: Final = 31338
PERIOD_SECONDS, TIMEOUT_SECONDS, EPOCH_BLOCKS = 2, 4, 30_000
GAS_LIMIT: Final = 120_000_000
FAUCET_WEI: Final = 10**27
MIX_HASH: Final = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
"""By it a node knows a header of this family of engines."""
_FORKS: Final = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(description="make genesis block and keys of a QBFT network")
    parser.add_argument("--to", type=Path, default=HERE / "network", help="folder that gets them")
    parser.add_argument("--chain-id", type=int, default=CHAIN_ID)
    asked = parser.parse_args(arguments)
    folder: Path = asked.to
    if folder.exists():
        print(f"{folder} is there already: remove it to make another network", file=sys.stderr)
        return 1
    make(folder, asked.chain_id)
    print(f"{folder}: genesis block, {VALIDATORS} validators, and a faucet whose key is one of development")
    return 0


def make(folder: Path, chain_id: int) -> None:
    """Writes everything under another name and renames it, so that a kill in the middle leaves no network."""
    keys = sorted((coincurve.PrivateKey() for _ in range(VALIDATORS)), key=_address)
    faucet = coincurve.PrivateKey()
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "public").mkdir(parents=True)
    for number, key in enumerate(keys, 1):
        (draft / f"validator-{number}").mkdir()
        _write_secret(draft / f"validator-{number}" / "key", key)
    _write_secret(draft / "faucet.key", faucet)
    document = genesis([_address(key) for key in keys], _address(faucet), chain_id, SystemClock().unix_seconds())
    _write_json(draft / "public" / "genesis.json", document)
    _write_json(draft / "public" / "static-nodes.json", [_enode(key, at) for at, key in enumerate(keys)])
    draft.rename(folder)


def genesis(validators: Sequence[bytes], faucet: bytes, chain_id: int, time: int) -> dict[str, Any]:
    """Returns the genesis document: QBFT, every fork up to London from block 0 on.

    Args:
        validators: their addresses, ascending, 20 bytes each.
        faucet: address of the account that has wei.
        chain_id: EIP-155 chain id.
        time: of block 0, Unix seconds.
    """
    forks = {f"{name}Block": 0 for name in (*_FORKS, "berlin", "london")}
    engine = {
        "blockperiodseconds": PERIOD_SECONDS,
        "epochlength": EPOCH_BLOCKS,
        "requesttimeoutseconds": TIMEOUT_SECONDS,
    }
    return {
        "config": {"chainId": chain_id, "qbft": engine, **forks},
        "alloc": {faucet.hex(): {"balance": hex(FAUCET_WEI)}},
        "coinbase": "0x" + bytes(20).hex(),
        "difficulty": "0x1",
        "extraData": "0x" + extra_data(validators).hex(),
        "gasLimit": hex(GAS_LIMIT),
        "mixHash": MIX_HASH,
        "nonce": "0x0",
        "timestamp": hex(time),
    }


def extra_data(validators: Sequence[bytes]) -> bytes:
    """Returns the extra data of block 0: RLP of vanity, validators, no vote, round 0, no seals."""
    encoded: bytes = rlp.encode([bytes(32), list(validators), [], b"", []])
    return encoded


def _address(key: coincurve.PrivateKey) -> bytes:
    return address_of(key.public_key.format(compressed=False))


def _enode(key: coincurve.PrivateKey, at: int) -> str:
    network, _, host = FIRST_HOST.rpartition(".")
    identity = key.public_key.format(compressed=False)[1:].hex()
    return f"enode://{identity}@{network}.{int(host) + at}:{PORT}"


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def _write_secret(path: Path, key: coincurve.PrivateKey) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("0x" + key.secret.hex())


if __name__ == "__main__":
    sys.exit(main())
