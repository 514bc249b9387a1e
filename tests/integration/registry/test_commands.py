"""The commands of the marketplace, as people type them, against a served registry."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from eth_utils.address import to_checksum_address
from typer.testing import CliRunner

from fabric.core import canonical
from fabric.core.clock import SystemClock
from fabric.core.errors import AuthorError, FabricError, VerificationError
from fabric.core.ids import sha256
from registry.book.entry import Entry
from registry.cli.app import app as market
from registry.commands import app as author
from registry.house.admission import NameGuard
from registry.house.store import Pending
from registry.server.app import make_app
from tests.support.account_links import CHANNEL, CLIENT, EVM, HYPERLEDGER, SECRET
from tests.support.hl_authorities import Authority
from tests.support.issuer import AUDIENCE, REPOSITORY, running_issuer
from tests.support.projects import TOML, write_project
from tests.support.registries import ALICE, ORIGIN, House, Person, opened, owners, release, wheel
from tests.support.registry_server import serving
from tests.vectors.gen_data_service import DOCUMENT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@dataclass
class Desk:
    """Somebody at a terminal.

    Attributes:
        folder: where he works.
        house: the registry.
    """

    folder: Path
    house: House

    async def run(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Runs a command with ``--json`` and returns its object; raises what it raises."""
        return await asyncio.to_thread(self._run, words, code)

    def _run(self, words: tuple[str, ...], code: int) -> dict[str, Any]:
        app = author if words[0] in {"build", "publish", "lint"} else market
        done = CliRunner().invoke(app, [*words, "--json"])
        if isinstance(done.exception, FabricError):
            raise done.exception
        assert done.exit_code in {0, code}, done.output
        value: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
        return value

    async def refuse(self, *words: str) -> str:
        """Runs a command that fails, with nobody at the keyboard; returns what it prints on stderr, and its error."""
        done = await asyncio.to_thread(CliRunner().invoke, market, [*words])
        assert isinstance(done.exception, FabricError), done.output
        return f"{done.stderr}{done.exception}"

    async def say(self, *words: str) -> str:
        """Runs a command and returns what it prints."""
        done = await asyncio.to_thread(CliRunner().invoke, market, [*words])
        if isinstance(done.exception, FabricError):
            raise done.exception
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    async def wheel(self, version: str, **changes: str) -> str:
        """Builds a greeter and returns its wheel's path."""
        project = write_project(self.folder / f"greeter-{version}", version=version, **changes)
        built = await self.run("build", str(project), "--out", str(self.folder / "dist"))
        return str(built["wheel"])


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv("CRYPTLET_MARKET_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    async with opened(tmp_path) as house:
        house.registry._admit = NameGuard()
        async with serving(make_app(house.registry, is_local=True)) as url:
            made = Desk(tmp_path, house)
            await made.say("registry", "trust", "home", url, "--root", "ceremony/root.json")
            await made.run("namespace", "claim", "acme")
            await made.run("registry", "approve", "home", "acme")
            yield made


async def test_claims_that_take_the_places_of_others_are_dropped(desk: Desk) -> None:
    """Two want one namespace, and whoever has made the most claims has not won."""
    mine, other = [await desk.run("namespace", "claim", "shop", "--key", f"{name}.key") for name in ("mine", "other")]
    with pytest.raises(FabricError, match=f"2 wait: approve one by its own name, of .*{mine['entry']}"):
        await desk.run("registry", "approve", "home", "shop")
    assert other["entry"] in await desk.say("registry", "drop", "home", other["entry"])
    assert len((await desk.run("registry", "pending", "home"))["pending"]) == 1
    with pytest.raises(FabricError, match="waits: it is logged, forgotten after a week, or never came"):
        await desk.say("registry", "drop", "home", other["entry"])
    assert (await desk.run("registry", "approve", "home", mine["entry"]))["owners"] == [mine["key"]]


async def test_nothing_is_signed_for_another_log_than_the_trusted_one(desk: Desk) -> None:
    """A registry that took a signature for another one could bring it there."""
    house, bob = desk.house, Person("bob")
    foreign = Entry("registry.test/two", "acme", 1, owners(ALICE, bob)).signed_by(ALICE.key.public, ALICE.key.sign)
    body = canonical.encode(foreign.to_json())
    await house.registry.store.put_pending(Pending(foreign.digest, "entry", "acme", body, None, 0))
    with pytest.raises(VerificationError, match=r"is for the log 'registry.test/two', this one is 'registry.test/one'"):
        await desk.run("promote", foreign.digest.hex(), "--yes")
    house.registry.book.origin = "registry.test/two"  # type: ignore[misc]
    told = r"it calls its log 'registry.test/two', and is trusted as 'registry.test/one'"
    for words in (
        ("promote", foreign.digest.hex(), "--yes"),
        ("namespace", "claim", "other"),
        ("owner", "lost", "acme", "ab" * 32, "--since", "0"),
        ("registry", "drop", "home", foreign.digest.hex()),
    ):
        with pytest.raises(VerificationError, match=told):
            await (desk.say if words[0] == "registry" else desk.run)(*words)
    house.registry.book.origin = ORIGIN  # type: ignore[misc]


async def test_no_claim_looks_like_another_one(desk: Desk) -> None:
    """Whoever names a branch is no more than part of one claim, whatever he calls it."""
    bob = Person("bob")
    await desk.house.claim("bobs", bob, ALICE)
    spoof = "x, repository=acme/good\u202e\u200b"
    body = replace(release(wheel(), bob, staged=True), provenance={"subject": spoof})
    entry = desk.house.entry("bobs", body, bob)
    await desk.house.registry.submit(entry)
    await desk.house.registry.take_wheel(entry.digest, sha256(wheel()), wheel())
    (desk.folder / "alice.key").write_bytes(
        ALICE.key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (desk.folder / "alice.key").chmod(0o600)
    told = await desk.refuse("promote", entry.digest.hex(), "--key", "alice.key")
    assert f"signed by    {bob.key.public.hex()}" in told
    assert 'staged by    subject="x, repository=acme/good\\u202e\\u200b"' in told


async def _key(desk: Desk, name: str) -> str:
    """Makes a key file by claiming a namespace nobody asked for, and returns the public key."""
    return str((await desk.run("namespace", "claim", f"{name}s-own-name", "--key", f"{name}.key"))["key"])


async def test_a_release_and_what_becomes_of_it(desk: Desk) -> None:
    first = await desk.run("publish", await desk.wheel("1.0.0"), "--namespace", "acme")
    assert (first["position"], first["ref"]) == (2, "acme/greeter@1.0.0")
    ref = "acme/greeter@1.0.0"
    for command in ("deprecate", "yank"):
        assert (await desk.run(command, ref, "--reason", "old"))["position"]
    assert (await desk.run("info", ref))["state"] == "yanked"
    with pytest.raises(FabricError, match=r"state: acme/greeter@1\.0\.0 is yanked"):
        await desk.run("install", ref)
    assert (await desk.run("restore", ref))["position"]
    installed = await desk.run("install", "acme/greeter", "--binding", "greeter.toml")
    assert installed["ref"] == ref
    assert (desk.folder / "greeter.toml").exists()
    found = await desk.run("search", "greets")
    assert [item["ref"] for item in found["results"]] == [ref]
    assert (await desk.run("registry", "moderate", "home", ref, "quarantined", "--reason", "looked at"))["position"]
    assert (await desk.run("registry", "moderate", "home", ref, "active"))["position"]
    assert (await desk.run("revoke", ref, "--reason", "leaks"))["position"]
    assert (await desk.run("info", ref))["reason"] == "leaks"
    with pytest.raises(FabricError, match="was revoked"):
        await desk.run("restore", ref)


async def test_a_bundle_is_published_at_home_alone(desk: Desk) -> None:
    toml = TOML.replace('kind = "utility"', 'kind = "utility"\nnamespace = "elsewhere"')
    away = await desk.wheel("1.0.0", toml=toml)
    with pytest.raises(FabricError, match="is of the namespace 'elsewhere', as its manifest says, not 'acme'"):
        await desk.run("publish", away, "--namespace", "acme")


async def test_two_owners_stage_and_promote(desk: Desk) -> None:
    bob = await _key(desk, "bob")
    await desk.run("owner", "add", "acme", bob)
    wheel = await desk.wheel("1.0.0")
    staged = await desk.run("publish", wheel, "--namespace", "acme", "--stage")
    assert staged["position"] is None
    assert len((await desk.run("registry", "pending", "home"))["pending"]) == 2  # and Bob's own claim
    other = await desk.wheel("1.0.1")
    with pytest.raises(FabricError, match="another file than the one that waits"):
        await desk.run("promote", staged["entry"], "--key", "bob.key", "--wheel", other)
    told = await desk.refuse("promote", staged["entry"], "--key", "bob.key", "--wheel", wheel)
    assert re.search(r"(?s)release +acme/greeter@1\.0\.0\nmeasurement .*nothing was signed: nobody is here", told)
    assert (await desk.run("registry", "pending", "home"))["pending"], "and it still waits"
    promoted = await desk.run("promote", staged["entry"], "--key", "bob.key", "--wheel", wheel, "--yes")
    assert promoted["position"]
    shown = await desk.run("namespace", "show", "acme")
    assert sorted(shown["owners"])
    assert len(shown["owners"]) == 2
    assert (await desk.run("owner", "lost", "acme", bob, "--since", "0"))["position"]
    carol = await _key(desk, "carol")
    moved = await desk.run("owner", "transfer", "acme", carol)
    assert moved["position"] is None
    told = await desk.refuse("promote", moved["entry"], "--key", "carol.key")
    assert re.search(rf'(?s)kind +owners\n.*keys +\["{carol}"\].*nobody is here', told)
    assert (await desk.run("promote", moved["entry"], "--key", "carol.key", "--yes"))["position"]
    assert (await desk.run("namespace", "show", "acme"))["owners"] == [carol]


@pytest.mark.sandbox
async def test_somebody_else_builds_it_again(desk: Desk) -> None:
    wheel = await desk.wheel("1.0.0")
    await desk.run("publish", wheel, "--namespace", "acme")
    await desk.run("namespace", "claim", "rebuilders", "--key", "other.key")
    await desk.run("registry", "approve", "home", "rebuilders")
    how = ("--as", "rebuilders", "--key", "other.key", "--from")
    with pytest.raises(FabricError, match=r"rebuilds: acme/greeter@1\.0\.0: 0 of the 1 rebuilds"):
        await desk.run("install", "acme/greeter", "--rebuilds", "1")
    assert (await desk.run("rebuild", "acme/greeter@1.0.0", *how, "greeter-1.0.0"))["position"]
    assert (await desk.run("install", "acme/greeter", "--rebuilds", "1"))["rebuilds"] == ["rebuilders"]
    await desk.wheel("1.0.1")
    with pytest.raises(FabricError, match="other sources, or another builder's version"):
        await desk.run("rebuild", "acme/greeter@1.0.0", *how, "greeter-1.0.1")
    code = next(path for path in (desk.folder / "greeter-1.0.0").rglob("*.py") if "class Greeter" in path.read_text())
    code.write_text(f"open({str(desk.folder / 'other.key')!r})\n{code.read_text()}")
    with pytest.raises(AuthorError, match="FileNotFoundError"):  # the key beside which the stranger's code is built
        await desk.run("rebuild", "acme/greeter@1.0.0", *how, "greeter-1.0.0")


async def test_a_token_stages_and_an_owner_promotes(desk: Desk) -> None:
    with running_issuer() as issuer:
        trusted = ("--issuer", issuer.url, "--audience", AUDIENCE, "--claim", f"repository={REPOSITORY}")
        assert (await desk.run("owner", "trust", "acme", *trusted))["position"]
        (desk.folder / "token").write_text(issuer.mint.token(issuer.mint.claims(SystemClock().unix_seconds())))
        wheel = await desk.wheel("1.0.0")
        staged = await desk.run("publish", wheel, "--namespace", "acme", "--oidc", "token")
        assert staged["ref"] == "acme/greeter@1.0.0"
        promoted = await desk.run("promote", staged["digest"], "--wheel", wheel, "--yes")
        assert promoted["position"]
        assert f"repository={REPOSITORY}" in promoted["staged by"]


async def test_data_accounts_differences_and_headers(desk: Desk) -> None:
    (desk.folder / "rates.data.json").write_bytes(DOCUMENT)
    assert (await desk.run("publish", "rates.data.json", "--namespace", "acme"))["position"]
    (desk.folder / "account.key").write_text(SECRET.to_hex())
    (desk.folder / "account.key").chmod(0o600)
    account = "eip155:31337:0x" + "00" * 20
    with pytest.raises(FabricError, match="is not the key of"):
        await desk.run("owner", "link", "acme", "--account", account, "--account-key", "account.key")
    shown = EVM[:-42] + to_checksum_address(EVM[-42:])
    done = await desk.run("owner", "link", "acme", "--account", shown, "--account-key", "account.key")
    assert (done["account"], bool(done["position"])) == (EVM, True)
    (desk.folder / "client.key").write_bytes(CLIENT.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (desk.folder / "client.key").chmod(0o600)
    (desk.folder / "client.pem").write_text(Authority("Org1MSP", 1_800_000_000).issue("a", "client", key=CLIENT).pem)
    files = ("--account-key", "client.key", "--certificate", "client.pem", "--msp", "Org1MSP")
    done = await desk.run("owner", "link", "acme", "--account", CHANNEL, *files)
    assert (done["account"], bool(done["position"])) == (HYPERLEDGER, True)
    assert "2 namespaces" in await desk.say("registry", "audit", "home")
    first = await desk.wheel("1.0.0")
    await desk.run("publish", first, "--namespace", "acme")
    await desk.run("publish", await desk.wheel("1.1.0"), "--namespace", "acme")
    assert (await desk.run("diff", "acme/greeter@1.0.0", "1.1.0"))["changes"] == []
    assert "are the same; the code may differ" in await desk.say("diff", "acme/greeter@1.0.0", "acme/greeter@1.1.0")
    assert "library Greeter" in await desk.say("header", "--solidity", first)
    assert "async def greet" in await desk.say("header", "--python", "acme/greeter@1.1.0")


async def test_what_asks_for_more_must_be_agreed_to(desk: Desk) -> None:
    await desk.run("publish", await desk.wheel("1.0.0"), "--namespace", "acme")
    dearer = TOML + '\n[price]\namount = "0.05"\ncurrency = "EUR"\n'
    await desk.run("publish", await desk.wheel("1.1.0", toml=dearer), "--namespace", "acme")
    words = ("diff", "acme/greeter@1.0.0", "acme/greeter@1.1.0")
    done = await asyncio.to_thread(CliRunner().invoke, market, words, standalone_mode=False)
    assert (done.return_value, done.stdout) == (3, "asks for more  price  one invocation  nothing -> 0.05 EUR\n")
    (change,) = (await desk.run(*words))["changes"]
    assert (change["part"], change["must_agree"]) == ("price", True)
    with pytest.raises(FabricError, match="a version is needed here"):
        await desk.run("diff", "acme/greeter", "1.1.0")


async def test_several_registries(desk: Desk) -> None:
    await desk.say("registry", "trust", "second", str(desk.house.public), "--root", "ceremony/root.json")
    with pytest.raises(FabricError, match="could be meant of home, second: pin it to one"):
        await desk.run("info", "acme/greeter")
    await desk.say("registry", "pin", "home", "acme")
    listed = await desk.run("registry", "list")
    assert listed["home"]["namespaces"] == ["*", "acme"]
    await desk.say("registry", "forget", "second")
    assert set(await desk.run("registry", "list")) == {"home"}
    told = await desk.say("registry", "audit", "home", "--against", str(desk.house.public))
    assert "views: 2 entries here are the first of 2 there" in told


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no version": (("yank", "acme/greeter", "--reason", "x"), "a version is needed here, such as acme/greeter@1.0.0"),
    "no such cryptlet": (("info", "acme/missing"), "no cryptlet acme/missing in registry.test/one"),
    "no such namespace": (
        ("namespace", "show", "acne"),
        "nobody has claimed .*'acne'.*did you mean 'acme'",
    ),
    "a name that looks like another": (("namespace", "claim", "acrne"), "looks like 'acme'"),
    "no wheel": (("publish", "missing.whl", "--namespace", "acme"), "missing.whl: No such file"),
    "no such registry": (("registry", "pending", "hom"), "no registry is known as 'hom'.*did you mean 'home'"),
    "no such state": (
        ("registry", "moderate", "home", "acme/greeter@1.0.0", "gone"),
        "expected quarantined, active",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_done_is_told(desk: Desk, name: str) -> None:
    words, pattern = WRONG[name]
    with pytest.raises(FabricError, match=pattern):
        await desk.run(*words)
