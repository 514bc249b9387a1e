"""Runner: bytes in, bytes out, around an author's class. It runs inside the container and needs nothing but the SDK.

Every way in which an author's code can fail becomes one error of ``fabric.core.errors``; what a hostile cryptlet does
to this process itself is the enclave's to notice.
"""

import difflib
import importlib
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError

from fabric.core import canonical
from fabric.core.errors import (
    AuthorError,
    CryptletRaised,
    LimitExceeded,
    Malformed,
    NotFound,
)
from fabric.sdk.checks import Method
from fabric.sdk.context import Context
from fabric.sdk.cryptlet import Cryptlet, InvalidInput
from fabric.sdk.places import is_bundled, place_of

MAX_MESSAGE: Final = 500
"""Longest message in characters that is taken over from an author's exception."""
_ENTRY: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Loaded:
    """A cryptlet class that is ready to be called.

    Attributes:
        cryptlet: the class.
    """

    cryptlet: type[Cryptlet]

    @property
    def kind(self) -> str:
        """``utility`` or ``contract``."""
        return self.cryptlet.kind

    @property
    def methods(self) -> Mapping[str, Method]:
        """The callable methods by name."""
        return self.cryptlet.methods

    def invoke(self, method: str, data: bytes, context: Context) -> bytes:
        """Runs one invocation on a new instance of the class.

        Args:
            method: name of the method.
            data: the input: a JSON text, or a raw file where the method takes ``bytes``.
            context: the invocation's context.

        Returns:
            The output as canonical JSON.

        Raises:
            NotFound: no method of that name.
            Malformed: the input does not fit its type, or the cryptlet raised ``InvalidInput``.
            CryptletRaised: the cryptlet raised anything else, or returned what its type does not allow.
            LimitExceeded: it ran out of memory.
        """
        found = self.methods.get(method)
        if found is None:
            raise NotFound(f"method {method!r}{_nearest(method, list(self.methods))}")
        value = data if found.input is None else _read(found.input, data)
        return _write(found, _call(self.cryptlet, found, context, value))


def load(entry: str) -> Loaded:
    """Imports a cryptlet.

    Args:
        entry: ``module:Class``.

    Raises:
        AuthorError: the module cannot be imported, or holds no such cryptlet.
    """
    if not _ENTRY.fullmatch(entry):
        raise AuthorError(f"entry {entry!r}: expected 'module:Class', such as 'cold_chain.judge:ColdChain'")
    name, _, class_name = entry.partition(":")
    try:
        module = importlib.import_module(name)
    except AuthorError:
        raise
    except (Exception, SystemExit) as error:
        raise AuthorError(f"entry {entry!r}: importing {name!r} failed: {_described(error)}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, Cryptlet):
        known = [key for key, item in vars(module).items() if _is_cryptlet(item)]
        raise AuthorError(f"entry {entry!r}: {name!r} holds no such cryptlet{_nearest(class_name, known)}")
    if not found.methods:
        raise AuthorError(f"entry {entry!r}: {class_name} is an abstract base; name a class with methods")
    return Loaded(found)


def _read(model: type[BaseModel], data: bytes) -> BaseModel:
    # The core's reader first: pydantic's own takes duplicate names and NaN without a word.
    canonical.parse(data)
    try:
        return model.model_validate_json(data, strict=True, extra="forbid")
    except ValidationError as error:
        raise _malformed(model, error) from error
    except MemoryError as error:
        raise LimitExceeded("out of memory while the input was read") from error
    except Exception as error:  # an author's validator may raise anything
        raise CryptletRaised(_described(error)) from error


def _call(cryptlet: type[Cryptlet], method: Method, context: Context, value: object) -> object:
    try:
        return method.function(cryptlet(), context, value)
    except InvalidInput as error:
        raise Malformed("input", _printable(str(error))) from error
    except MemoryError as error:
        raise LimitExceeded("the cryptlet ran out of memory") from error
    except (Exception, SystemExit) as error:
        raise CryptletRaised(_described(error)) from error


def _write(method: Method, result: object) -> bytes:
    promised = method.output.__name__
    if not isinstance(result, method.output):
        got = type(result).__name__
        raise CryptletRaised(f"{method.name} returned {got}, its signature promises {promised}")
    try:
        return canonical.encode(result.model_dump(mode="json", by_alias=True, warnings="error"))
    except Malformed as error:
        reason = f"{error.reason}; NaN, infinity and integers beyond 2**53 - 1 have none"
        raise CryptletRaised(f"{method.name} returned {promised} without JSON form: {reason}") from error
    except PydanticSerializationError as error:
        raise CryptletRaised(
            f"{method.name} returned a {promised} that its fields do not allow: {_printable(str(error))}"
        ) from error
    except MemoryError as error:
        raise LimitExceeded("out of memory while the output was written") from error
    except Exception as error:  # an author's serializer may raise anything
        raise CryptletRaised(_described(error)) from error


def _malformed(model: type[BaseModel], error: ValidationError) -> Malformed:
    """Names the field that does not fit, and says how many more there are."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    # A slip in a name makes two errors; the one that names the slip helps, not the one of the field that lacks.
    first, *more = sorted(found, key=lambda detail: detail["type"] != "extra_forbidden")
    field = "input" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    rest = f" (and {len(more)} more)" if more else ""
    return Malformed(_printable(field), _printable(_reason(model, first)) + rest)


def _reason(model: type[BaseModel], detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
        known = [field.alias or name for name, field in model.model_fields.items()]
        return f"no such field{_nearest(str(detail['loc'][0]), known)}"
    return detail["msg"]


def _described(error: BaseException) -> str:
    """Returns type, message and place of an author's exception, bounded and printable."""
    # Walked by hand: traceback.extract_tb would look up source lines, and a container has no files to look into.
    places = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    outside = [(code, line) for code, line in places if code.co_filename != __file__]
    # What a library raises is told where the author called it.
    own = [(code, line) for code, line in outside if is_bundled(code)] or outside
    place = ""
    if own:
        code, line = own[-1]
        place = f" ({place_of(code, line)} in {code.co_name})"
    text = _validation(error) if isinstance(error, ValidationError) else _printable(str(error))
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"


def _validation(error: ValidationError) -> str:
    """Returns the first finding in one line; pydantic's own text has several, and an address."""
    first, *more = error.errors(include_url=False, include_context=False, include_input=False)
    field = ".".join(map(str, (error.title, *first["loc"])))
    return _printable(f"{field}: {first['msg']}" + (f" (and {len(more)} more)" if more else ""))


def _printable(text: str) -> str:
    """Cuts to ``MAX_MESSAGE`` and replaces what could forge a line of a log or a terminal."""
    cut = text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."
    return "".join(letter if letter.isprintable() else " " for letter in cut)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" - did you mean {close[0]!r}?" if close else f" - known: {', '.join(sorted(known)) or 'none'}"


def _is_cryptlet(item: object) -> bool:
    return isinstance(item, type) and issubclass(item, Cryptlet) and bool(item.methods)
