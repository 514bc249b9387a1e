"""A token is taken when all of it is as the namespace wants it; the refusal shows what was expected and received."""

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from fabric.core.errors import FabricError, Malformed, Unauthenticated
from registry.identity.issuer import TrustedIssuer, parse_trusted_issuer
from registry.identity.keys import parse_keys
from registry.identity.oidc import MAX_AGE_SECONDS, MAX_TOKEN, SKEW_SECONDS, Claims, open_token, verify_token
from tests.support.issuer import AUDIENCE, REPOSITORY, Mint, forged

if TYPE_CHECKING:
    from fabric.core.canonical import JsonObject, JsonValue

NOW: Final = 1_800_000_000
ISSUER: Final = "https://issuer.example"
MINT: Final = Mint(ISSUER)
TRUSTED: Final = TrustedIssuer(ISSUER, AUDIENCE, {"repository": REPOSITORY})


def verify(token: str, mint: Mint = MINT, trusted: TrustedIssuer = TRUSTED) -> Claims:
    return verify_token(token, trusted, parse_keys(mint.key_set), NOW)


def refusal(token: str, mint: Mint = MINT, trusted: TrustedIssuer = TRUSTED) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verify(token, mint, trusted)
    return str(caught.value)


def with_claims(**changes: Any) -> str:  # noqa: ANN401 - any JSON value
    claims = MINT.claims(NOW) | changes
    return MINT.token({name: value for name, value in claims.items() if value is not None})


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_token_is_taken(algorithm: str) -> None:
    mint = Mint(ISSUER, algorithm)
    claims = verify(mint.token(mint.claims(NOW)), mint)
    assert (claims.issuer, claims.token, claims.until) == (ISSUER, "token-1", NOW + 299)
    assert claims.subject == f"repo:{REPOSITORY}:ref:refs/heads/main"
    assert claims.values["repository"] == REPOSITORY


REFUSED: Final[dict[str, dict[str, Any]]] = {
    "iss": {"iss": f"{ISSUER}/"},
    "aud": {"aud": "https://other.example"},
    "aud, ours among others": {"aud": [AUDIENCE, "https://other.example"]},
    "aud, none": {"aud": None},
    "exp": {"exp": NOW},
    "exp, a text": {"exp": str(NOW + 300)},
    "exp, a fraction": {"exp": NOW + 0.5},
    "exp, true": {"exp": True},
    "exp, none": {"exp": None},
    "nbf": {"nbf": NOW + SKEW_SECONDS + 1},
    "nbf, a text": {"nbf": "0"},
    "iat, old": {"iat": NOW - MAX_AGE_SECONDS - 1},
    "iat, ahead": {"iat": NOW + SKEW_SECONDS + 1},
    "iat, none": {"iat": None},
    "sub, none": {"sub": None},
    "sub, empty": {"sub": ""},
    "jti, none": {"jti": None},
    "jti, a number": {"jti": 7},
    "jti, long": {"jti": "x" * 256},
    "repository": {"repository": "mallory/cold-chain"},
    "repository, a list": {"repository": [REPOSITORY]},
    "repository, none": {"repository": None},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_claim_that_differs_is_named(case: str) -> None:
    told = refusal(with_claims(**REFUSED[case]))
    assert told.startswith(f"the token is refused, for its {case.partition(',')[0]}: expected ")


@pytest.mark.parametrize(
    "changes", [{"aud": [AUDIENCE]}, {"nbf": None}, {"iat": NOW - MAX_AGE_SECONDS}, {"iat": NOW + SKEW_SECONDS}]
)
def test_what_is_just_allowed_is_taken(changes: dict[str, Any]) -> None:
    assert verify(with_claims(**changes)).issuer == ISSUER


def test_the_refusal_shows_both_sides() -> None:
    told = refusal(with_claims(repository="mallory/fork", actor="mallory\x1b[31m\n" + "y" * 200)).splitlines()
    rows = {line[2:].partition(" |")[0].strip(): line for line in told[1:]}
    assert rows.keys() == {
        *("claim", "iss", "signature", "aud", "exp", "nbf", "iat", "sub", "jti", "repository", "actor")
    }
    assert [part.strip() for part in rows["repository"].split("|")[1:]] == [f'"{REPOSITORY}"', '"mallory/fork"']
    assert [line for line in told[1:] if line.startswith("!")] == [rows["repository"]]
    assert f'"{AUDIENCE}"' in rows["aud"]
    assert f"after {NOW}" in rows["exp"]
    assert rows["actor"].isprintable()
    assert len(rows["actor"]) < 160


def test_a_table_is_bounded() -> None:
    told = refusal(with_claims(aud="x", **{f"extra-{number}": number for number in range(100)}))
    assert len(told.splitlines()) == 1 + 1 + 40 + 1
    assert told.endswith("more")


def test_the_first_of_several_is_named() -> None:
    assert "for its aud" in refusal(with_claims(aud="x", exp=0, repository="y"))


def test_no_algorithm_is_refused() -> None:
    for name in ("none", "None", "", None, ["EdDSA"]):
        told = refusal(forged({"alg": name, "kid": "first"}, MINT.claims(NOW)))
        assert "for its signature" in told
        assert "algorithm" in told


def test_the_public_key_is_no_secret_of_hmac() -> None:
    """The attack of old: HS256, with the bytes of the public key, which everybody has, as the secret."""
    mint = Mint(ISSUER, "RS256")
    assert isinstance(mint.key, rsa.RSAPrivateKey)
    secret = mint.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = forged({"alg": "HS256", "kid": "first"}, mint.claims(NOW)).rpartition(".")[0]
    mac = base64.urlsafe_b64encode(hmac.digest(secret, unsigned.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert "HS256" in refusal(f"{unsigned}.{mac}", mint)


def test_the_key_says_its_algorithm_and_not_the_token() -> None:
    header, body, signature = MINT.token(MINT.claims(NOW)).split(".")
    other = forged({"alg": "ES256", "kid": "first"}, {}).split(".")[0]
    assert "but the key is for EdDSA" in refusal(f"{other}.{body}.{signature}")
    assert header != other


def test_a_key_is_named_or_the_only_one() -> None:
    assert "is none of the issuer's 1" in refusal(MINT.token(MINT.claims(NOW), kid="second"))
    bare = MINT.token(MINT.claims(NOW), kid=None)
    assert "kid" not in open_token(bare).header
    assert verify(bare).issuer == ISSUER
    both: JsonObject = {"keys": [*_keys(MINT), *_keys(Mint(ISSUER, name="second"))]}
    with pytest.raises(Unauthenticated, match="none of the issuer's 2"):
        verify_token(bare, TRUSTED, parse_keys(both), NOW)


def test_a_key_in_the_token_is_not_looked_at() -> None:
    thief = Mint(ISSUER, name="first")
    thief.rotate("thief")
    token = thief.token(thief.claims(NOW), kid="first", jwk=_keys(thief)[0], jku="https://thief.example")
    assert "does not hold" in refusal(token)


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"typ": "at+jwt"}, {"typ": 5}])
def test_another_kind_of_token_is_refused(header: dict[str, Any]) -> None:
    told = refusal(forged({"alg": "EdDSA", "kid": "first", **header}, MINT.claims(NOW)))
    assert "another kind of token" in told


