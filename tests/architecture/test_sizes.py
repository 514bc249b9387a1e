"""Small files and small functions. One that grows over a limit is split by noun, not by number."""

import statistics
from pathlib import Path
from typing import Final

from tests.architecture.tree import PACKAGES, Function, functions, shown, sources

MAX_FILE_LINES: Final = 500
MAX_FUNCTION_LINES: Final = 60
# Medians keep the ordinary file and function small; they leave room for the few that are not.
MAX_MEDIAN_FILE_LINES: Final = 160
MAX_MEDIAN_FUNCTION_LINES: Final = 12
REPORTED: Final = 5


def test_no_file_is_long() -> None:
    lengths = {shown(path): _file_lines(path) for path in sources()}
    _report("files", lengths)
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_long() -> None:
    lengths = {
        f"{shown(path)}:{function.lineno} {function.name}": _function_lines(function)
        for path in sources()
        for function in functions(path)
    }
    _report("functions", lengths)
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_the_ordinary_file_is_short() -> None:
    # A package's docstring alone is no file of code; it would only flatter the median.
    lengths = [_file_lines(path) for path in sources(*PACKAGES) if path.name != "__init__.py"]
    assert statistics.median(lengths) <= MAX_MEDIAN_FILE_LINES


def test_the_ordinary_function_is_short() -> None:
    lengths = [_function_lines(function) for path in sources(*PACKAGES) for function in functions(path)]
    assert statistics.median(lengths) <= MAX_MEDIAN_FUNCTION_LINES


def _file_lines(path: Path) -> int:
    return len(path.read_bytes().splitlines())


def _function_lines(function: Function) -> int:
    """Counts from ``def`` to the last line, the docstring included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _report(what: str, lengths: dict[str, int]) -> None:
    """Prints the longest (``pytest -rP`` shows it), so that the next split is no surprise."""
    longest = sorted(lengths.items(), key=lambda item: -item[1])[:REPORTED]
    print(f"{what}: {len(lengths)}, median {statistics.median(lengths.values())} lines")  # noqa: T201
    for name, lines in longest:
        print(f"{lines:5} {name}")  # noqa: T201
