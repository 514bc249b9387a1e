"""Vectors of bundles: archives, wheels, measurements and publications; right ones and ones to refuse."""

import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.bundles import archive, layout
from fabric.bundles.bundle import pack, read_bundle
from fabric.bundles.layout import Parts
from fabric.bundles.manifest import parse_project
from fabric.core import canonical
from fabric.core.ids import sha256
from registry.publish import Publisher, sign_publication

TOML: Final = """\
[cryptlet]
name = "hello-world"
version = "1.2.0rc1"
kind = "utility"
entry = "hello_world.service:Hello"
description = "Greets whom it is told to, in UTF-8: ä."
licence = "MIT OR (Apache-2.0 WITH LLVM-exception AND LicenseRef-Own)"
readme = "text/HELLO.md"
homepage = "https://hello.example"
repository = "https://hello.example:8443/~author/hello?tag=1#top"

[source]
package = "hello_world"
root = "src"
modules = ["__init__.py", "service.py", "words/__init__.py", "py.typed"]

[determinism]
mode = "strict"

[hardware]
memory_mb = 128
labels = { tee = "tdx" }

[price]
amount = "0.05"
currency = "EUR"
"""
LOCKED: Final = (
    (
        TOML
        + """
[[dependencies]]
name = "word-list"
version = "2.1.post1"
sha256 = "{1}"
filename = "Word_List-2.1.post1-py2.py3-none-any.whl"

[[dependencies]]
name = "ada"
version = "1.0"
sha256 = "{0}"
filename = "ada-1.0-py3-none-any.whl"
"""
    )
    .replace("{0}", sha256(b"0").hex())
    .replace("{1}", sha256(b"1").hex())
)
METHODS: Final = canonical.encode(
    {"greet": {"description": "Greets.", "input": {"type": "object"}, "output": {"type": "object"}}}
)
MODULES: Final = {
    "hello_world/__init__.py": b'"""Hello."""\n',
    "hello_world/service.py": b"class Hello: ...\n",
    "hello_world/words/__init__.py": b"",
    "hello_world/py.typed": b"",
}
README: Final = "# Hello\n\nGreets whom it is told to: ä.\n"
PARTS: Final = Parts(TOML.encode(), METHODS, MODULES, README.encode())
INFO: Final = "hello_world-1.2.0rc1.dist-info"
PRIVATE_KEY: Final = bytes(range(32))


def document() -> str:
    """Returns the vector file."""
    return json.dumps(_vectors(), indent=1, ensure_ascii=False) + "\n"


def good_entries() -> dict[str, bytes]:
    """Returns the files of the good wheel."""
    return layout.lay_out(parse_project(TOML.encode()), PARTS)


