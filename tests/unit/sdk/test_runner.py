"""Bytes in, bytes out: every way in which input or author's code fails is one typed error."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from fabric.core import canonical
from fabric.core.errors import AuthorError, CryptletRaised, FabricError, LimitExceeded, Malformed, NotFound
from fabric.sdk import Context, Cryptlet, InvalidInput, method
from fabric.sdk.runner import MAX_MESSAGE, Loaded, load
from fabric.sdk.testing import context, run
from tests.support.projects import BAD, built

# ruff: noqa: ARG002 - the shape of a method is fixed


class Item(BaseModel):
    celsius: Decimal


class Order(BaseModel):
    count: int = Field(ge=0)
    items: list[Item] = []
    named: str = Field(default="", alias="name")

    @field_validator("count")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value == 13:
            raise ValueError("13 is refused")
        if value == 14:
            raise KeyError("an author's mistake")
        return value


class Total(BaseModel):
    total: Decimal
    name: str = Field(default="", serialization_alias="for")


class Shop(Cryptlet):
    @method
    def add(self, ctx: Context, order: Order) -> Total:
        return Total(total=sum((item.celsius for item in order.items), Decimal(order.count)), name=order.named)

    @method
    def wear(self, ctx: Context, order: Order) -> Order:
        count = getattr(self, "count", 0)
        self.count = count + 1
        return Order(count=count)


SHOP = Loaded(Shop)


@pytest.fixture(scope="module")
def bad() -> Loaded:
    """The misbehaving cryptlet, from its wheel as a container has it."""
    bundle = built(BAD).bundle
    importlib.import_module("tests.support.bad_cryptlets.bad")
    return load(bundle.manifest.project.cryptlet.entry.replace("bad_cryptlet.", "tests.support.bad_cryptlets."))


def test_json_in_canonical_json_out() -> None:
    output = SHOP.invoke("add", b'{ "items": [{"celsius": "1.50"}], "count": 2, "name": "\\u00e9" }', context())
    assert output == '{"for":"é","total":"3.50"}'.encode()


@pytest.mark.parametrize(
    ("data", "field", "reason"),
    [
        (b'{"count":1,"itmes":[]}', "input.itmes", "did you mean 'items'?"),
        (b'{"count":1,"items":[{"celsius":"1","unit":"C"}]}', "input.items[0].unit", "not permitted"),
        (b'{"count":"1"}', "input.count", "integer"),
        (b'{"count":1.5}', "input.count", "integer"),
        (b'{"count":-1}', "input.count", "greater than or equal to 0"),
        (b'{"count":13}', "input.count", "13 is refused"),
        (b'{"items":[{},{}]}', "input.count", "(and 2 more)"),
        (b"[]", "input", "object"),
        (b"", "JSON", "line 1"),
        (b'{"count":1,"count":2}', "JSON", "duplicate"),
        (b'{"count":NaN}', "JSON", "NaN"),
        (b'{"count":9007199254740993}', "JSON", "2**53"),
        (b'{"count":1,"name":"\xff"}', "JSON", "utf-8"),
        (b'{"count":1,"a\\n\\u001b[2Jb":2}', "input.a  [2Jb", "no such field"),
    ],
)
def test_input_that_does_not_fit_names_its_field(data: bytes, field: str, reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        SHOP.invoke("add", data, context())
    assert refusal.value.format == field
    assert reason in refusal.value.reason


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(NotFound, match="'ad' - did you mean 'add'"):
        SHOP.invoke("ad", b"{}", context())
    with pytest.raises(NotFound, match="known: add, wear"):
        SHOP.invoke("__init__", b"{}", context())


def test_each_invocation_has_an_instance_of_its_own() -> None:
    assert [run(Shop, "wear", {"count": 1})["count"] for _ in range(3)] == [0, 0, 0]


def test_a_validator_that_breaks_is_the_authors_fault() -> None:
    with pytest.raises(CryptletRaised, match=r"KeyError: .*mistake"):
        SHOP.invoke("add", b'{"count":14}', context())


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("refuse", Malformed, "input: note '' is not to its taste"),
        ("fail", CryptletRaised, "ValueError: it failed [2J and forged a line (bad.py:"),
        ("fail_long", CryptletRaised, "..."),
        ("leave", CryptletRaised, "SystemExit: 3"),
        ("recurse", CryptletRaised, "RecursionError"),
        ("wrong_type", CryptletRaised, "wrong_type returned dict, its signature promises Note"),
        ("wrong_field", CryptletRaised, "wrong_field returned a Note that its fields do not allow"),
        ("not_a_number", CryptletRaised, "without JSON form"),
        ("too_large", CryptletRaised, "2**53 - 1"),
    ],
)
def test_bad_code_is_a_typed_error(bad: Loaded, name: str, error: type[FabricError], message: str) -> None:
    with pytest.raises(error) as refusal:
        bad.invoke(name, b"{}", context())
    assert message in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < MAX_MESSAGE + 200
    assert bad.invoke("echo", b'{"text":"still here"}', context()) == b'{"size":0,"text":"still here"}'


def test_running_out_of_memory_is_a_limit() -> None:
    class Greedy(Cryptlet):
        @method
        def take(self, ctx: Context, order: Order) -> Order:
            raise MemoryError

    with pytest.raises(LimitExceeded):
        run(Greedy, "take", {"count": 1})


def test_raw_bytes_arrive_as_they_are(bad: Loaded) -> None:
    assert bad.invoke("size", b"\xff\0{", context()) == b'{"size":3,"text":""}'


def test_the_context_arrives(bad: Loaded) -> None:
    first = bad.invoke("tell", b"{}", context("a", as_of=0, state_version=4))
    assert first == bad.invoke("tell", b"{}", context("a", as_of=0, state_version=4))
    assert first != bad.invoke("tell", b"{}", context("b", as_of=0, state_version=4))
    assert b'"size":4' in first
    assert b"1970-01-01T00:00:00+00:00" in first


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:count0123e+-. ', max_size=40).map(str.encode))
def test_any_bytes_give_a_result_or_malformed(data: bytes) -> None:
    try:
        output = SHOP.invoke("wear", data, context())
    except Malformed:
        return
    assert canonical.decode_object(output)["count"] == 0


def test_a_test_reads_its_result_back_typed() -> None:
    assert run(Shop, "wear", Order(count=1), output=Order) == Order(count=0)
    assert run(Shop, "add", b'{"count":4}') == {"for": "", "total": "4"}
    with pytest.raises(Malformed, match="no taste"):
        run(Picky, "f", b"x")


class Picky(Cryptlet):
    @method
    def f(self, ctx: Context, data: bytes) -> Order:
        raise InvalidInput("no taste")


@pytest.mark.parametrize(
    ("source", "entry", "message"),
    [
        ("x = 1", "{}:Shop", "holds no such cryptlet - known: none"),
        ("from tests.unit.sdk.test_runner import Shop", "{}:Shpo", "did you mean 'Shop'"),
        ("Shop = 3", "{}:Shop", "no such cryptlet"),
        ("from fabric.sdk import Cryptlet", "{}:Cryptlet", "abstract base"),
        ("import missing_module", "{}:Shop", "ModuleNotFoundError: No module named 'missing_module' ("),
        ("1 +", "{}:Shop", "SyntaxError"),
        ("raise SystemExit(1)", "{}:Shop", "SystemExit: 1"),
        ("from fabric.sdk import Cryptlet\nclass A(Cryptlet): ...", "{}:A", "): it has no method"),
        ("", "{}", "expected 'module:Class'"),
        ("", "../{}:Shop", "expected 'module:Class'"),
        ("", "no_such_module:Shop", "No module named 'no_such_module'"),
    ],
)
def test_an_entry_that_cannot_be_loaded_says_why(
    source: str, entry: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"author_{abs(hash((source, entry)))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(AuthorError) as refusal:
        load(entry.format(name))
    assert message in str(refusal.value)


def test_the_sdk_is_light(run_python: Callable[[str], str]) -> None:
    heavy = "{'socket', 'asyncio', 'sqlite3', 'ssl', 'grpc', 'ray', 'web3', 'cryptography', 'subprocess'}"
    question = f"import sys, fabric.sdk, fabric.sdk.runner; print(sorted({heavy} & sys.modules.keys()))"
    assert run_python(question) == "[]"


@pytest.fixture
def run_python() -> Callable[[str], str]:
    def ask(question: str) -> str:
        done = subprocess.run([sys.executable, "-I", "-c", question], capture_output=True, check=True, text=True)
        return done.stdout.strip()

    return ask
