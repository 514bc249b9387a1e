"""Checks of a cryptlet class at its definition; each refusal says where, what is wrong, why it matters, what to write.

Nothing here calls the author's code. JSON Schemas are made only when a bundle is built: they would cost every
container milliseconds at its start.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, MappingProxyType
from typing import Any, Final, NoReturn

from pydantic import BaseModel

from fabric.core.canonical import JsonObject
from fabric.core.errors import AuthorError
from fabric.sdk.context import Context
from fabric.sdk.places import place_of, place_of_class

MARK: Final = "__cryptlet_method__"
MAX_NAME_LENGTH: Final = 64
_NAME: Final = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME_LENGTH - 1}}}")
_SHAPE: Final = "write `def {name}(self, ctx: Context, value: Model) -> Model` with pydantic models, or `value: bytes`"
_PLAIN: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_PARAMETERS: Final = 3


@dataclass(frozen=True)
class Method:
    """A callable method of a cryptlet.

    Attributes:
        name: the name by which callers invoke it.
        function: the author's function.
        input: the input's model; None where the method takes a raw file's bytes.
        output: the output's model.
    """

    name: str
    function: Callable[..., object]
    input: type[BaseModel] | None
    output: type[BaseModel]

    @property
    def description(self) -> str:
        """First line of the function's docstring, or nothing."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0].strip()

    def schemas(self) -> JsonObject:
        """Returns description and JSON Schemas (2020-12) as they stand in a bundle; ``input`` is None for a raw file.

        Raises:
            AuthorError: a model holds a type that JSON Schema cannot describe.
        """
        where = f"method {self.name!r}"
        given = None if self.input is None else _schema(where, self.input, "validation")
        return {
            "description": self.description,
            "input": given,
            "output": _schema(where, self.output, "serialization"),
        }


def check_class(cls: type, reserved: frozenset[str]) -> Mapping[str, Method]:
    """Returns the methods of a cryptlet class by name, sorted.

    Args:
        cls: the class.
        reserved: names that belong to the base class.

    Raises:
        AuthorError: the first thing that is wrong with it.
    """
    for name in sorted(reserved & vars(cls).keys()):
        _refuse(cls, f"{name!r} is the SDK's own name", "the platform reads it", "choose another name")
    _check_state(cls)
    _check_constructor(cls)
    marked = {name: item for name, item in _attributes(cls) if getattr(item, MARK, False)}
    if not marked:
        _refuse(
            cls, "it has no method", "nothing could be called", f"put @method above one; {_SHAPE.format(name='judge')}"
        )
    return MappingProxyType({name: _method(cls, name, marked[name]) for name in sorted(marked)})


def _attributes(cls: type) -> Iterator[tuple[str, object]]:
    """Yields every attribute as a call would find it: a later definition hides the earlier ones of the same name."""
    found: dict[str, object] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, item in vars(base).items():
            if getattr(found.get(name), MARK, False) and not getattr(item, MARK, False):
                _refuse(
                    cls,
                    f"{name!r} hides the method of the same name of a base class",
                    "callers could no longer reach it",
                    "rename it, or put @method above it too",
                )
            found[name] = item
    yield from found.items()


def _check_state(cls: type) -> None:
    for name, item in vars(cls).items():
        is_dunder = name.startswith("__") and name.endswith("__")
        if not is_dunder and type(item).__hash__ is None:
            _refuse(
                cls,
                f"class attribute {name!r} is a mutable {type(item).__name__}",
                "all invocations would share it, and a result would depend on earlier calls",
                "use a tuple, frozenset, MappingProxyType or frozen model, or set it in the method",
            )


def _check_constructor(cls: type) -> None:
    constructor = cls.__init__  # type: ignore[misc]
    if not isinstance(constructor, FunctionType):
        return
    _, *rest = inspect.signature(constructor).parameters.values()
    if any(item.default is item.empty and item.kind in _PLAIN for item in rest):
        _refuse(
            cls,
            "its __init__ takes arguments",
            "the platform makes a new instance for each invocation and has nothing to pass",
            "take what varies as the method's input, and what is constant as a class attribute",
        )


