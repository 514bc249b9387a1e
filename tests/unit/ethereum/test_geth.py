"""Which geth is taken: by its version and by nothing else; and what is said where there is none."""

from pathlib import Path

import pytest

from adapters.ethereum import geth
from fabric.core.errors import ConfigError


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no geth and no Go."""
    monkeypatch.delenv("GETH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def program(place: Path, says: str, code: int = 0) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{says}\nexit {code}\n")
    place.chmod(0o755)
    return place


def says(version: str) -> str:
    return f"echo Geth\necho Version: {version}"


@pytest.mark.parametrize("version", ["1.13.15-stable", "1.13.4-stable-3f907d6a"])
def test_one_on_the_path_is_taken(tmp_path: Path, version: str) -> None:
    assert geth.find_geth() is None
    found = program(tmp_path / "path" / "geth", says(version))
    assert geth.find_geth() == geth.obtain() == found


@pytest.mark.parametrize("version", ["1.14.0-stable", "1.12.2-stable", "1.130.1", "11.13.1", ""])
def test_another_version_is_passed_over(tmp_path: Path, version: str) -> None:
    program(tmp_path / "path" / "geth", says(version))
    assert geth.find_geth() is None
    built = program(geth.cached(), says("1.13.15-stable"))
    assert geth.find_geth() == built


def test_one_that_is_named_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = program(tmp_path / "mine", says("1.14.12-stable"))
    monkeypatch.setenv("GETH", str(named))
    with pytest.raises(ConfigError, match=r"mine is no geth 1\.13: .* it says 'Geth Version: 1\.14\.12"):
        geth.find_geth()
    monkeypatch.setenv("GETH", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="it says 'nothing'"):
        geth.find_geth()
    program(named, says("1.13.15-stable"))
    monkeypatch.setenv("GETH", str(named))
    assert geth.find_geth() == named


def test_without_go_one_sentence_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"needs geth 1\.13, and there is no Go .*PATH.*GETH=.*make geth"):
        geth.obtain()


def test_what_go_says_is_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(tmp_path / "path" / "go", "echo 'module lookup disabled' >&2", code=1)
    assert geth.main() == 1
    assert "Go did not build one: module lookup disabled: put a geth 1.13 on PATH" in capsys.readouterr().err
    assert not geth.cached().exists()


@pytest.mark.parametrize(("version", "flag"), [("go1.22.12", ""), ("go1.26.8", "-ldflags=-checklinkname=0")])
def test_go_builds_the_pinned_version_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, flag: str
) -> None:
    builds = (
        f'if [ "$1" = env ]; then echo {version}; exit 0; fi\n'
        f'echo "$CGO_ENABLED $*" >> {tmp_path}/calls\n'
        'printf "#!/bin/sh\\necho Version: 1.13.15-stable\\n" > "$GOBIN/geth"\n'
        '/bin/chmod +x "$GOBIN/geth"'
    )
    program(tmp_path / "path" / "go", builds)
    assert [geth.main(), geth.main()] == [0, 0]
    assert capsys.readouterr().out.splitlines() == [str(geth.cached())] * 2
    wanted = f"0 install {flag} github.com/ethereum/go-ethereum/cmd/geth@v1.13.15"
    assert (tmp_path / "calls").read_text().splitlines() == [" ".join(wanted.split())]
    assert [each.name for each in geth.cached().parent.iterdir()] == ["geth"]
