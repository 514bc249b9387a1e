"""What commands show of a verified release."""

from fabric.bundles.bundle import Bundle
from registry.client.reader import Found


def describe(found: Found, bundle: Bundle) -> dict[str, object]:
    """Returns what there is to know of a release, by name, for people and for JSON alike."""
    item, project = found.listing, bundle.manifest.project
    price = project.price
    return {
        "ref": item.ref,
        "description": project.cryptlet.description,
        "kind": project.cryptlet.kind,
        "state": item.now.state.value,
        "reason": item.now.reason,
        "measurement": item.measurement.hex(),
        "publisher": item.publication.signature.key.hex(),
        "owners": [key.hex() for key in found.book.holding(item.namespace).owners.keys],
        "logged": item.logged,
        "position": item.position,
        "log": f"{found.pins.origin}, {found.checkpoint.size} entries",
        "methods": sorted(bundle.manifest.methods),
        "capabilities": list(project.capabilities),
        "determinism": project.determinism.mode,
        "price": f"{price.amount} {price.currency}" if price else "none",
        "licence": project.cryptlet.licence or "none stated",
        "rebuilds": list(found.book.rebuilders(item)),
    }
