"""``cryptlet verify``: check a proof file offline.

Exit codes: 0 accepted, 3 refused, 2 unreadable.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, cast

import typer

from fabric.cli.plain import plain
from fabric.core import plugins
from fabric.core.errors import Malformed, VerificationError
from fabric.gateway.status import EXIT_REFUSED

_READABLE_DEPTH = 256
"""Deeper than any format of ours, far less than what ends the JSON decoder's process."""

_REFERENCE = re.compile(r"[a-z0-9-]+/[a-z0-9-]+(@[0-9a-z.]+)?")
"""What is no file's name by its looks, unless there is such a file."""

if TYPE_CHECKING:
    from fabric.trust.policy import Policy
    from fabric.trust.verifier import Verified


class VerifyReference(Protocol):
    """What ``cryptlet.references`` offers: verifies a published cryptlet, prints it, returns the exit code."""

    def __call__(self, ref: str, *, lock: Path, rebuilds: int, as_json: bool) -> int:
        """Raises ``VerificationError`` naming the step, and others of the platform's errors."""
        ...


def verify(
    proof: Annotated[str, typer.Argument(help="The proof file; or NAMESPACE/NAME@VERSION of a published cryptlet.")],
    policy: Annotated[Path | None, typer.Option(help="The policy; by default the one in the state folder.")] = None,
    state: Annotated[Path, typer.Option(help="The state folder.")] = Path(".state"),
    lock: Annotated[Path, typer.Option("--lock", help="Of a cryptlet: the lock file.")] = Path("cryptlet.lock"),
    rebuilds: Annotated[int, typer.Option("--rebuilds", help="Of a cryptlet: how many it takes.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Check a proof offline: which code ran, on which input, who vouches for it, what the ledger says.

    Of a published cryptlet, check what its registry, the log and its publisher say, and that it is the one pinned.
    """
    if _REFERENCE.fullmatch(proof) and not Path(proof).exists():
        return _verify_reference(proof, lock, rebuilds, as_json=as_json)
    return _verify_file(Path(proof), policy, state, as_json=as_json)


def _verify_reference(ref: str, lock: Path, rebuilds: int, *, as_json: bool) -> int:
    check = cast("VerifyReference", plugins.load(plugins.REFERENCES, "registry"))
    try:
        return check(ref, lock=lock, rebuilds=rebuilds, as_json=as_json)
    except VerificationError as error:
        _print_refusal(ref, error, as_json=as_json)
        return EXIT_REFUSED


def _verify_file(proof: Path, policy: Path | None, state: Path, *, as_json: bool) -> int:
    from fabric.gateway.kinds import load_kind
    from fabric.trust.verifier import verify as check

    data = _read(proof)
    rules = read_policy(policy, state)
    try:
        verified = check(data, rules, load_kind)
    except VerificationError as error:
        _print_refusal(proof, error, as_json=as_json)
        return EXIT_REFUSED
    _print_accepted(proof, verified, as_json=as_json)
    return 0


def read_policy(policy: Path | None, state: Path) -> "Policy | None":
    """Returns the policy, or None when none was named and the state folder holds none.

    Raises:
        Malformed: the file is no policy, or cannot be read.
    """
    from fabric.trust.policy import Policy

    path = policy or state / "policy.json"
    if policy is None and not path.exists():
        return None
    return Policy.parse(_read(path))


def _read(path: Path) -> bytes:
    from fabric.core.canonical import MAX_BYTES, check_depth

    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Malformed(str(path), f"cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise Malformed(str(path), f"more than {MAX_BYTES} bytes")
    try:
        check_depth(data, _READABLE_DEPTH)
        json.loads(data)
    except (ValueError, Malformed) as error:
        raise Malformed(str(path), f"unreadable: no JSON text ({error})") from error
    return data


def _print_refusal(path: Path | str, error: VerificationError, *, as_json: bool) -> None:
    from fabric.trust.verifier import STEPS

    is_known = isinstance(path, Path) and error.step in STEPS
    number = STEPS.index(error.step) + 1 if is_known else 0
    if as_json:
        document = {"accepted": False, "proof": str(path), "step": error.step, "number": number, "reason": error.reason}
        typer.echo(json.dumps(document))
    else:
        place = f"step {number} ({error.step})" if is_known else f"step {error.step}"
        typer.echo(f"refused at {place}: {plain(error.reason)}")


def _print_accepted(path: Path, verified: "Verified", *, as_json: bool) -> None:
    record, anchorage = verified.proof.record, verified.anchorage
    standing = verified.proof.standing
    facts = {
        "cryptlet": verified.proof.statement["cryptlet"],
        "method": verified.proof.statement["method"],
        "measurement": record.measurement.hex(),
        "invocation": record.invocation.hex(),
        "ledger": verified.ledger,
        "status": str(anchorage.status),
        "source": str(anchorage.source),
        "locator": anchorage.locator,
        "assurance": verified.assurance.name.lower(),
        "isolation": verified.isolation,
        "standing": f"{standing.state}, as {standing.registry} says" if standing else "none carried",
        "output": verified.proof.output,
    }
    if granted := verified.proof.binding.capabilities:
        facts["granted"] = ", ".join(sorted(granted))
    sources = cast("list[dict[str, object]]", verified.proof.statement["sources"])
    if as_json:
        typer.echo(json.dumps({"accepted": True, "proof": str(path), "sources": sources} | facts))
        return
    typer.echo("accepted")
    for name, value in facts.items():
        typer.echo(f"  {name:12} {plain(value) if isinstance(value, str) else json.dumps(value)}")
    for each in sources:
        rests = f"{each['event']}, message {each['message']}: {each['source']}, {each['status']}"
        typer.echo(f"  {'rests on':12} {plain(rests)}")
