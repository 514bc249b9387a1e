"""Cryptlet: the base classes of what authors write, and the mark that makes a function a method.

A class that the platform could not run the same way twice is refused when Python reads it, see ``fabric.sdk.checks``.
"""

from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType
from typing import ClassVar, Final, TypeVar, cast

from pydantic import BaseModel
from typing_extensions import override

from fabric.core.errors import AuthorError
from fabric.sdk.checks import MARK, Method, check_class
from fabric.sdk.context import Context
from fabric.sdk.shapes import Marked

# A type checker shows these names to authors: Value of type variable "Input" of "method" cannot be "int".
Owner = TypeVar("Owner", bound="Cryptlet")
Input = TypeVar("Input", bound=BaseModel | bytes)
Output = TypeVar("Output", bound=BaseModel)


class InvalidInput(Exception):
    """Raised by a cryptlet whose input is well-typed and yet unusable; the caller must act, not the author.

    Say where and what: "line 17: expected a time stamp with zone, got '2026-13-01'".
    """


def method(function: Callable[[Owner, Context, Input], Output]) -> Marked[Input, Output]:
    """Marks a function of a cryptlet as a method that callers may invoke by its name.

    Its shape is ``(self, ctx: Context, value: Model) -> Model`` with pydantic models, or ``bytes`` instead of the first
    model for a raw file. A type checker refuses any other shape; so does the class when Python reads it.

    Raises:
        AuthorError: what is marked is no plain function.
    """
    if not isinstance(function, FunctionType):
        message = (
            f"@method stands on a {type(function).__name__}, which has no fixed signature to call;"
            " put it directly above a plain `def name(self, ctx: Context, ...)`, as the only decorator"
        )
        raise AuthorError(message)
    setattr(function, MARK, True)
    return cast("Marked[Input, Output]", function)


class Cryptlet:
    """A utility cryptlet: a stateless service with its own identity.

    A new instance answers each invocation, so nothing on ``self`` outlives it. A base class that only shares helpers
    says ``class Shared(Cryptlet, abstract=True)``.

    Attributes:
        kind: ``utility`` or ``contract``.
        methods: the callable methods by name, sorted; filled when the class is defined.
    """

    kind: ClassVar[str] = "utility"
    methods: ClassVar[Mapping[str, Method]] = MappingProxyType({})

    @override
    def __init_subclass__(cls, *, abstract: bool = False, **rest: object) -> None:
        """Checks the class and lists its methods.

        Raises:
            AuthorError: the class cannot be run as written; the message says where, why and what to write instead.
        """
        super().__init_subclass__(**rest)
        if not abstract:
            cls.methods = check_class(cls, _RESERVED)


class ContractCryptlet(Cryptlet, abstract=True):
    """A contract cryptlet: the logic of one contract instance whose state is on the ledger.

    Its result applies only while the contract's state still has the version ``ctx.state_version``.
    """

    kind: ClassVar[str] = "contract"


_RESERVED: Final = frozenset({"kind", "methods"})
