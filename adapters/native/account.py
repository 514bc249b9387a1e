"""Accounts of native ledgers for the commands: an Ed25519 key signs the calls of its account."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.native.envelope import account_of, call_words, sign_envelope
from fabric.core.ids import Account, DestinationId, Digest
from fabric.ledger.rules.operations import OpenChannel, Send
from fabric.trust.message import Channel, Message


def open_account(key: Ed25519PrivateKey) -> "NativeAccount":
    """Returns the account of a key."""
    return NativeAccount(key)


class NativeAccount:
    """The account of one key (``fabric.ledger.accounts.AccountHolder``, and the ``CallSigner`` of its envelopes)."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Takes the key."""
        self._key = key

    @property
    def key(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    @property
    def account(self) -> Account:
        """The account."""
        return account_of(self.key)

    def open_channel(self, destination: DestinationId, channel: Channel) -> bytes:
        """Returns the envelope that opens the account's end of a channel."""
        return sign_envelope(OpenChannel(channel), destination, 0, self).encoded

    def send(self, destination: DestinationId, message: Message, body: bytes) -> bytes:
        """Returns the envelope that sends a message."""
        return sign_envelope(Send(message, body), destination, 0, self).encoded

    def sign_call(self, destination: DestinationId, nonce: int, call: Digest) -> bytes:
        """Signs the words of a call."""
        return self._key.sign(call_words(destination, self.key, nonce, call))
