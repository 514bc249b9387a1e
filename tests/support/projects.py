"""Bundles for tests: those of the box and of ``bad_cryptlets``, built once, and small projects made on the spot."""

from functools import cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.bundles.build import Built, build
from fabric.trust.publication import Publication
from registry.publish import Publisher, sign_publication

ROOT: Final = Path(__file__).resolve().parents[2]
COLD_CHAIN: Final = ROOT / "cryptlets/contract/cold_chain"
FINGERPRINT: Final = ROOT / "cryptlets/utility/fingerprint"
RELAY: Final = ROOT / "cryptlets/utility/relay"
BAD: Final = ROOT / "tests/support/bad_cryptlets"
SAMPLES: Final = COLD_CHAIN / "samples"
PUBLISHER: Final = Publisher(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

TOML: Final = """\
[cryptlet]
name = "{name}"
version = "{version}"
kind = "utility"
entry = "{package}:Greeter"
description = "Greets."

[source]
package = "{package}"
modules = ["__init__.py"]

[determinism]
mode = "strict"
"""
SOURCE: Final = '''\
"""Greets."""

from pydantic import BaseModel

from fabric.sdk import Context, Cryptlet, method


class Name(BaseModel):
    name: str


class Greeter(Cryptlet):
    @method
    def greet(self, ctx: Context, value: Name) -> Name:
        """Greets."""
        return Name(name=f"Hello, {value.name}")
'''


@cache
def built(folder: Path) -> Built:
    """Returns the bundle of a project folder of this tree."""
    return build(folder)


def signed(bundle: Built, publisher: Publisher = PUBLISHER) -> Publication:
    """Returns a publication of a bundle by the tests' publisher."""
    return sign_publication(bundle.bundle, publisher)


def write_project(
    folder: Path, *, name: str = "greeter", version: str = "1.0.0", toml: str = TOML, source: str = SOURCE
) -> Path:
    """Writes a small project and returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = toml.format(name=name, version=version, package=name.replace("-", "_"))
    (folder / "cryptlet.toml").write_text(text)
    (folder / "__init__.py").write_text(source)
    return folder
