"""The chaincode as the process that peers dial: the command, its streams, TLS, its end."""

import io
import json
import os
import queue
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import grpc
import pytest

from adapters.hyperledger.chaincode.package import PeerTls, write_package
from adapters.hyperledger.proto import shim_pb2
from fabric.core.clock import FrozenClock, SystemClock
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.operations import Request
from tests.support.channel import CONFLICT, VALID, Channel, genesis
from tests.support.msp import Authority, Member
from tests.support.peer import Message, Peer
from tests.support.trust_samples import word

pytestmark = pytest.mark.hyperledger

COMMAND = (sys.executable, "-m", "adapters.hyperledger.chaincode")
PACKAGE = "cryptlet_1.0:" + "0" * 64
DOCUMENT = genesis()
ORG = Authority("Org1MSP")
TLS = Authority("Org1MSP", "tls")
CLIENT = ORG.member("client", "client")
SERVER = TLS.member("chaincode", "", host="127.0.0.1")
CALL = encode_call(Request(word("method"), word("input"), word("binding"), 0))  # type: ignore[arg-type]


@contextmanager
def serving(**environ: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Starts the process as a deployment does, by environment variables alone."""
    values = os.environ | {"CHAINCODE_SERVER_ADDRESS": "127.0.0.1:0", "CHAINCODE_ID": PACKAGE} | environ
    process = subprocess.Popen(COMMAND, env=values, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        assert said["ready"]
        yield process, said["port"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def dialled(port: int, credentials: grpc.ChannelCredentials | None = None) -> Iterator[Peer]:
    """Dials the chaincode as a peer does."""
    address = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        wire = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
        stack.enter_context(wire)
        sent: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        connect = wire.stream_stream(
            "/protos.Chaincode/Connect",
            request_serializer=shim_pb2.ChaincodeMessage.SerializeToString,
            response_deserializer=shim_pb2.ChaincodeMessage.FromString,
        )
        incoming = connect(iter(sent.get, None))
        stack.callback(sent.put, None)
        yield Peer(Channel(FrozenClock(SystemClock().unix_seconds())), sent.put, incoming)


def test_a_peer_registers_the_package_and_founds_and_reads() -> None:
    with serving() as (_, port), dialled(port) as peer:
        assert peer.register() == PACKAGE
        founding, response = peer.run(CLIENT, b"found", DOCUMENT.encoded)
        assert response.payload == DOCUMENT.destination.id
        assert peer.channel.commit(founding) == [VALID]
        simulation, response = peer.run(CLIENT, b"apply", CALL, nonce=b"2")
        assert response.status == 200
        assert peer.channel.commit(simulation) == [VALID]
        _, response = peer.run(CLIENT, b"read", b"genesis", nonce=b"3")
        assert json.loads(response.payload)["values"] == [DOCUMENT.encoded.hex()]


def test_two_peers_at_once_and_many_transactions_on_each() -> None:
    with serving() as (_, port), dialled(port) as one, dialled(port) as other:
        for peer in (one, other):
            peer.register()
            assert peer.channel.commit(peer.run(CLIENT, b"found", DOCUMENT.encoded)[0]) == [VALID]
        for peer in (one, other):
            for number in range(40):
                peer.start(CLIENT, (b"apply", CALL), str(number).encode())
        for peer in (one, other):
            codes = peer.channel.commit(*(simulation for simulation, _ in peer.finish(40)))
            assert codes == [VALID, *[CONFLICT] * 39]


def test_a_peer_that_does_not_answer_holds_up_no_other() -> None:
    with serving() as (_, port), dialled(port) as hanging, dialled(port) as peer:
        hanging.register()
        for number in range(64):
            hanging.start(CLIENT, (b"found", DOCUMENT.encoded), str(number).encode())
        assert next(hanging.incoming).type == Message.GET_STATE
        peer.register()
        assert peer.run(CLIENT, b"found", DOCUMENT.encoded)[1].status == 200


def test_the_largest_transaction_passes() -> None:
    large = [b'{"message":"' + b"00" * 32_000 + b'","op":"expire"}'] * 64
    with serving() as (_, port), dialled(port) as peer:
        peer.register()
        _, response = peer.run(CLIENT, b"apply", *large)
        assert (response.status, response.message[:8]) == (500, "message:")


def test_a_message_beyond_the_bound_ends_the_stream_and_not_the_process() -> None:
    with serving() as (_, port):
        with dialled(port) as peer:
            peer.register()
            peer.send(Message(type="TRANSACTION", payload=bytes(17 << 20)))
            with pytest.raises(grpc.RpcError) as caught:
                list(peer.incoming)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with dialled(port) as peer:
            assert peer.register() == PACKAGE


def test_a_peer_that_dials_again_is_served() -> None:
    with serving() as (_, port):
        for _ in range(40):
            with dialled(port) as peer:
                assert peer.register() == PACKAGE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_while_peers_are_connected(number: signal.Signals) -> None:
    with serving() as (process, port), dialled(port) as peer:
        peer.register()
        peer.start(CLIENT, (b"found", DOCUMENT.encoded))
        assert next(peer.incoming).type == Message.GET_STATE
        process.send_signal(number)
        assert process.wait(timeout=100) == 0


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The variables of TLS with client authentication, and the files that they name."""
    contents = {"key": SERVER.key_pem, "certificate": SERVER.pem, "roots": TLS.pem.encode()}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    names = {
        "CHAINCODE_TLS_KEY": "key",
        "CHAINCODE_TLS_CERT": "certificate",
        "CHAINCODE_CLIENT_CA_CERT": "roots",
    }
    return {"CHAINCODE_TLS_DISABLED": "false"} | {name: str(tmp_path / file) for name, file in names.items()}


def trusting(root: Authority, client: Member | None = None) -> grpc.ChannelCredentials:
    key, chain = (client.key_pem, client.pem) if client else (None, None)
    return grpc.ssl_channel_credentials(root.pem.encode(), key, chain)


def test_tls_with_client_authentication_lets_in_the_peers_of_its_root_alone(files: dict[str, str]) -> None:
    stranger = Authority("Org1MSP", "stranger").member("peer")
    with serving(**files) as (_, port):
        with dialled(port, trusting(TLS, TLS.member("peer"))) as peer:
            assert peer.register() == PACKAGE
        for refused in (trusting(TLS), trusting(TLS, stranger), trusting(ORG, TLS.member("peer")), None):
            with dialled(port, refused) as peer, pytest.raises(grpc.RpcError):
                peer.register()


def test_tls_without_client_authentication(files: dict[str, str]) -> None:
    del files["CHAINCODE_CLIENT_CA_CERT"]
    with serving(**files) as (_, port), dialled(port, trusting(TLS)) as peer:
        assert peer.register() == PACKAGE


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"CHAINCODE_SERVER_ADDRESS": "nowhere"}, "where to listen"),
        ({"CHAINCODE_ID": "nothing"}, "which package"),
        ({"CHAINCODE_TLS_DISABLED": "false"}, "TLS needs"),
        ({"CHAINCODE_TLS_DISABLED": "perhaps"}, "expected true or false"),
        ({"CHAINCODE_TLS_CERT": "/nowhere"}, "TLS needs"),
        ({"CHAINCODE_TLS_KEY": "/nowhere", "CHAINCODE_TLS_CERT": "/nowhere"}, "No such file"),
        ({"CHAINCODE_SERVER_ADDRESS": "192.0.2.1:1"}, "cannot listen"),
    ],
)
def test_what_it_cannot_use_it_refuses_by_name(environ: dict[str, str], said: str) -> None:
    values = os.environ | {"CHAINCODE_SERVER_ADDRESS": "127.0.0.1:0", "CHAINCODE_ID": PACKAGE} | environ
    done = subprocess.run(COMMAND, env=values, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_process_imports_nothing_of_the_fabric_that_it_does_not_need() -> None:
    code = "import sys, adapters.hyperledger.chaincode.__main__; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    absent = {"ray", "web3", "sqlalchemy", "fastapi", "pydantic", "asyncpg", "docker", "typer"}
    rooms = {f"fabric.{name}" for name in ("gateway", "runtime", "store", "enclave", "wire", "signers", "cli", "node")}
    others = {"adapters.hyperledger.client", "adapters.hyperledger.embedded"}
    assert not loaded & (absent | rooms | others)


def test_the_package_is_the_same_every_time_and_its_id_is_its_hash(tmp_path: Path) -> None:
    out = tmp_path / "package.tar.gz"
    arguments = ["package", "--address", "peer.example:9999", "--label", "cryptlet_1.0", str(out)]
    ids = set()
    for _ in range(2):
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=True)
        ids.add(done.stdout.strip())
    assert ids == {f"cryptlet_1.0:{sha256(out.read_bytes()).hexdigest()}"}
    files = unpack(out.read_bytes())
    assert json.loads(files["metadata.json"]) == {"label": "cryptlet_1.0", "path": "", "type": "ccaas"}
    connection = json.loads(unpack(files["code.tar.gz"])["connection.json"])
    assert connection == {"address": "peer.example:9999", "dial_timeout": "10s", "tls_required": False}


def unpack(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def test_a_package_for_tls_holds_what_the_peer_dials_with() -> None:
    peer = TLS.member("peer")
    tls = PeerTls(TLS.pem, peer.key_pem.decode(), peer.pem.decode())
    files = unpack(write_package("a", "127.0.0.1:1", tls))
    connection = json.loads(unpack(files["code.tar.gz"])["connection.json"])
    assert (connection["tls_required"], connection["client_auth_required"]) == (True, True)
    assert (connection["root_cert"], connection["client_cert"]) == (TLS.pem, peer.pem.decode())


@pytest.mark.parametrize("arguments", [("-a", "h:1"), ("a b", "h:1"), ("", "h:1"), ("a", "h"), ("a", "h:x")])
def test_a_package_that_peers_would_refuse_is_not_written(tmp_path: Path, arguments: tuple[str, str]) -> None:
    label, address = arguments
    command = [*COMMAND, "package", f"--address={address}", f"--label={label}", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()
