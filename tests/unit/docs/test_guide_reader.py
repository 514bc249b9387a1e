"""The reader of guides: what it takes for a command, what it lets differ, and that it passes over nothing else."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.guide import File, Reader, Step, differences, read_guide

GUIDE: Final = """
# A guide

```sh
rm -rf everything
```

```console
$ make it \\
    so
made
...
$ fail
error: no
[exit 3]
```

<!-- guide: file a.py -->
```python
print(1)
```

<!-- guide: runs on -->
```console
$ serve
```

<!-- guide: not run -->
```console
$ rm -rf everything
```
"""
OLD: Final = "89eda82a4df2e3856078ef98287d96ff12965acd2cca7c79d08846bae30b99f6"
NEW: Final = "616d1ad53fc60b06f1c2e27409f806910881d7a94af5570267a195a44d9d552f"


def test_what_a_reader_does() -> None:
    assert list(read_guide(GUIDE)) == [
        Step("make it \\\n    so", ("made", "...")),
        Step("fail", ("error: no",), 3),
        File("a.py", "print(1)\n"),
        Step("serve", (), runs_on=True),
    ]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "..."], ["a", "b", "c"]),
        (["...", "c"], ["a", "b", "c"]),
        (["a   b"], ["a b"]),
        ([f"id {OLD}", "tx 0x" + OLD], [f"id {NEW}", "tx 0x" + NEW]),
        (["at 127.0.0.1:7070 (pid 9)", "block 15 tx"], ["at 127.0.0.1:41 (pid 123)", "block 7 tx"]),
        (["4 passed in 0.31s", "2026-11-26T21:32:38Z"], ["4 passed in 12.00s", "2027-01-01T00:00:00Z"]),
    ],
)
def test_what_may_differ(shown: list[str], printed: list[str]) -> None:
    assert differences(shown, printed, {}) is None


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        (["a", "b"], ["a"], "b"),
        (["a", "b"], ["a", "c"], "b"),
        (["a", "b"], ["a", "x", "b"], "b"),
        (["b", "...", "a"], ["a", "b"], "b"),
        (["a", "...", "z"], ["a", "b"], "z"),
        (["a"], ["a", "b"], "nothing more, and there is 'b'"),
        (["4 passed"], ["3 passed"], "4 passed"),
        ([f"id {OLD}"], ["id none"], f"id {OLD}"),
        (["final block 15"], ["included block 15"], "final block 15"),
    ],
)
def test_what_may_not(shown: list[str], printed: list[str], missing: str) -> None:
    assert differences(shown, printed, {}) == missing


def test_a_value_of_this_run_takes_the_place_of_the_guides(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text(
        f"```console\n$ echo id $VALUE\nid {OLD}\n$ mkdir d && cd d\n$ echo {OLD} > file\n```\n"
        f"<!-- guide: file text -->\n```toml\nid = {OLD}\n```\n"
    )
    with Reader(tmp_path, {"VALUE": NEW}) as reader:
        reader.follow(guide)
    assert (tmp_path / "d/file").read_text() == f"{NEW}\n"
    assert (tmp_path / "d/text").read_text() == f"id = {NEW}\n"


@pytest.mark.parametrize(
    "text", ["$ echo a\nb\n", "$ false\n", "$ echo a\na\n[exit 3]\n"], ids=["output", "exit code", "other exit code"]
)
def test_a_guide_that_is_wrong_is_found_out(tmp_path: Path, text: str) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text(f"```console\n{text}```\n")
    with Reader(tmp_path) as reader, pytest.raises(AssertionError):
        reader.follow(guide)


def test_what_runs_on_is_ended(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text("<!-- guide: runs on -->\n```console\n$ bash -c 'echo ready; sleep 600'\nready\n```\n")
    with Reader(tmp_path) as reader:
        reader.follow(guide)
        (process,) = reader._running
        assert process.poll() is None
    assert process.returncode == -15
