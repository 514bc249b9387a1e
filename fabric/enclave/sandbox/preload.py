"""What the zygote imports for the containers: once locked, they can load Python files but no shared library.

A cryptlet may import any other pure module of the standard library; it is read from the root folder.
"""

import contextlib
import ctypes
import hashlib
import importlib
from typing import Final

from fabric.core.errors import SandboxUnavailable

STANDARD: Final = tuple(
    """
    __future__ _strptime abc argparse array ast base64 binascii bisect bz2 calendar cmath codecs collections
    collections.abc colorsys configparser contextlib copy copyreg csv ctypes dataclasses datetime decimal difflib dis
    email email.message email.parser enum fractions functools getopt gettext glob graphlib gzip hashlib heapq hmac html
    html.parser importlib.metadata importlib.resources inspect io ipaddress itertools json keyword linecache locale
    logging lzma math mimetypes numbers opcode operator os pathlib pickle pkgutil posixpath pprint queue random re
    reprlib secrets shlex shutil stat statistics string stringprep struct tempfile textwrap threading time timeit token
    tokenize tomllib traceback types typing unicodedata urllib.parse uuid warnings weakref xml.etree.ElementTree
    xml.sax.saxutils zipfile zipimport zlib zoneinfo
    encodings.ascii encodings.cp1252 encodings.cp437 encodings.idna encodings.latin_1 encodings.utf_16
    encodings.utf_16_be encodings.utf_16_le encodings.utf_32 encodings.utf_8_sig
    """.split()  # noqa: SIM905 - a list of 120 quoted names is harder to read
)
LIBRARIES: Final = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1"),
)
"""What a manylinux wheel may expect of a machine (PEP 600). A container has no file of them: what is loaded here is
found by its name, and what this machine lacks is missed by the wheel that needs it, by name."""
SDK: Final = ("pydantic", "pydantic.json_schema", "pydantic.type_adapter", "fabric.sdk.runner")
PROBE: Final = ("fabric.enclave.sandbox.attacks",)
"""The self-test runs in containers too, which have no file of it."""


def preload() -> None:
    """Imports everything, and uses once what initialises itself on first use.

    Raises:
        SandboxUnavailable: a module is missing from this Python.
    """
    for name in (*STANDARD, *SDK, *PROBE):
        try:
            importlib.import_module(name)
        except ImportError as error:
            message = f"this Python lacks {name} ({error}); install one with the whole standard library"
            raise SandboxUnavailable(message) from error
    for name in LIBRARIES:
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
    _warm_hashes()
    warm_models()


def _warm_hashes() -> None:
    # OpenSSL reads its configuration and fetches each algorithm when it is first asked for.
    for name in hashlib.algorithms_guaranteed:
        hashlib.new(name, usedforsecurity=False)


def warm_models() -> None:
    """Makes and uses a model, as a cryptlet does when it is loaded."""
    # Pydantic looks for its plug-ins in the metadata of all distributions when it makes the first model.
    from pydantic import BaseModel  # noqa: PLC0415 - determinism.install must come first

    class Warm(BaseModel):
        number: int

    Warm.model_validate_json(b'{"number":1}', strict=True).model_dump(mode="json")
