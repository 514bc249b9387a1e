"""Describe: import the class of a wheel in a process of its own and print its methods. Run by ``fabric.bundles.build``.

The wheel is imported as it stands, as a container will, so that a module that was left out is found now.
"""

import contextlib
import sys
from collections.abc import Sequence

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import AuthorError
from fabric.sdk.describing import describe as describe_class


def describe(wheel: str, entry: str, dependencies: Sequence[str] = ()) -> JsonObject:
    """Returns kind and methods of the class, or ``error``.

    Args:
        wheel: path of the wheel file.
        entry: ``module:Class``.
        dependencies: paths of the wheels that it stands on, of binary ones the folders; behind all else, as in a
            container, so that they hide nothing.
    """
    sys.path.insert(0, wheel)
    sys.path.extend(dependencies)
    try:
        return describe_class(entry)
    except AuthorError as error:
        return {"error": str(error)}


def main() -> None:
    """Prints the description as canonical JSON on stdout; what the author's module prints goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        description = describe(sys.argv[1], sys.argv[2], sys.argv[3:])
    sys.stdout.buffer.write(canonical.encode(description))


if __name__ == "__main__":
    main()
