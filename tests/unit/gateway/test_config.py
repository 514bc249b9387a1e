"""Configuration: file and environment, and one sentence for whatever is wrong in either."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import ConfigError
from fabric.gateway.config import FILE_NAME, Config, load_config


def write(folder: Path, text: str) -> Path:
    path = folder / "fabric.toml"
    path.write_text(text)
    return path


def test_without_file_and_environment_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(None, {})
    assert config == Config()
    assert set(config.ledgers) == {"native", "ethereum"}
    assert config.gateway.listen.startswith("127.0.0.1:")


def test_the_file_in_the_working_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE_NAME).write_text('state = "elsewhere"')
    assert load_config(None, {}).state == Path("elsewhere")


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load_config(tmp_path / "missing.toml", {})
    with pytest.raises(ConfigError, match=tmp_path.name):
        load_config(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("stat = 'x'", "stat", "state"),
        ("[gatway]\nlisten = 'x'", "gatway", "gateway"),
        ("[gateway]\nlisen = 'x'", "gateway.lisen", "listen"),
        ("[runtime]\nenclave = 1", "runtime.enclave", "enclaves"),
        ("[ledgers.native]\nkind = 'native'\nembeded = true", "ledgers.native.embeded", "embedded"),
        ("[ledgers.kind]\nkind = 'native'\noption = {}", "ledgers.kind.option", "options"),
        ("[appraisal]\nvalidity = 60", "appraisal.validity", "validity_seconds"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path, text: str, key: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), {})
    assert f"unknown key {key!r} - did you mean {nearest!r}?" in str(caught.value)
    assert "fabric.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[gateway]\nmax_batch = 'many'", "gateway.max_batch"),
        ("[gateway]\nmax_batch = 0", "gateway.max_batch"),
        ("[gateway]\nmax_batch = 1025", "gateway.max_batch"),
        ("[gateway]\ncallers = {acme = 'secret'}", "gateway.callers.acme"),
        ("gateway = 1", "gateway"),
        ("[appraisal]\nembedded = false", "appraisal.embedded"),
        ("[ledgers.native]\nembedded = true", "ledgers.native.kind"),
        ("[ledgers.native]\nkind = 'native'\noptions = {x = [1]}", "ledgers.native.options.x"),
        ("[publishers]\ndemo = 'AB'", "publishers.demo"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"fabric\.toml or environment: {key}"):
        load_config(write(tmp_path, text), {})


@pytest.mark.parametrize("text", ["[", "a = ", "\x00", "a = 1\na = 2"])
def test_what_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"fabric\.toml"):
        load_config(write(tmp_path, text), {})


def test_the_environment_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "state = 'a'\n[gateway]\nlisten = '127.0.0.1:1'\nmax_batch = 5")
    environ = {
        "CRYPTLET_STATE": "b",
        "CRYPTLET_GATEWAY__LISTEN": "127.0.0.1:2",
        "CRYPTLET_RUNTIME__ALLOW_UNJAILED_RAY": "true",
        "CRYPTLET_GATEWAY__CALLERS__ACME": "ab" * 32,
        "HOME": "not ours",
    }
    config = load_config(path, environ)
    assert (config.state, config.gateway.listen, config.gateway.max_batch) == (Path("b"), "127.0.0.1:2", 5)
    assert config.runtime.allow_unjailed_ray is True
    assert config.gateway.callers == {"acme": "ab" * 32}


def test_the_variable_of_the_callers_key_is_no_configuration(tmp_path: Path) -> None:
    """The commands read it; a fabric that is started where it is set must start."""
    assert load_config(write(tmp_path, ""), {"CRYPTLET_API_KEY": "secret"}) == Config()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CRYPTLET_STAT": "b"}, "unknown key 'stat' - did you mean 'state'?"),
        ({"CRYPTLET_STATE__X": "b"}, "CRYPTLET_STATE__X: state is not a table"),
        ({"CRYPTLET_GATEWAY": "b"}, "gateway: "),
        ({"CRYPTLET_GATEWAY__MAX_BATCH": "x"}, "gateway.max_batch: "),
        ({"CRYPTLET_": "x"}, "unknown key ''"),
        ({"CRYPTLET___": "x"}, "unknown key ''"),
    ],
    ids=lambda one: str(next(iter(one)) if isinstance(one, dict) else ""),
)
def test_a_wrong_variable_is_named(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, "state = 'a'"), environ)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


names = st.text(st.sampled_from("ABGSTEWAYLISN_"), max_size=12)


@given(st.dictionaries(names.map("CRYPTLET_".__add__), st.text(max_size=5), max_size=4))
def test_any_environment_is_a_configuration_or_an_error(environ: dict[str, str]) -> None:
    try:
        assert isinstance(load_config(Path("/dev/null"), environ), Config)
    except ConfigError as error:
        assert str(error)  # noqa: PT017 - either end is right


def test_the_stores_password_shows_nowhere(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, 'store = "postgresql://fabric:secret@host/fabric"'), {})
    assert config.store is not None
    assert config.store.get_secret_value().startswith("postgresql://fabric:secret@")
    assert "secret@" not in f"{config!r} {config}" + config.model_dump_json()
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, 'store = ["postgresql://fabric:secret@host/fabric"]'), {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", "", ".hidden", "a,b=c", "x" * 64])
def test_a_name_that_is_no_folder_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    for table in (f'[ledgers."{name}"]\nkind = "native"', f'[cluster.nodes."{name}"]\nattester = "{"a" * 64}"'):
        with pytest.raises(ConfigError, match="should match pattern"):
            load_config(write(tmp_path, table), {})
    with pytest.raises(ConfigError, match=r"cluster\.name"):
        load_config(write(tmp_path, f'[cluster]\nname = "{name}"'), {})


@pytest.mark.parametrize(
    "store", ["", "fabric.db", "sqlite:////shared/fabric.db", "host=x password=secret", "mysql://x/y"]
)
def test_only_a_servers_database_is_named(tmp_path: Path, store: str) -> None:
    with pytest.raises(ConfigError, match=r"store: .*expected postgresql://") as caught:
        load_config(write(tmp_path, f'store = "{store}"'), {})
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="environment variable CRYPTLET_STORE"):
        load_config(None, {"CRYPTLET_STORE": store})