@given(st.data())
def test_a_changed_letter_is_refused(data: st.DataObject) -> None:
    token = MINT.token(MINT.claims(NOW))
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("Aa0-_.=~").filter(lambda one: one != token[at]))
    with pytest.raises((Unauthenticated, Malformed)):
        verify(token[:at] + letter + token[at + 1 :])


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: forged({"alg": "EdDSA"}, {}, data)))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(FabricError):
        verify(token)


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c.d", "é.é.é", "x" * (MAX_TOKEN + 1), "W10.e30.", "e30.W10."])
def test_what_is_no_token_is_malformed(token: str) -> None:
    with pytest.raises(Malformed):
        verify(token)


def test_tokens_of_two_issuers_are_two() -> None:
    one, other = (Claims(issuer, "s", "same", NOW, {}) for issuer in ("https://a", "https://b"))
    assert one.id != other.id


BAD_KEYS: Final = {
    "no object": [],
    "no list": {"keys": {}},
    "many": {"keys": [{}] * 65},
    "no key": {"keys": [7]},
    "name": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": 7}]},
    "no number": {"keys": [{"kty": "OKP", "crv": "Ed25519"}]},
    "short": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]},
    "long": {"keys": [{"kty": "RSA", "e": "AQAB", "n": "A" * 701}]},
    "exponent": {"keys": [{"kty": "RSA", "e": "Aw", "n": "_" * 342}]},
    "weak": {"keys": [{"kty": "RSA", "e": "AQAB", "n": "_" * 171}]},
    "off the curve": {"keys": [{"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43}]},
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_a_key_set_that_is_none(case: str) -> None:
    with pytest.raises(Malformed):
        parse_keys(json.loads(json.dumps(BAD_KEYS[case])))


def test_keys_for_other_uses_are_passed_over() -> None:
    (key,) = _keys(MINT)
    foreign: list[JsonValue] = [
        {"kty": "oct", "k": "AA"},
        {"kty": "EC", "crv": "P-384"},
        {"kty": ["RSA"]},
        {**key, "use": "enc"},
    ]
    assert parse_keys({"keys": [*foreign, {**key, "alg": "ES256"}]}) == ()
    assert [one.name for one in parse_keys({"keys": [*foreign, key]})] == ["first"]


def test_a_trusted_issuer_is_read_back() -> None:
    assert parse_trusted_issuer(TRUSTED.to_json()) == TRUSTED


BAD_TRUST: Final = {
    "http": {"issuer": "http://issuer.example"},
    "user": {"issuer": "https://user@issuer.example"},
    "query": {"issuer": "https://issuer.example/?a"},
    "blank": {"issuer": "https://issuer.example/ "},
    "letters": {"issuer": "https://issü.example"},
    "no host": {"issuer": "https:///path"},
    "port": {"issuer": "https://issuer.example:http"},
    "scheme": {"issuer": "file:///etc/passwd"},
    "audience": {"audience": ""},
    "nobody in particular": {"claims": {}},
    "reserved": {"claims": {"aud": "x"}},
    "no text": {"claims": {"repository": 7}},
    "foreign": {"else": 1},
}


@pytest.mark.parametrize("case", BAD_TRUST)
def test_an_issuer_that_cannot_be_trusted(case: str) -> None:
    with pytest.raises(Malformed):
        parse_trusted_issuer({**TRUSTED.to_json(), **json.loads(json.dumps(BAD_TRUST[case]))})


def _keys(mint: Mint) -> list[Any]:
    keys = mint.key_set["keys"]
    assert isinstance(keys, list)
    return keys
