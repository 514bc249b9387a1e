"""Wrong author code is refused when the class is defined, with where, what, why and how to fix it."""

from collections.abc import Callable
from typing import Final

import pytest
from pydantic import BaseModel

from fabric.sdk import AuthorError, Context, ContractCryptlet, Cryptlet, method

HEAD: Final = """
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from pydantic import BaseModel, ConfigDict
from fabric.sdk import Context, ContractCryptlet, Cryptlet, method

class Model(BaseModel):
    x: int

class Loose(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    x: object

class Half(BaseModel):
    x: "Later"

@dataclass
class D:
    x: int

class Good(Cryptlet):
    @method
    def judge(self, ctx: Context, value: Model) -> Model:
        return value

"""

SIGNATURES: Final = {
    "async def f(self, ctx: Context, v: Model) -> Model: ...": ["`async`", "plain `def`"],
    "def f(self, ctx: Context, v: Model) -> Model: yield": ["`yield`"],
    "async def f(self, ctx: Context, v: Model) -> Model: yield": ["`async` generator"],
    "def f(self, ctx: Context, v) -> Model: ...": ["v has no annotation"],
    "def f(self, ctx, v: Model) -> Model: ...": ["ctx has no annotation"],
    "def f(self, ctx: Context, v: Model): ...": ["its result has no annotation"],
    "def f(self, ctx: int, v: Model) -> Model: ...": ["'ctx' is no Context"],
    "def f(self, v: Model) -> Model: ...": ["(self, v: ", "ctx: Context"],
    "def f(self, ctx: Context, v: Model, w: Model) -> Model: ...": ["several fields of one model"],
    "def f(self, ctx: Context, *, v: Model) -> Model: ...": ["(self, ctx"],
    "def f(self, ctx: Context, *v: Model) -> Model: ...": ["*v"],
    "def f(self, ctx: Context, v: Model = Model(x=1)) -> Model: ...": ["one input"],
    "def f(self, ctx: Context, v: dict) -> Model: ...": ["'v'", "dict", "BaseModel"],
    "def f(self, ctx: Context, v: Model) -> str: ...": ["the result", "str"],
    "def f(self, ctx: Context, v: Model) -> bytes: ...": ["the result", "bytes"],
    "def f(self, ctx: Context, v: Model) -> None: ...": ["the result", "None"],
    "def f(self, ctx: Context, v: Model | bytes) -> Model: ...": ["'v'", "not a pydantic model"],
    "def f(self, ctx: Context, v: BaseModel) -> Model: ...": ["BaseModel"],
    "def f(self, ctx: Context, v: Loose) -> Model: ...": ["arbitrary_types"],
    "def f(self, ctx: Context, v: 'Modell') -> Model: ...": ["Modell", "above the class"],
    "def f(self, ctx: Context, v: Half) -> Model: ...": ["Half", "not defined yet"],
    "def _f(self, ctx: Context, v: Model) -> Model: ...": ["A._f", "letter"],
    "def Judge(self, ctx: Context, v: Model) -> Model: ...": ["A.Judge", "a-z"],
}

CLASSES: Final = {
    "class A(Cryptlet):\n    def judge(self): ...": ["A", "no method", "@method"],
    "class A(Good):\n    seen = []": ["'seen'", "mutable list", "tuple"],
    "class A(Good):\n    seen: dict[str, int] = {}": ["mutable dict"],
    "class A(Good):\n    last = Model(x=1)": ["mutable Model"],
    "class A(Good):\n    last = D(1)": ["mutable D"],
    "class A(Good):\n    def __init__(self, limit: int) -> None: ...": ["__init__", "class attribute"],
    "class A(Good):\n    kind = 'better'": ["'kind'", "another name"],
    "class A(Good):\n    judge = 1": ["'judge'", "hides", "rename"],
    "class A(Good):\n    def judge(self): ...": ["'judge'", "hides"],
    "class A(Cryptlet):\n    @method\n    @staticmethod\n    def f(): ...": ["staticmethod", "plain `def"],
    "class A(Cryptlet):\n    @method\n    @property\n    def f(self): ...": ["property"],
}

WRONG: Final = {
    **{f"class A(Cryptlet):\n    @method\n    {signature}": parts for signature, parts in SIGNATURES.items()},
    **CLASSES,
}


@pytest.mark.parametrize(("source", "expected"), WRONG.items(), ids=[source.replace("\n", " ") for source in WRONG])
def test_it_is_refused_with_a_sentence_that_helps(source: str, expected: list[str]) -> None:
    names: dict[str, object] = {"__name__": "author"}
    exec(HEAD, names)  # noqa: S102 - the class under test must be defined inside the test
    with pytest.raises(AuthorError) as refusal:
        exec(source, names)  # noqa: S102
    message = str(refusal.value)
    assert all(part in message for part in expected), message
    assert message.count(";") >= 1, "what is wrong and how to fix it"


class Given(BaseModel):
    x: int


class Shared(Cryptlet, abstract=True):
    def twice(self, value: Given) -> Given:
        return Given(x=2 * value.x)


class Doubler(Shared):
    LIMITS = (1, 2)
    TABLE = frozenset({1})

    @method
    def double(self, ctx: Context, value: Given) -> Given:  # noqa: ARG002
        """Doubles.

        And more about it.
        """
        return self.twice(value)


class Better(Doubler):
    @method
    def file(self, ctx: Context, data: bytes) -> Given:  # noqa: ARG002
        return Given(x=len(data))


def test_methods_are_inherited_and_sorted() -> None:
    assert list(Doubler.methods) == ["double"]
    assert list(Better.methods) == ["double", "file"]


def test_an_abstract_base_has_no_methods() -> None:
    assert dict(Shared.methods) == dict(Cryptlet.methods) == dict(ContractCryptlet.methods) == {}


def test_the_kind_follows_from_the_base() -> None:
    class Contract(ContractCryptlet):
        @method
        def judge(self, ctx: Context, value: Given) -> Given:  # noqa: ARG002
            return value

    assert (Doubler.kind, Contract.kind) == ("utility", "contract")


def test_a_method_describes_itself() -> None:
    described = Better.methods["double"].schemas()
    assert described["description"] == "Doubles."
    assert described["input"] == described["output"] == Given.model_json_schema()
    assert Better.methods["file"].schemas()["input"] is None


def test_a_type_without_schema_is_named() -> None:
    class Callback(BaseModel):
        x: Callable[[int], int]

    class Odd(Cryptlet):
        @method
        def f(self, ctx: Context, value: Callback) -> Given:  # noqa: ARG002
            return Given(x=1)

    with pytest.raises(AuthorError, match=r"method 'f': Callback has no JSON Schema"):
        Odd.methods["f"].schemas()
