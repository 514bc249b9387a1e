"""``relay``, ``channel`` and ``message`` against a door in a process of its own; the key stays in this one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.native.account import open_account
from adapters.native.envelope import Envelope
from fabric.cli import channel as channel_commands
from fabric.client import CallTaken, RemoteError
from fabric.core.ids import FabricId
from fabric.gateway.endpoint import KEY_FILE, Endpoint, OpenLedger
from fabric.signers.personal import open_personal_key
from fabric.trust.message import Channel, End, Shown
from tests.support.doors import CHANNEL, INFO, MESSAGE
from tests.support.proofs import NATIVE
from tests.support.serving import KEY
from tests.support.trust_samples import word
from tests.unit.cli.test_commands import Command, command

__all__ = ["command"]
TAKEN = CallTaken("entry 9", 9, 1_700_000_001)
NAME = MESSAGE.id.hex()[:8]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder whose endpoint is a stand-in behind a real door."""
    folder = tmp_path_factory.mktemp("state")
    target = f"unix:{folder}/door"
    Endpoint(target, FabricId(word("fabric")), 1, {"native": OpenLedger(NATIVE, {})}).write(folder)
    (folder / KEY_FILE).parent.mkdir()
    (folder / KEY_FILE).write_text(KEY)
    program = [sys.executable, "-m", "tests.support.doors", target, KEY]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield folder
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "insurer.key"
    open_personal_key(path, "account")
    return path


def file_of(folder: Path, key: Path) -> Path:
    """Writes the file of a channel whose end on the native ledger is a key's account."""
    account = open_account(open_personal_key(key, "account").key).account
    path = folder / "claims.toml"
    path.write_text(
        f'[[ends]]\nledger = "native"\naccount = "{account.hex()}"\nbinding = "{"01" * 32}"\naccepts = "proven"\n'
        f'[[ends]]\ndestination = "{"02" * 32}"\naccount = "{"03" * 32}"\nbinding = "{"01" * 32}"\naccepts = "proven"\n'
    )
    return path


def test_status(command: Command, state: Path) -> None:
    code, out, _ = command("relay", "status", "--state", state)
    assert code == 0
    assert out == (
        "ethereum -> native       3 sent           since 2023-11-14 22:13:20Z  channel-not-open, recipient must act\n"
    )
    code, out, _ = command("relay", "status", "--state", state, "--json")
    [count] = json.loads(out)["counts"]
    assert (count["state"], count["count"], count["party"]) == ("sent", 3, "recipient")


def test_why(command: Command, state: Path) -> None:
    code, out, _ = command("relay", "why", NAME, "--state", state)
    assert code == 0
    assert "because    it is sent: the destination's end of the channel is not open" in out
    assert "who        recipient" in out
    assert "what next  open it" in out
    _, out, _ = command("relay", "why", NAME, "--state", state, "--json")
    document = json.loads(out)
    assert document["id"] == MESSAGE.id.hex()
    assert (document["status"], document["reason"], document["sequence"]) == ("sent", INFO.reason, 7)


def test_trace(command: Command, state: Path) -> None:
    code, out, _ = command("relay", "trace", NAME, "--state", state)
    assert code == 0
    assert "2023-11-14 22:13:20Z  sent                                     ethereum block 7" in out
    _, out, _ = command("relay", "trace", NAME, "--state", state, "--json")
    assert [step["locator"] for step in json.loads(out)["steps"]] == ["block 7"]


def test_why_waits_until_somebody_must_act_and_trace_until_the_end(command: Command, state: Path) -> None:
    code, out, _ = command("relay", "why", NAME, "--wait", "60", "--state", state)
    assert (code, "who        recipient" in out) == (0, True)
    code, out, err = command("relay", "trace", NAME, "--wait", "1", "--state", state)
    assert (code, out) == (7, "")
    assert f"message {MESSAGE.id.hex()[:16]}: it is sent: the destination's end of the channel is not open" in err
    code, _, err = command("relay", "trace", "00000000", "--wait", "1", "--state", state)
    assert (code, "no message 00000000, after 1 s" in err) == (7, True)


