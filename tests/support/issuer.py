"""An issuer of OpenID Connect tokens on this machine: it can change its key, and it can lie."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from threading import Event, Thread
from typing import Any, ClassVar, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from typing_extensions import override

from fabric.core.canonical import JsonObject
from fabric.core.ids import sha256

AUDIENCE: Final = "https://registry.example"
REPOSITORY: Final = "acme/cold-chain"
DISCOVERY: Final = "/.well-known/openid-configuration"
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def seeded_key(name: str, algorithm: str) -> PrivateKey:
    """Returns a key derived from a name; of RSA, which has no seed, a new one."""
    seed = sha256(f"cryptlet-fabric/test/issuer/{name}".encode())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    if algorithm == "ES256":
        return ec.derive_private_key(int.from_bytes(seed, "big") >> 1, ec.SECP256R1())
    return rsa.generate_private_key(65_537, 2048)


@dataclass
class Mint:
    """Makes tokens, and the key set that they are checked with. No network.

    Attributes:
        issuer: its URL.
        algorithm: ``EdDSA``, ``ES256`` or ``RS256``.
        name: of its key.
    """

    issuer: str
    algorithm: str = "EdDSA"
    name: str = "first"
    key: PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.rotate(self.name)

    def rotate(self, name: str) -> None:
        """Signs with another key from now on, and publishes only that one."""
        self.name, self.key = name, seeded_key(name, self.algorithm)

    @property
    def key_set(self) -> JsonObject:
        kind = jwt.get_algorithm_by_name(self.algorithm)
        public: dict[str, Any] = kind.to_jwk(self.key.public_key(), as_dict=True)
        public.pop("key_ops", None)
        return {"keys": [{**public, "kid": self.name, "use": "sig", "alg": self.algorithm}]}

    def claims(self, now: int) -> dict[str, Any]:
        """Returns what a token says of a workflow that runs now."""
        return {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": f"repo:{REPOSITORY}:ref:refs/heads/main",
            "jti": "token-1",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "repository": REPOSITORY,
        }

    def token(self, claims: Mapping[str, Any], **header: Any) -> str:  # noqa: ANN401 - any JSON value
        """Returns a signed token; ``kid`` is this key's name unless one, or None, is given."""
        named = {"kid": self.name, **header}
        given = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(dict(claims), self.key, self.algorithm, given)


def forged(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """Returns a token of any header, claims and signature."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass
class Lies:
    """What the issuer does wrong.

    Attributes:
        redirect: where it sends those who ask.
        says: the issuer that its discovery document names.
        padding: bytes of blanks before its key set.
        stalls: whether it sends one byte of the key set and no more before it ends.
        drips: whether it sends the head of its answer a byte at a time without end.
        status: of its answers.
    """

    redirect: str = ""
    says: str = ""
    padding: int = 0
    stalls: bool = False
    drips: bool = False
    status: int = 200


@dataclass
class Issuer:
    """A running issuer.

    Attributes:
        mint: makes its tokens.
        lies: what it does wrong.
        asked: the paths that were asked for.
    """

    mint: Mint
    lies: Lies = field(default_factory=Lies)
    asked: list[str] = field(default_factory=list)
    ended: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        return self.mint.issuer

    def document(self, path: str) -> bytes:
        """Returns the document at a path."""
        if path == DISCOVERY:
            return json.dumps({"issuer": self.lies.says or self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        return b" " * self.lies.padding + json.dumps(self.mint.key_set).encode()


@contextmanager
def running_issuer(algorithm: str = "EdDSA") -> Iterator[Issuer]:
    """Runs an issuer on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        issuer = Issuer(Mint(f"http://127.0.0.1:{server.server_port}", algorithm))
        _Handler.issuers[server] = issuer
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            issuer.ended.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    issuers: ClassVar[dict[BaseServer, Issuer]] = {}

    def do_GET(self) -> None:
        issuer = self.issuers[self.server]
        issuer.asked.append(self.path)
        if issuer.lies.drips:
            self._drip(issuer)
            return
        body = issuer.document(self.path)
        self.send_response(302 if issuer.lies.redirect else issuer.lies.status)
        self.send_header("content-length", str(len(body)))
        if issuer.lies.redirect:
            self.send_header("location", issuer.lies.redirect + self.path)
        self.end_headers()
        if issuer.lies.stalls and self.path != DISCOVERY:
            self.wfile.write(body[:1])
            issuer.ended.wait()
            return
        self.wfile.write(body)

    def _drip(self, issuer: Issuer) -> None:
        """Keeps every wait of a reader short, and never ends."""
        self.wfile.write(b"HTTP/1.0 200 OK\r\nx-long: ")
        while not issuer.ended.wait(0.02):
            try:
                self.wfile.write(b"x")
            except OSError:
                return

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