def zipped(entries: Iterable[tuple[str, bytes]], *, method: int = zipfile.ZIP_STORED, mode: int = 0o100644) -> bytes:
    """Returns a zip file of any names in any order, as another program might write it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
            file.writestr(info, content)
    return buffer.getvalue()


def refused_archives() -> dict[str, tuple[bytes, str]]:
    """Returns archives to refuse by name, each with a part of the reason."""
    good = archive.write({"a.py": b"a", "b.py": b"b"})
    comment = bytearray(good)
    comment[-2:] = b"\1\0"
    late = bytearray(good)
    late[10:12] = b"\1\0"
    return {
        "nothing": (b"", "1 to 512 entries"),
        "no archive": (b"PK\3\4", "1 to 512 entries"),
        "empty archive": (good[-22:-14] + bytes(14), "1 to 512 entries"),
        "cut": (good[:-1], "another spelling"),
        "cut in a file": (good[:34], "cut or changed"),
        "a byte behind": (good + b"\n", "another spelling"),
        "a byte before": (b"\n" + good, "1 to 512 entries"),
        "changed file": (good.replace(b"a.pya", b"a.pyA"), "cut or changed"),
        "comment": (bytes(comment) + b"!", "another spelling"),
        "dated": (bytes(late), "another spelling"),
        "out of order": (zipped([("b.py", b"b"), ("a.py", b"a")]), "another spelling"),
        "deflated": (zipped([("a.py", b"a" * 100)], method=zipfile.ZIP_DEFLATED), "cut or changed"),
        "executable": (zipped([("a.py", b"a")], mode=0o100755), "another spelling"),
        "link": (zipped([("a.py", b"/etc/passwd")], mode=0o120777), "another spelling"),
        "folder": (zipped([("a/", b"")]), "entry 'a/'"),
        "absolute": (zipped([("/a.py", b"")]), "entry '/a.py'"),
        "outside": (zipped([("a/../../b.py", b"")]), "entry 'a/../../b.py'"),
        "here": (zipped([("./a.py", b"")]), "entry './a.py'"),
        "hidden": (zipped([("a/.b.py", b"")]), "entry 'a/.b.py'"),
        "backslash": (zipped([("a\\b.py", b"")]), "entry"),
        "drive": (zipped([("c:a.py", b"")]), "entry 'c:a.py'"),
        "not ASCII": (zipped([("ä.py", b"")]), "entry"),
        "twice": (_twice(), "stands twice"),
        "long name": (zipped([("a" * 201, b"")]), "at most 200 bytes"),
    }


def refused_wheels() -> dict[str, tuple[bytes, str]]:
    """Returns canonical archives that are no bundle, each with a part of the reason."""
    good = good_entries()
    record = good[f"{INFO}/RECORD"]
    edits: dict[str, tuple[dict[str, bytes | None], str]] = {
        "changed module": ({"hello_world/service.py": b"evil"}, f"{INFO}/RECORD: another content"),
        "record without a row": ({f"{INFO}/RECORD": record.split(b"\n", 1)[1]}, f"{INFO}/RECORD: another content"),
        "no record": ({f"{INFO}/RECORD": None}, f"{INFO}/RECORD: not in the wheel"),
        "changed metadata": ({f"{INFO}/METADATA": b"Name: other\n"}, f"{INFO}/METADATA: another content"),
        "changed wheel file": ({f"{INFO}/WHEEL": b"Wheel-Version: 2.0\n"}, f"{INFO}/WHEEL: another content"),
        "missing module": ({"hello_world/service.py": None}, "hello_world/service.py: not in the wheel"),
        "extension module": ({"hello_world/fast.so": b"\x7fELF"}, "hello_world/fast.so: neither listed"),
        "path file": ({"evil.pth": b"import os"}, "evil.pth: neither listed"),
        "pickle": ({"hello_world/model.pkl": b"\x80\4."}, "hello_world/model.pkl: neither listed"),
        "unlisted module": ({"hello_world/extra.py": b""}, "hello_world/extra.py: neither listed"),
        "entry points": ({f"{INFO}/entry_points.txt": b"[console_scripts]"}, "entry_points.txt: neither listed"),
        "no manifest": ({f"{INFO}/cryptlet.toml": None}, "found 0"),
        "two manifests": ({"other-1.0.0.dist-info/cryptlet.toml": b""}, "found 2"),
        "no methods": ({f"{INFO}/methods.json": None}, f"{INFO}/methods.json: not in the wheel"),
        "methods not canonical": ({f"{INFO}/methods.json": b"{ }"}, "canonical JSON"),
        "no README": ({f"{INFO}/README.md": None}, f"{INFO}/README.md: not in the wheel"),
        "README not UTF-8": ({f"{INFO}/README.md": b"\xff"}, "README.md: no UTF-8"),
        "README with controls": ({f"{INFO}/README.md": b"a\nb\x1b[2J"}, "README.md: line 2: '\\x1b' is no text"),
        "README turned around": ({f"{INFO}/README.md": "\u202e".encode()}, "'\\u202e' is no text"),
        "README empty": ({f"{INFO}/README.md": b""}, "README.md: expected 1 to 65536 bytes, got 0"),
        "README too long": ({f"{INFO}/README.md": b"a" * 65_537}, "README.md: expected 1 to 65536 bytes, got 65537"),
        "README that nobody named": (
            {f"{INFO}/cryptlet.toml": TOML.replace('readme = "text/HELLO.md"\n', "").encode()},
            f"{INFO}/README.md: neither listed",
        ),
        "lock that nobody asked for": ({f"{INFO}/lock.json": b"[]"}, f"{INFO}/lock.json: neither listed"),
        "another lock": (
            {f"{INFO}/cryptlet.toml": LOCKED.encode(), f"{INFO}/lock.json": b"[]"},
            f"{INFO}/RECORD: another content",
        ),
        "no method": ({f"{INFO}/methods.json": b"{}"}, "1 to 64 methods"),
        "another name": (
            {f"{INFO}/cryptlet.toml": TOML.replace("hello-world", "hello").encode()},
            "cryptlet.toml names the bundle hello-1.2.0rc1.dist-info",
        ),
        "no TOML": ({f"{INFO}/cryptlet.toml": b"["}, "no TOML"),
    }
    wheels = {name: (_edited(good, edit), reason) for name, (edit, reason) in edits.items()}
    return wheels | {
        name: (_edited(good, {f"{INFO}/cryptlet.toml": toml.encode()}), reason)
        for name, (toml, reason) in refused_manifests().items()
    }


def refused_manifests() -> dict[str, tuple[str, str]]:
    """Returns texts of ``cryptlet.toml`` to refuse, each with a part of the reason."""
    changes = {
        "unknown key": ("memory_mb", "memroy_mb", "hardware.memroy_mb: unknown key - did you mean 'memory_mb'?"),
        "unknown table": ("[hardware]", "[hardwear]", "hardwear: unknown key - did you mean 'hardware'?"),
        "missing table": ('[determinism]\nmode = "strict"\n', "", "determinism: Field required"),
        "capability": ("[cryptlet]", 'capabilities = ["net"]\n[cryptlet]', "grants no capability"),
        "kind": ('"utility"', '"service"', "cryptlet.kind"),
        "version": ("1.2.0rc1", "1.2", "cryptlet.version"),
        "name": ('"hello-world"', '"Hello"', "cryptlet.name"),
        "namespace": ('kind = "utility"', 'kind = "utility"\nnamespace = "Acme"', "cryptlet.namespace"),
        "two lines": ("it is told to", "\\n", "cryptlet.description"),
        "entry elsewhere": ('"hello_world.service:Hello"', '"os:system"', "outside source.package"),
        "platform's package": ('package = "hello_world"', 'package = "fabric"', "package of the platform"),
        "impure": ('"service.py"', '"service.so"', "a bundle is pure"),
        "outside": ('"service.py"', '"../service.py"', "no Python source"),
        "module twice": ('"service.py"', '"__init__.py"', "listed twice"),
        "no package": ('"words/__init__.py"', '"words/a.py"', "'words/__init__.py' is not listed"),
        "root outside": ('"src"', '"../src"', "source.root"),
        "number as text": ("memory_mb = 128", 'memory_mb = "128"', "hardware.memory_mb"),
        "memory": ("memory_mb = 128", "memory_mb = 1", "hardware.memory_mb"),
        "price": ('"0.05"', '"-1"', "price.amount"),
    }
    return {f"manifest: {name}": (TOML.replace(old, new), reason) for name, (old, new, reason) in changes.items()}


def _vectors() -> dict[str, Any]:
    wheel = pack(PARTS)
    bundle = read_bundle(wheel)
    publication = sign_publication(bundle, Publisher(Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY)))
    return {
        "archives": [_archive(entries) for entries in ({"a": b""}, {"b/c.py": b"c\n", "b.py": b"b", "B": b"\0\xff"})],
        "refused_archives": _refused(refused_archives()),
        "bundle": {
            "toml": TOML,
            "methods": METHODS.decode(),
            "readme": README,
            "modules": {name: content.decode() for name, content in MODULES.items()},
            "record": good_entries()[f"{INFO}/RECORD"].decode(),
            "metadata": good_entries()[f"{INFO}/METADATA"].decode(),
            "wheel": wheel.hex(),
            "wheel_digest": bundle.wheel_digest.hex(),
            "lock_digest": bundle.lock_digest.hex(),
            "measurement": bundle.measurement.hex(),
        },
        "locked": _locked(),
        "refused_wheels": _refused(refused_wheels()),
        "publication": {
            "private_key": PRIVATE_KEY.hex(),
            "signed": canonical.encode(publication.fields).decode(),
            "document": canonical.encode(publication.to_json()).decode(),
        },
    }


def _locked() -> dict[str, str]:
    """Returns the same bundle on two wheels of others, which are named by hash and not in it."""
    wheel = pack(replace(PARTS, toml=LOCKED.encode()))
    bundle = read_bundle(wheel)
    return {
        "toml": LOCKED,
        "lock": archive.read(wheel)[f"{INFO}/lock.json"].decode(),
        "wheel_digest": bundle.wheel_digest.hex(),
        "lock_digest": bundle.lock_digest.hex(),
        "measurement": bundle.measurement.hex(),
    }


def _archive(entries: dict[str, bytes]) -> dict[str, Any]:
    shown = {name: content.hex() for name, content in entries.items()}
    return {"entries": shown, "archive": archive.write(entries).hex()}


def _refused(cases: dict[str, tuple[bytes, str]]) -> list[dict[str, str]]:
    return [{"case": case, "bytes": data.hex(), "reason": reason} for case, (data, reason) in cases.items()]


def _edited(entries: dict[str, bytes], edit: dict[str, bytes | None]) -> bytes:
    merged = {**entries, **edit}
    return archive.write({name: content for name, content in merged.items() if content is not None})


def _twice() -> bytes:
    """Writes one name twice without the library's warning: two names of one length, made equal afterwards."""
    return zipped([("a.py", b"1"), ("b.py", b"2")]).replace(b"b.py", b"a.py")