def test_retry_needs_a_reason(command: Command, state: Path) -> None:
    code, _, err = command("relay", "retry", NAME, "--state", state)
    assert (code, "--reason" in err) == (2, True)
    code, out, _ = command("relay", "retry", NAME, "--reason", "it was put right", "--state", state)
    assert (code, out) == (0, f"{MESSAGE.id.hex()} is tried again now\n")


def test_an_unknown_message_is_said_so(command: Command, state: Path) -> None:
    code, out, err = command("relay", "why", "00000000", "--state", state)
    assert (code, out, err) == (2, "", "error: not-found: no message 00000000\n")


def test_a_channel_is_opened_by_its_key_alone(command: Command, state: Path, tmp_path: Path, key: Path) -> None:
    file = file_of(tmp_path, key)
    code, out, _ = command("channel", "id", file, "--state", state)
    assert code == 0
    name = out.strip()
    code, out, _ = command("channel", "open", file, "--key", key, "--state", state, "--json")
    assert code == 0
    assert json.loads(out) == {"channel": name, "ledger": "native", "locator": "entry 9", "time": 1_700_000_001}
    stranger = tmp_path / "stranger.key"
    open_personal_key(stranger, "account")
    code, _, err = command("channel", "open", file, "--key", stranger, "--state", state)
    assert (code, f"is no end of channel {name}" in err) == (2, True)
    code, _, err = command("channel", "open", file, "--key", tmp_path / "missing.key", "--state", state)
    assert (code, "No such file" in err, (tmp_path / "missing.key").exists()) == (2, True, False)


def test_channels_are_listed(command: Command, state: Path) -> None:
    code, out, _ = command("channel", "list", "--state", state)
    assert (code, out) == (0, f"{CHANNEL.id.hex()}  native open, ethereum NOT open\n")


class Ledger:
    """A client whose ledger expects another number than the channel's events show."""

    def __init__(self, channel: Channel, expected: int) -> None:
        self.channel = channel
        self.expected = expected
        self.calls: list[Envelope] = []

    async def submit_call(self, ledger: str, call: bytes) -> CallTaken:
        assert ledger == "native"
        envelope = Envelope.decode(call)
        envelope.account(NATIVE.id)  # the signature holds
        self.calls.append(envelope)
        sequence = envelope.operation.message.sequence  # type: ignore[union-attr]
        if sequence != self.expected:
            text = f"WrongSequence: expected {self.expected}, got {sequence}"
            raise RemoteError("rule-violation", "FAILED_PRECONDITION", text, "never")
        return TAKEN


def sender_of(key: Path) -> tuple[Channel, channel_commands._Sender]:
    holder = open_account(open_personal_key(key, "account").key)
    own = End(NATIVE.id, holder.account, CHANNEL.first.binding, Shown.PROVEN)
    return Channel.between(own, CHANNEL.second, bytes(32)), channel_commands._Sender("native", NATIVE.id, holder)


async def test_a_number_that_another_took_is_replaced_unless_it_was_asked_for(key: Path) -> None:
    channel, sender = sender_of(key)
    draft = channel_commands._Draft(b"body", 2_000_000_000, -1)
    ledger = Ledger(channel, 5)
    message = channel_commands._message(channel, sender, draft, 3)
    assert await channel_commands._try_to_send(ledger, sender, message, draft) == 5  # type: ignore[arg-type]
    again = channel_commands._message(channel, sender, draft, 5)
    assert await channel_commands._try_to_send(ledger, sender, again, draft) == TAKEN  # type: ignore[arg-type]
    asked = channel_commands._Draft(b"body", 2_000_000_000, 3)
    with pytest.raises(RemoteError, match="WrongSequence"):
        await channel_commands._try_to_send(ledger, sender, message, asked)  # type: ignore[arg-type]


def test_a_body_that_is_too_long_is_refused(command: Command, state: Path, tmp_path: Path, key: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(30_721))
    code, _, err = command("message", "send", "00" * 32, "--body", body, "--key", key, "--state", state)
    assert (code, "at most 30720 bytes" in err) == (2, True)
    code, _, err = command("message", "send", "00", "--body", body, "--key", key, "--state", state)
    assert (code, "CHANNEL: expected 64" in err) == (2, True)
