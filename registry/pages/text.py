"""Text: how values of others are written on a page, so that what is read is what is there."""

import re
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

# Bidirectional controls turn text around (CVE-2021-42574); the others are not seen at all. Joiners stay: scripts and
# emoji need them. A lone surrogate has no UTF-8.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_LATEST: Final = 253_402_300_799  # the end of the year 9999
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def visible(text: str) -> str:
    """Returns a text in which characters that are not seen, or that turn others around, are spelled out."""
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text.replace("\r\n", "\n"))


def shown(value: object) -> object:
    """Makes every value that a template writes visible; what was made safe before stays as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(seconds: int) -> str:
    """Returns a time as people read it: ``2026-11-27 04:10 UTC``."""
    return f"{_time(seconds):%Y-%m-%d %H:%M} UTC"


def machine(seconds: int) -> str:
    """Returns a time as RFC 3339."""
    return f"{_time(seconds):%Y-%m-%dT%H:%M:%SZ}"


def span(seconds: int) -> str:
    """Returns a duration in its largest whole unit: ``15 minutes``."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size and seconds % size == 0), (1, "second"))
    return counted(seconds // size, unit)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns a number with its noun: ``1 record``, ``12,000 records``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC)
