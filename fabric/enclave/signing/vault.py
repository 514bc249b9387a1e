"""What the signing child does: typed operations over the keys it generated; nothing here signs bytes of a caller.

It believes nothing of the enclave that drives it beyond what it can check: every record is decoded strictly and held
against the config of the start, and tree, header and digests are computed here.
"""

import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from fabric.attesters.software import SoftwareAttester
from fabric.core.errors import Malformed, Refused
from fabric.core.ids import Measurement, intent_id
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.signing.protocol import BatchRequest, Identity, SignedHeader
from fabric.signers.pair import KeyPair
from fabric.trust.appraisal.evidence import NONCE_BYTES
from fabric.trust.batch import header_of
from fabric.trust.binding import MAX_VALID_SECONDS
from fabric.trust.record import Record

MAX_ISOLATION_BYTES: Final = 32


class Vault:
    """Keys, pool key and the checks before each use of them."""

    def __init__(self, config: EnclaveConfig, attester: SoftwareAttester, fabric: Measurement) -> None:
        """Generates the keys; they live as long as this object and go nowhere."""
        self._config = config
        self._destinations = {destination.id: destination for destination in config.destinations}
        self._attester = attester
        self._fabric = fabric
        self._pair = KeyPair.generate()
        # Without hardware there is no place that would keep it for a whole epoch: it lives as long as the process.
        self._pool_key = secrets.token_bytes(32)
        self._isolation: str | None = None

    def describe(self) -> Identity:
        """Returns the public keys, the fabric's measurement and the attester."""
        return Identity(self._pair.keys, self._fabric, self._attester.public_key)

    def begin(self, isolation: str) -> None:
        """Fixes the isolation level that the enclave's self-test found, once.

        Raises:
            Refused: it is fixed already.
            Malformed: not 1 to 32 ASCII characters.
        """
        if self._isolation is not None:
            message = f"the isolation level is fixed as {self._isolation!r}"
            raise Refused(message)
        if not 1 <= len(isolation) <= MAX_ISOLATION_BYTES or not isolation.isascii() or not isolation.isprintable():
            raise Malformed("isolation", f"expected 1 to {MAX_ISOLATION_BYTES} printable ASCII characters")
        self._isolation = isolation

    def evidence(self, nonce: bytes) -> bytes:
        """Returns evidence for an appraiser's nonce; the report data are computed here.

        Raises:
            Refused: the isolation level is not known yet.
            Malformed: the nonce is not 32 bytes.
        """
        if self._isolation is None:
            message = "no evidence before the isolation level is known"
            raise Refused(message)
        if len(nonce) != NONCE_BYTES:
            raise Malformed("nonce", f"expected {NONCE_BYTES} bytes, got {len(nonce)}")
        return self._attester.evidence(nonce, self._pair, self._fabric, self._isolation, self._config.epoch)

    def entropy(self, invocations: Sequence[bytes]) -> list[bytes]:
        """Returns a seed for each invocation: HMAC-SHA256 of its id under the epoch's pool key."""
        return [hmac.digest(self._pool_key, invocation, "sha256") for invocation in invocations]

    def sign(self, requests: Sequence[BatchRequest]) -> list[SignedHeader]:
        """Returns a signed header for each batch; signs none when one of them is refused.

        Raises:
            Refused: a batch or record that is not this enclave's to sign.
            Malformed: bytes that are no record.
        """
        headers = [(header_of(self._checked(request), request.epoch), request.destination) for request in requests]
        return [
            SignedHeader(header, self._pair.sign_header(header, self._destinations[destination]))
            for header, destination in headers
        ]

    def _checked(self, request: BatchRequest) -> list[Record]:
        """Returns the records of a batch that may be signed."""
        if request.destination not in self._destinations:
            message = f"destination {request.destination.hex()} is not of this enclave"
            raise Refused(message)
        if request.epoch != self._config.epoch:
            message = f"epoch {request.epoch}, this enclave's is {self._config.epoch}"
            raise Refused(message)
        records = [Record.decode(data) for data in request.records]
        for record in records:
            self._check(record, request)
        if not records or len({record.intent for record in records}) != len(records):
            message = "a batch holds one record or more, and an intent at most once"
            raise Refused(message)
        return records

    def _check(self, record: Record, request: BatchRequest) -> None:
        if record.fabric != self._config.fabric:
            message = f"record of fabric {record.fabric.hex()}, this one is {self._config.fabric.hex()}"
            raise Refused(message)
        if record.destination != request.destination:
            message = f"record for {record.destination.hex()} in a batch for {request.destination.hex()}"
            raise Refused(message)
        if record.intent != intent_id(record.invocation, record.destination):
            message = "the intent is not of the record's invocation and destination"
            raise Refused(message)
        if not 1 <= record.not_after - record.as_of <= MAX_VALID_SECONDS:
            message = f"a record is valid 1 second to {MAX_VALID_SECONDS} seconds"
            raise Refused(message)
