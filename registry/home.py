"""Home: the namespace that a bundle says it is of; a registry publishes it there, and a reader takes it from there."""

from fabric.bundles.bundle import Bundle
from fabric.core.errors import Refused


def check_home(bundle: Bundle, namespace: str) -> None:
    """Holds a bundle's own word on its namespace against the one that it is published under.

    A measurement is logged once: without that word, whoever has the sources could publish the same bytes first.

    Raises:
        Refused: it is another one.
    """
    home = bundle.manifest.project.cryptlet.namespace
    if home is not None and home != namespace:
        raise Refused(f"{bundle.manifest.title} is of the namespace {home!r}, as its manifest says, not {namespace!r}")
