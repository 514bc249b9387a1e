"""Vectors of data services: a document with its measurement, and documents to refuse."""

import json
from typing import Any, Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from registry.data_service import FORMAT, read_data_service

FIELDS: Final[JsonObject] = {
    "format": FORMAT,
    "name": "ecb-rates",
    "version": "1.0.0",
    "description": "Reference rates of the euro, one day at a time.",
    "licence": "CC-BY-4.0",
    "freshness_seconds": 86_400,
    "source": {
        "text": "The reference rates that the bank publishes at 16:00 CET.",
        "url": "https://rates.example/daily",
    },
    "schema": {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date"},
            "rates": {"type": "object", "description": "currency to decimal digits"},
        },
        "required": ["day", "rates"],
        "additionalProperties": False,
    },
    "sample": {"day": "2026-01-02", "rates": {"USD": "1.1714"}},
    "readme": "# Rates\n",
}
DOCUMENT: Final = canonical.encode(FIELDS)


def document() -> str:
    """Returns the vector file."""
    refused = [
        {"case": case, "document": data.decode(), "reason": reason}
        for case, (data, reason) in refused_documents().items()
    ]
    value: dict[str, Any] = {
        "document": DOCUMENT.decode(),
        "measurement": read_data_service(DOCUMENT).measurement.hex(),
        "refused": refused,
    }
    return json.dumps(value, indent=1) + "\n"


def refused_documents() -> dict[str, tuple[bytes, str]]:
    """Returns documents to refuse by name, each with a part of the reason."""
    changes: dict[str, tuple[JsonObject, str]] = {
        "format": ({"format": "cryptlet-fabric/data-service/v2"}, "format"),
        "name": ({"name": "ECB"}, "name"),
        "version": ({"version": "1.0"}, "version"),
        "no sample": ({"sample": {}}, "sample: 'day' is missing"),
        "sample of another type": ({"sample": {"day": 1, "rates": {}}}, "sample.day: expected string, got int"),
        "schema with a reference": ({"schema": {"$ref": "#"}}, "schema: unknown word '$ref'"),
        "never fresh": ({"freshness_seconds": 0}, "freshness_seconds"),
        "freshness as truth": ({"freshness_seconds": True}, "freshness_seconds"),
        "source in clear": ({"source": {"text": "a", "url": "http://rates.example"}}, "source.url"),
        "unknown field": ({"more": 1}, "more"),
        "hostile readme": ({"readme": "\u202e"}, "README.md"),
    }
    made = {case: (canonical.encode({**FIELDS, **change}), reason) for case, (change, reason) in changes.items()}
    lacking = {name: value for name, value in FIELDS.items() if name != "licence"}
    return {
        **made,
        "field left out": (canonical.encode(lacking), "licence"),
        "another spelling": (DOCUMENT.replace(b":", b": ", 1), "another spelling"),
        "no object": (b"[]", "expected an object"),
    }
