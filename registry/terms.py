"""Terms: what a release asks of those who run and call it, and what it promises; two of them can be compared."""

from dataclasses import dataclass

from fabric.bundles.bundle import Bundle
from fabric.bundles.manifest import Manifest
from fabric.core.canonical import JsonObject


@dataclass(frozen=True)
class HardwareTerms:
    """The hardware profile.

    Attributes:
        cpus: processors.
        gpus: accelerators.
        memory_mb: memory in MiB.
        labels: name and value of what the place must be, such as ``("tee", "tdx")``, by name.
    """

    cpus: int = 1
    gpus: int = 0
    memory_mb: int = 256
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PriceTerms:
    """What one invocation costs.

    Attributes:
        amount: decimal digits, such as ``"0.05"``.
        currency: capital letters.
    """

    amount: str
    currency: str


@dataclass(frozen=True)
class MethodTerms:
    """One method.

    Attributes:
        name: its name.
        description: its author's words.
        takes: JSON Schema of the input; None for a raw file.
        gives: JSON Schema of the output.
    """

    name: str
    description: str
    takes: JsonObject | None
    gives: JsonObject


@dataclass(frozen=True)
class Dependency:
    """A locked dependency, which is part of the measurement.

    Attributes:
        name: of the distribution.
        version: of it.
        sha256: digest of its file.
    """

    name: str
    version: str
    sha256: bytes


@dataclass(frozen=True)
class Terms:
    """All that a release asks and promises.

    Attributes:
        kind: ``utility``, ``contract``, or ``data`` for a data service.
        capabilities: what it may reach, as its manifest spells them: a kind, a colon, what of that kind.
        hardware: where it runs.
        price: None where nothing is asked.
        determinism: ``strict`` or ``none``.
        licence: SPDX expression; empty where none is stated.
        methods: by name.
        dependencies: by name.
        freshness_seconds: how old a data service's answer is at most; None for code.
        source: where a data service's answers come from, in words; empty for code.
    """

    kind: str
    capabilities: tuple[str, ...]
    hardware: HardwareTerms
    price: PriceTerms | None
    determinism: str
    licence: str
    methods: tuple[MethodTerms, ...]
    dependencies: tuple[Dependency, ...]
    freshness_seconds: int | None = None
    source: str = ""


def terms_of(manifest: Manifest, *, licence: str = "", dependencies: tuple[Dependency, ...] = ()) -> Terms:
    """Returns the terms that a bundle's manifest states; licence and dependencies stand outside it."""
    project = manifest.project
    hardware, price = project.hardware, project.price
    return Terms(
        kind=project.cryptlet.kind,
        capabilities=tuple(sorted(project.capabilities)),
        hardware=HardwareTerms(
            hardware.cpus, hardware.gpus, hardware.memory_mb, tuple(sorted(hardware.labels.items()))
        ),
        price=None if price is None else PriceTerms(price.amount, price.currency),
        determinism=project.determinism.mode,
        licence=licence,
        methods=tuple(_method(name, value) for name, value in sorted(manifest.methods.items())),
        dependencies=dependencies,
    )


def terms_of_bundle(bundle: Bundle) -> Terms:
    """Returns the terms of a bundle, with its licence and what it locks."""
    project = bundle.manifest.project
    locked = tuple(Dependency(item.name, item.version, item.digest) for item in project.dependencies)
    return terms_of(bundle.manifest, licence=project.cryptlet.licence or "", dependencies=locked)


def _method(name: str, value: JsonObject) -> MethodTerms:
    takes, gives = value["input"], value["output"]
    return MethodTerms(
        name,
        str(value["description"]),
        takes if isinstance(takes, dict) else None,
        gives if isinstance(gives, dict) else {},
    )
