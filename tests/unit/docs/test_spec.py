"""The pages under docs/spec against the code: offsets, tables, links."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from fabric.core import canonical
from fabric.gateway.status import TABLE
from fabric.invoke.acceptor import FINAL_FAILURES
from fabric.trust import record, words
from fabric.trust.attestation import KeyState, KeyStatus
from tests.support.error_tree import ROOT, tree
from tests.support.proofs import ENCLAVE, NATIVE, Recipe, policy

SPEC: Final = ROOT / "docs/spec"
PAGES: Final = sorted([*SPEC.glob("*.md"), *(ROOT / "docs/guide").glob("*.md")])
LINK: Final = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")


def page(name: str) -> str:
    return (SPEC / name).read_text()


def rows(text: str) -> list[list[str]]:
    """Returns the cells of every table row."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def offsets(text: str) -> list[int]:
    """Returns the offsets of every table whose first column has them."""
    return [int(part) for row in rows(text) if re.fullmatch(r"\d+(, \d+)*", row[0]) for part in row[0].split(", ")]


def test_the_records_offsets() -> None:
    table = [row for row in rows(page("record.md")) if row[0].isdigit()]
    spelled = {"state_version": "state version", "as_of": "as-of", "not_after": "not-after"}
    names = ["tag", *(spelled.get(field.name, field.name) for field in fields(record.Record))]
    assert [(int(row[0]), row[1]) for row in table] == [(32 * at, name) for at, name in enumerate(names)]
    sample = Recipe().make().record
    for at, field in enumerate(fields(sample), 1):
        value = getattr(sample, field.name)
        assert sample.encoded[32 * at : 32 * at + 32] == (words.uint(value) if isinstance(value, int) else value)


@pytest.mark.parametrize(
    ("name", "sizes"), [("batch.md", [160]), ("destination.md", [192]), ("attestation.md", [352, 160, 96])]
)
def test_offsets_are_words(name: str, sizes: list[int]) -> None:
    assert offsets(page(name)) == [at for size in sizes for at in range(0, size, 32)]


def test_sizes_are_those_of_the_code() -> None:
    proof = Recipe().make()
    status = KeyStatus(ENCLAVE.public, KeyState.REVOKED, 0)
    encoded = (proof.record.encoded, proof.header.encoded, proof.attestation.result.encoded, status.encoded)
    assert [len(one) for one in encoded] == [544, 160, 352, 160]
    for name, size in (("record.md", 544), ("batch.md", 160), ("attestation.md", 352)):
        assert f"{size} bytes" in page(name)


def test_tags_are_those_of_the_code() -> None:
    proof = Recipe().make()
    for name, data in (
        ("record.md", proof.record.encoded),
        ("batch.md", proof.header.encoded),
        ("attestation.md", proof.attestation.result.encoded),
    ):
        assert f"`{data[:32].rstrip(bytes(1)).decode()}`" in page(name)
    assert NATIVE.kind in page("destination.md")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("proof.md", Recipe().make().encode()),
        ("policy.md", policy().encode()),
        ("binding.md", Recipe().make().binding.document),
    ],
)
def test_every_name_of_a_document_is_on_its_page(name: str, document: bytes) -> None:
    listed = {name for row in rows(page(name)) for name in re.findall(r"`([a-z_]+)`", row[0])}
    assert set(canonical.decode_object(document, max_bytes=1 << 20)) <= listed


def test_errors() -> None:
    """Codes, who, retry, status and exit code are those of the classes and of the one table."""
    listed = {row[0].strip("`"): row[1:5] for row in rows(page("errors.md")) if row[0].startswith("`")}
    expected = {
        error.own["code"]: [
            error.attribute("party"),
            error.attribute("retry"),
            TABLE[error.row].grpc,
            str(TABLE[error.row].exit_code),
        ]
        for error in tree().values()
        if "code" in error.own
    }
    assert listed == expected


def test_failures_that_are_stored() -> None:
    text = page("errors.md").split("never run again:")[1].split("Any other")[0]
    assert set(re.findall(r"`([a-z-]+)`", text)) == FINAL_FAILURES


@pytest.mark.parametrize("path", PAGES, ids=lambda one: f"{one.parent.name}-{one.stem}")
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text()):
        if "://" in target:
            continue
        other = (path.parent / target).resolve() if target else path
        assert other.is_file(), f"{path.name}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
            known = {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}
            assert anchor[1:] in known, f"{path.name}: {target}{anchor}"


def test_the_index_names_every_page() -> None:
    listed = {target for target, _ in LINK.findall(page("README.md"))}
    assert {one.name for one in SPEC.glob("*.md")} - {"README.md"} == listed


def test_every_page_that_the_code_names_is_there() -> None:
    named = set()
    for package in ("fabric", "adapters", "registry"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in (".py", ".proto", ".sol"):
                named |= set(re.findall(r"docs/(?:spec|guide)/[a-z0-9-]+\.md", path.read_text()))
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_every_vector_file_that_a_page_names_is_there() -> None:
    named = {name for path in PAGES for name in re.findall(r"tests/vectors/[a-z_]+\.json", path.read_text())}
    assert {name for name in named if not (ROOT / name).is_file()} == set()
