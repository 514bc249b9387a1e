"""`cryptlet build` and `cryptlet publish`: data on stdout, talk on stderr, errors raised for the tool to show."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from fabric.bindings.file import read_binding_file
from fabric.bundles.bundle import read_bundle
from fabric.core.errors import AuthorError, ConfigError, Malformed, NotFound, Refused
from fabric.core.ids import sha256
from fabric.relay.model import RELAY_CALLER
from registry.commands import app
from registry.folder import FolderRegistry
from registry.lint import refuse_errors
from registry.publish import open_publisher
from tests.support.locked import write_locked
from tests.support.projects import COLD_CHAIN, RELAY, SOURCE, TOML, built, write_project
from tests.support.proofs import ETHEREUM, NATIVE, policy

RUNNER = CliRunner()


def _run(*arguments: str | Path) -> str:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_build_is_verified_before_its_wheel_is_written(tmp_path: Path) -> None:
    assert "rebuilt" in json.loads(_run("build", COLD_CHAIN, "--out", tmp_path / "good", "--verify", "--json"))
    source = SOURCE.replace("name: str", "name: str = str(__import__('os').getpid())")
    project = write_project(tmp_path / "project", source=source)
    with pytest.raises(AuthorError, match="another wheel in a clean place"):
        _run("build", project, "--out", tmp_path / "bad", "--verify")
    assert not (tmp_path / "bad").exists()


def test_a_project_and_its_wheel_are_linted(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", source="import pickle\n" + SOURCE)
    result = RUNNER.invoke(app, ["lint", str(project)])
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{project}/__init__.py:1: error: uses pickle (unpickling): reading such bytes")
    made = json.loads(_run("build", project, "--out", tmp_path, "--json"))
    told = RUNNER.invoke(app, ["lint", made["wheel"], "--json"])
    assert told.exit_code == 1
    value = json.loads(told.stdout)
    assert (value["errors"], value["warnings"]) == (1, 0)
    assert (value["findings"][0]["file"], value["findings"][0]["line"]) == ("greeter/__init__.py", 1)
    with pytest.raises(Refused, match=r"greeter@1\.0\.0 is not published with errors of the lint: greeter/__init__"):
        refuse_errors(read_bundle(Path(made["wheel"]).read_bytes()))


def test_what_a_bundle_locks_travels_beside_it(tmp_path: Path) -> None:
    project = write_locked(tmp_path / "project")
    made = json.loads(_run("build", project, "--out", tmp_path / "dist", "--json"))
    (dependency,) = (path for path in (tmp_path / "dist").iterdir() if path != Path(made["wheel"]))
    assert dependency.name == "speller-2.1-py3-none-any.whl"
    for place in (project, made["wheel"]):
        assert json.loads(_run("lint", place, "--json"))["findings"] == []
    keys = ("--registry", tmp_path / "registry", "--key", tmp_path / "key.pem")
    _run("publish", made["wheel"], *keys)
    digest = sha256(dependency.read_bytes())
    assert FolderRegistry(tmp_path / "registry").dependency(digest) == dependency.read_bytes()
    dependency.unlink()
    with pytest.raises(NotFound, match=r"speller-2\.1-py3-none-any\.whl: No such file.* puts it beside the bundle"):
        _run("publish", made["wheel"], *keys)


def test_a_clean_project_has_no_finding(tmp_path: Path) -> None:
    assert json.loads(_run("lint", COLD_CHAIN, "--json")) == {"findings": [], "errors": 0, "warnings": 0}
    project = write_project(tmp_path, toml=TOML.replace("strict", "none"))
    assert _run("lint", project).startswith(f"{project}/cryptlet.toml:13: warning: ")
    with pytest.raises(NotFound, match="name a project folder or a wheel file"):
        _run("lint", tmp_path / "nothing")


def test_from_sources_to_a_registry(tmp_path: Path) -> None:
    made = json.loads(_run("build", COLD_CHAIN, "--out", tmp_path / "dist", "--json"))
    bundle = built(COLD_CHAIN)
    assert made == {
        "wheel": str(tmp_path / "dist" / bundle.filename),
        "name": "cold-chain",
        "version": "1.0.0",
        "kind": "contract",
        "methods": ["judge"],
        "sha256": bundle.bundle.wheel_digest.hex(),
        "measurement": bundle.bundle.measurement.hex(),
    }
    assert Path(made["wheel"]).read_bytes() == bundle.wheel
    key, registry = tmp_path / "keys/publisher.pem", tmp_path / "registry"
    told = json.loads(_run("publish", made["wheel"], "--registry", registry, "--key", key, "--json"))
    assert told == {
        "name": "cold-chain",
        "version": "1.0.0",
        "kind": "contract",
        "measurement": made["measurement"],
        "publisher": open_publisher(key).identity.hex(),
        "registry": str(registry),
    }
    assert FolderRegistry(registry).resolve("cold-chain").hex() == made["measurement"]


def test_people_read_a_table(tmp_path: Path) -> None:
    lines = _run("build", write_project(tmp_path), "--out", tmp_path / "dist").splitlines()
    assert [line.split()[0] for line in lines] == [
        "wheel",
        "name",
        "version",
        "kind",
        "methods",
        "sha256",
        "measurement",
    ]


def test_a_new_key_is_its_owners_alone_and_announced(tmp_path: Path) -> None:
    _run("build", write_project(tmp_path), "--out", tmp_path)
    key = tmp_path / "publisher.pem"
    wheel = tmp_path / "greeter-1.0.0-py3-none-any.whl"
    arguments = ["publish", str(wheel), "--registry", str(tmp_path / "registry"), "--key", str(key)]
    assert f"made a new publisher key in {key}" in RUNNER.invoke(app, arguments).stderr
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert RUNNER.invoke(app, arguments).stderr == ""


def test_errors_are_raised_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match=r"cryptlet\.toml: cannot be read"):
        _run("build", tmp_path)
    options = ("--registry", tmp_path / "registry", "--key", tmp_path / "key")
    with pytest.raises(NotFound, match=r"no\.whl: No such file"):
        _run("publish", tmp_path / "no.whl", *options)
    (tmp_path / "x.whl").write_bytes(b"no wheel")
    with pytest.raises(Malformed):
        _run("publish", tmp_path / "x.whl", *options)
    assert not (tmp_path / "key").exists()


def test_another_bundle_under_the_same_version_is_refused(tmp_path: Path) -> None:
    options = ("--registry", tmp_path / "registry", "--key", tmp_path / "key")
    for source, folder in ((SOURCE, tmp_path / "a"), (SOURCE + "\n", tmp_path / "b")):
        _run("build", write_project(folder, source=source), "--out", folder)
    wheel = "greeter-1.0.0-py3-none-any.whl"
    _run("publish", tmp_path / "a" / wheel, *options)
    with pytest.raises(Refused, match="give it a new version"):
        _run("publish", tmp_path / "b" / wheel, *options)


def _write_key(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_key_is_pem_or_hexadecimal(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    expected = key.public_key().public_bytes_raw()
    for number, data in enumerate((pem, bytes(range(32)).hex().encode(), bytes(range(32)).hex().encode() + b"\n")):
        assert open_publisher(_write_key(tmp_path / str(number), data)).identity == expected


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data, message in ((b"", "no unencrypted"), (b"00", "no unencrypted"), (other, "expected an Ed25519 key")):
        with pytest.raises(ConfigError, match=message):
            open_publisher(_write_key(tmp_path / "key", data))
    with pytest.raises(ConfigError, match="Is a directory"):
        open_publisher(tmp_path)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = _write_key(tmp_path / "key", b"00" * 32, 0o640)
    with pytest.raises(ConfigError, match=r"mode 0640\); run: chmod 600"):
        open_publisher(path)


def test_the_commands_import_nothing_before_they_run() -> None:
    question = (
        "import sys, registry.commands\n"
        "print(sorted(name for name in sys.modules if name.startswith(('fabric.', 'pydantic', 'cryptography'))))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", question], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_draft_of_a_binding_fits_the_bundle_and_overwrites_nothing(tmp_path: Path) -> None:
    made = json.loads(_run("build", write_project(tmp_path / "p"), "--out", tmp_path / "dist", "--json"))
    where = ("--registry", tmp_path / "registry", "--key", tmp_path / "key")
    file = tmp_path / "binding.toml"
    told = json.loads(_run("publish", made["wheel"], *where, "--binding", file, "--json"))
    assert told["binding"] == str(file)
    binding = read_binding_file(file, {"native": NATIVE, "ethereum": ETHEREUM})
    assert (binding.name, binding.cryptlet) == ("greeter", "greeter@1.0.0")
    assert (binding.measurement.hex(), list(binding.methods)) == (made["measurement"], ["greet"])
    written = file.read_bytes()
    newer = json.loads(_run("build", write_project(tmp_path / "q", version="2.0.0"), "--out", tmp_path, "--json"))
    with pytest.raises(Refused, match=f"stays as it is.*{newer['measurement']}"):
        _run("publish", newer["wheel"], *where, "--binding", file)
    assert file.read_bytes() == written
    assert FolderRegistry(tmp_path / "registry").resolve("greeter").hex() == made["measurement"], "nothing is published"


def test_a_draft_for_a_relay_serves_a_mailbox(tmp_path: Path) -> None:
    wheel, file = tmp_path / built(RELAY).filename, tmp_path / "binding.toml"
    wheel.write_bytes(built(RELAY).wheel)
    _run("publish", wheel, "--registry", tmp_path / "registry", "--key", tmp_path / "key", "--binding", file)
    binding = read_binding_file(file, {"native": NATIVE, "ethereum": ETHEREUM}, policy())
    assert (sorted(binding.callers), sorted(binding.methods)) == ([RELAY_CALLER], ["acknowledge", "deliver"])
    assert [(one.destination, one.recipient, one.consume) for one in binding.routes] == [
        (NATIVE.id, NATIVE.settlement, True)
    ]
    assert [one.destination.id for one in binding.sources] == [ETHEREUM.id]
