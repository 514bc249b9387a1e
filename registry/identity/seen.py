"""One use of a token: who overhears one in a log cannot publish with it again."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Protocol

from fabric.core.errors import PlatformError, Unauthenticated
from registry.identity.oidc import Claims

MAX_TOKENS: Final = 100_000


class SeenTokens(Protocol):
    """Remembers tokens until nobody could use them any more."""

    def take(self, claims: Claims, now: int) -> bool:
        """Notes that a token is used; atomic.

        Args:
            claims: of the verified token; ``claims.id`` names it, and it is forgotten after ``claims.until``.
            now: Unix seconds.

        Returns:
            False where it was used before.

        Raises:
            FabricError: it could not be noted, so the token is not used.
        """
        ...


@dataclass
class MemoryTokens:
    """``SeenTokens`` of one process, of at most 100,000 tokens at a time."""

    limit: int = MAX_TOKENS
    _until: dict[bytes, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, claims: Claims, now: int) -> bool:
        """Notes that a token is used; raises ``PlatformError`` where too many are remembered."""
        with self._lock:
            if claims.id in self._until:
                return False
            if len(self._until) >= self.limit:
                self._until = {token: until for token, until in self._until.items() if until >= now}
            if len(self._until) >= self.limit:
                raise PlatformError(f"{self.limit} tokens were used within their lifetime; try again in some minutes")
            self._until[claims.id] = claims.until
            return True


def use_once(claims: Claims, seen: SeenTokens, now: int) -> Claims:
    """Returns the claims of a token that is used for the first time; raises ``Unauthenticated`` for a repeat."""
    if not seen.take(claims, now):
        raise Unauthenticated("the token was used before (its jti is known): ask its issuer for a new one")
    return claims
