"""Packages of others under our names: PyPI has unrelated ones of three of them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import fabric
from fabric.core.errors import ConfigError

OWN_PACKAGES: Final = ("fabric", "adapters", "registry", "cryptlets")


def refuse_shadowed_packages() -> None:
    """Stops when another distribution's package stands where one of ours should.

    Raises:
        ConfigError: names the package and what to do; PyPI has unrelated packages of three of these names.
    """
    home = Path(fabric.__file__).parents[1]
    for name in OWN_PACKAGES:
        spec = find_spec(name)
        if spec is None or spec.origin is None or Path(spec.origin).parents[1] != home:
            found = spec.origin if spec else "nothing"
            raise ConfigError(
                f"package {name!r} should come from cryptlet-fabric and is {found}: another distribution shadows it; "
                f"use an environment of its own for cryptlet-fabric"
            )
