"""Hardware profile: what a cryptlet asks of a machine, and what that is in Ray's terms."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError
from fabric.runtime.member import NODE_LABEL

_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
"""Ray's own rule for label values; keys are held to the same."""


@dataclass(frozen=True)
class Profile:
    """The hardware of the enclaves of one pool.

    Attributes:
        name: names the pool.
        cpus: processor cores that one enclave uses; fractions share a core.
        memory: bytes that one enclave uses.
        gpus: graphics processors that one enclave uses.
        accelerator: model of them, as Ray names it; empty for any.
        labels: what a machine must be labelled with, such as ``counterparty=acme`` or ``tee=tdx``.
    """

    name: str = "default"
    cpus: float = 1.0
    memory: int = 256 << 20
    gpus: float = 0.0
    accelerator: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses what Ray would only wait for.

        Raises:
            ConfigError: a negative amount, or a label that Ray does not accept.
        """
        if self.cpus < 0 or self.memory < 0 or self.gpus < 0:
            raise ConfigError(f"profile {self.name!r}: cpus, memory and gpus are not negative")
        for key, value in self.labels.items():
            if not _LABEL.fullmatch(key) or not _LABEL.fullmatch(value):
                raise ConfigError(f"profile {self.name!r}: {key!r}={value!r} is no label (letters, digits, . _ / -)")

    def ray_options(self) -> JsonObject:
        """Returns the options of a Ray actor that stands for one such enclave.

        The courier itself needs next to nothing: it reserves what its enclave, which Ray does not know, uses.
        """
        options: JsonObject = {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": self.memory}
        if self.accelerator:
            options["accelerator_type"] = self.accelerator
        if self.labels:
            options["label_selector"] = dict(self.labels)
        return options


def on_node(profile: Profile, node: str) -> Profile:
    """Returns the profile held to one machine; an empty name holds it to none."""
    return replace(profile, labels={**profile.labels, NODE_LABEL: node}) if node else profile