def _method(cls: type, name: str, function: object) -> Method:
    assert isinstance(function, FunctionType)  # noqa: S101 - the decorator takes nothing else
    where = f"{cls.__name__}.{name} ({place_of(function.__code__)})"
    if not _NAME.fullmatch(name):
        _refuse(
            where,
            "its name cannot be called",
            "contracts and other languages address a method by name",
            f"use 1 to {MAX_NAME_LENGTH} of a-z, 0-9 and _, beginning with a letter",
        )
    _check_synchronous(where, function)
    parameter = _check_parameters(where, name, function)
    hints = _hints(where, name, function)
    context, given = list(inspect.signature(function).parameters)[1], hints[parameter]
    if hints[context] is not Context:
        _refuse(where, f"{context!r} is no Context", "it carries time and entropy", _SHAPE.format(name=name))
    taken = None if given is bytes else _model(where, f"parameter {parameter!r}", given, name)
    return Method(name, function, taken, _model(where, "the result", hints["return"], name))


def _check_synchronous(where: str, function: FunctionType) -> None:
    for test, what in (
        (inspect.iscoroutinefunction, "it is `async`"),
        (inspect.isgeneratorfunction, "it uses `yield`"),
        (inspect.isasyncgenfunction, "it is an `async` generator"),
    ):
        if test(function):
            _refuse(
                where,
                what,
                "a cryptlet is one synchronous computation: there is nothing to wait for in a container",
                "write a plain `def` that returns its result",
            )


def _check_parameters(where: str, name: str, function: FunctionType) -> str:
    """Returns the name of the input's parameter."""
    parameters = list(inspect.signature(function).parameters.values())
    plain = all(item.kind in _PLAIN and item.default is item.empty for item in parameters)
    if len(parameters) != _PARAMETERS or not plain:
        shown = ", ".join(str(item) for item in parameters)
        _refuse(
            where,
            f"its parameters are ({shown})",
            "every method takes exactly one context and one input",
            f"{_SHAPE.format(name=name)}; several inputs are several fields of one model",
        )
    return parameters[2].name


def _hints(where: str, name: str, function: FunctionType) -> dict[str, object]:
    """Returns the resolved annotations of context, input and result."""
    parameters = list(inspect.signature(function).parameters)[1:]
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, SyntaxError) as error:
        _refuse(
            where,
            f"an annotation cannot be resolved ({error})",
            "types decide how input is read",
            "define or import the type above the class, at module level, not under TYPE_CHECKING",
        )
    missing = [item for item in (*parameters, "return") if item not in hints]
    if missing:
        said = "its result has" if missing == ["return"] else f"{', '.join(missing)} has"
        _refuse(where, f"{said} no annotation", "types decide how input is read", _SHAPE.format(name=name))
    return hints


def _model(where: str, what: str, kind: Any, name: str) -> type[BaseModel]:  # noqa: ANN401 - any annotation
    shown = getattr(kind, "__name__", str(kind))
    if not isinstance(kind, type) or not issubclass(kind, BaseModel) or kind is BaseModel:
        _refuse(
            where,
            f"{what} is of type {shown}, not a pydantic model",
            "input and output have a JSON Schema that callers and contracts rely on",
            f"wrap it in a `class ...(BaseModel)`; {_SHAPE.format(name=name)}",
        )
    if kind.model_config.get("arbitrary_types_allowed"):
        _refuse(
            where,
            f"{what}: {shown} sets arbitrary_types_allowed",
            "such values have no JSON form",
            "use fields of JSON types, dates, decimals or further models",
        )
    if not kind.__pydantic_complete__ and kind.model_rebuild(raise_errors=False) is not True:
        _refuse(
            where,
            f"{what}: {shown} names a type that is not defined yet",
            "its schema is not known",
            "define all types of its fields above the cryptlet, at module level",
        )
    return kind


def _schema(where: str, model: type[BaseModel], mode: typing.Literal["validation", "serialization"]) -> JsonObject:
    try:
        schema: JsonObject = model.model_json_schema(mode=mode)
    except Exception as error:
        message = (
            f"{where}: {model.__name__} has no JSON Schema ({error}); callers rely on it;"
            " use fields of JSON types, dates, decimals or further models"
        )
        raise AuthorError(message) from error
    return schema


def _refuse(where: type | str, what: str, why: str, fix: str) -> NoReturn:
    """Raises the author's error: where, what, why, how to fix it."""
    name = where if isinstance(where, str) else f"{where.__name__} ({place_of_class(where)})"
    message = f"cryptlet {name}: {what}; {why}; {fix}"
    raise AuthorError(message)
