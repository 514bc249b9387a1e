"""What the acts with messages stand on, and what they tell of a message that ended."""

from dataclasses import dataclass, field
from pathlib import Path

from fabric.cli.demo import fleet
from fabric.cli.demo.bindings import relay_binding
from fabric.cli.demo.progress import Progress
from fabric.client import Client, MessageTrace, RemoteError
from fabric.core.ids import BindingVersion, InvocationId, Measurement, parse_word
from fabric.gateway.endpoint import Endpoint
from fabric.ledger.devnet import Integrator
from fabric.trust.message import Shown
from fabric.trust.policy import Policy


@dataclass(frozen=True)
class Ground:
    """What the act stands on.

    Attributes:
        folder: folder of the run.
        state: state folder of the fabric.
        cryptlets: where the box's cryptlets are.
        endpoint: the fabric with its ledgers.
        client: speaks to it in the operator's name.
        integrator: stands on Ethereum.
        shipments: measurement of the cryptlet that judges.
        progress: what is drawn meanwhile.
    """

    folder: Path
    state: Path
    cryptlets: Path
    endpoint: Endpoint
    client: Client
    integrator: Integrator
    shipments: Measurement
    progress: Progress

    @property
    def policy(self) -> Policy:
        """The policy that the fabric wrote."""
        return Policy.parse((self.state / "policy.json").read_bytes())

    def accepts(self, ledger: str) -> Shown:
        """Returns what a channel's end must accept of a ledger's events, beyond it."""
        roots = self.policy.destinations[self.endpoint.ledgers[ledger].destination.id]
        return Shown.ASSERTED if roots.accept_asserted else Shown.PROVEN


@dataclass(frozen=True)
class Told:
    """A message that ended.

    Attributes:
        what: whom it was for, or which way it took.
        trace: the message and every step that it took.
        proofs: proof files of the records that carried it.
    """

    what: str
    trace: MessageTrace
    proofs: list[Path] = field(default_factory=list)


async def bind_relay(ground: Ground) -> dict[str, BindingVersion]:
    """Publishes the relay and puts a binding in force for the mailbox of each ledger."""
    step = ground.progress.step("publish and bind the relay", len(ground.endpoint.ledgers))
    built = await fleet.run("build", str(ground.cryptlets / "utility" / "relay"), "--out", str(ground.folder / "dist"))
    key, registry = ground.folder / "publisher.key", ground.state / "registry"
    await fleet.run("publish", str(built["wheel"]), "--registry", str(registry), "--key", str(key))
    measurement = Measurement(parse_word(built["measurement"], "measurement"))
    versions = {}
    for here in ground.endpoint.ledgers:
        binding = relay_binding(measurement, ground.endpoint, ground.policy, here)
        versions[here] = await ground.client.put_binding(binding.document)
        step.done()
    return versions


async def proofs_of(ground: Ground, trace: MessageTrace) -> list[Path]:
    """Fetches the proofs of the records that carried a message."""
    folder = ground.folder / "proofs"
    paths = []
    for invocation in dict.fromkeys(step.invocation for step in trace.steps if step.invocation):
        try:
            result = await ground.client.result(InvocationId(invocation))
        except RemoteError:
            continue  # an attempt that gave no record
        for anchor in result.anchors:
            path = folder / f"{invocation.hex()[:16]}.{anchor.ledger}.proof.json"
            path.write_bytes(await ground.client.proof(InvocationId(invocation), anchor.destination))
            paths.append(path)
    return paths
