"""What the official Node client is configured with: users of every kind, made out by a network's own authorities."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from adapters.hyperledger.embedded.authorities import Authority, save
from adapters.hyperledger.embedded.identities import Member
from deploy.devnets.install import HERE, find_node
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import Clock, FrozenClock

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
