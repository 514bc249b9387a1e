"""Places: where in an author's source something is, as the author knows the file."""

import inspect
from pathlib import PurePath
from types import CodeType


def place_of(code: CodeType, line: int | None = None) -> str:
    """Returns ``package/module.py:LINE`` of code in a wheel, ``module.py:LINE`` of any other.

    Args:
        code: compiled code.
        line: a line of it; without one, the first.
    """
    return f"{_shown(code.co_filename)}:{line or code.co_firstlineno}"


def is_bundled(code: CodeType) -> bool:
    """Says whether code is of a bundle, as everything is that its author wrote, and nothing that a container has."""
    return ".whl/" in code.co_filename


def place_of_class(cls: type) -> str:
    """Returns the same for a class, or its module's name where its source is not to be had."""
    try:
        file, (_, line) = inspect.getfile(cls), inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return cls.__module__
    return f"{_shown(file)}:{line}"


def _shown(filename: str) -> str:
    parts = PurePath(filename).parts
    wheels = [at for at, part in enumerate(parts) if part.endswith(".whl")]
    return "/".join(parts[wheels[-1] + 1 :] if wheels else parts[-1:])
