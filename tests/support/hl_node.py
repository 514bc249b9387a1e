"""What tests of a network are configured with: users of every kind, made out by the network's own authorities.

``python -m tests.support.hl_node OUT.json`` writes such a file for a network of others, whose authorities' keys are at
hand; ``HYPERLEDGER_NODE=OUT.json`` runs the tests on it.
"""

import argparse
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.hyperledger.embedded.authorities import Authority, save
from adapters.hyperledger.embedded.identities import Member, PrivateKey
from deploy.devnets.install import HERE, find_node
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock, FrozenClock, SystemClock

SCRIPT = Path(__file__).parents[1] / "integration" / "hyperledger" / "node_client.mjs"
OWN, OTHER = "Org1MSP", "Org2MSP"
YEAR = 365 * 86_400
ENDED = 1_500_000_000
"""A certificate made out then has ended."""


@dataclass(frozen=True)
class Row:
    """What became of one row: its name, whether it is as expected, and what was seen."""

    name: str
    ok: bool
    told: str


def make_users(folder: Path, authorities: Mapping[str, Authority], clock: Clock) -> JsonObject:
    """Makes users out and writes their files; returns the configuration's part."""
    own, other = authorities[OWN], authorities[OTHER]
    p384, ed = ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()
    members = {
        "user": own.member("user", "client"),
        "second": Member(OTHER, other.issue("second", "client", p384.public_key()), p384),
        "ed25519": Member(OWN, own.issue("ed", "client", ed.public_key()), ed),
        "rogue": Authority.create(OWN, clock).member("user", "client"),
        "stranger": Authority.create("GhostMSP", clock).member("stranger", "client"),
        "expired": replace(own, clock=FrozenClock(ENDED)).member("expired", "client"),
        "roleless": own.member("roleless", None),
        "authority": Member(OWN, own.certificate, own.key),
    }
    return {name: _user(folder, name, member) for name, member in members.items()}


def _user(folder: Path, name: str, member: Member) -> JsonValue:
    save(folder, name, member.certificate, member.key)
    subject = member.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    files = {"certificate": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.key")}
    return {"msp": member.msp, "name": str(subject), **files}


def run_node(place: Path, config: JsonObject) -> list[Row]:
    """Runs the script against a network and returns its rows."""
    place.write_text(json.dumps({"modules": str(HERE), **config}))
    command = [str(find_node()), str(SCRIPT), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    rows = [Row(one["row"], one["ok"], one["told"]) for one in map(json.loads, done.stdout.splitlines())]
    assert rows, done.stderr
    return rows


def load_member(msp: str, certificate: Path, key: Path) -> Member:
    """Reads a certificate and its key, PEM."""
    held = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(held, PrivateKey)
    return Member(msp, x509.load_pem_x509_certificate(certificate.read_bytes()), held)


def _config(chosen: argparse.Namespace) -> JsonObject:
    clock = SystemClock()
    found = {msp: load_member(msp, Path(certificate), Path(key)) for msp, certificate, key in chosen.authority}
    authorities = {msp: Authority(msp, one.certificate, one.key, clock) for msp, one in found.items()}
    pairs: JsonObject = {msp: {"certificate": certificate, "key": key} for msp, certificate, key in chosen.authority}
    peers: JsonObject = {msp: {"certificate": certificate, "key": key} for msp, certificate, key in chosen.peer}
    users = make_users(chosen.out.with_suffix(".users"), authorities, clock)
    if chosen.older:
        del users["ed25519"]
    return {
        "endpoint": chosen.endpoint,
        "tls": {"roots": chosen.tls},
        "channel": chosen.channel,
        "chaincode": chosen.chaincode,
        "older": chosen.older,
        "users": users,
        "orderers": list(chosen.orderer),
        "authorities": pairs,
        "peers": peers,
    }


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--endpoint", required=True, help="host:port of a peer of Org1MSP")
    parser.add_argument("--tls", required=True, help="root of its TLS certificate")
    parser.add_argument("--channel", required=True)
    parser.add_argument("--chaincode", required=True, help="name of a chaincode that is tests.support.hl_kv")
    parser.add_argument("--authority", nargs=3, action="append", default=[], metavar=("MSP", "CERTIFICATE", "KEY"))
    parser.add_argument("--peer", nargs=3, action="append", default=[], metavar=("MSP", "CERTIFICATE", "KEY"))
    parser.add_argument("--orderer", action="append", default=[], help="certificate of one that signs blocks")
    parser.add_argument("--older", action="store_true", help="the line is 2.5")
    chosen = parser.parse_args()
    chosen.out.write_text(json.dumps(_config(chosen), indent=2))


if __name__ == "__main__":
    main()
