"""A cryptlet that behaves."""

# ruff: noqa: ARG002, ICN001, S311, TID251

import datetime
import random
import statistics
import time
import uuid

from pydantic import BaseModel

from fabric.sdk import Context, Cryptlet, method

seen: list[int] = []


class Number(BaseModel):
    n: int


class Text(BaseModel):
    text: str


class Plain(Cryptlet):
    @method
    def double(self, ctx: Context, number: Number) -> Number:
        return Number(n=number.n * 2)

    @method
    def count(self, ctx: Context, data: bytes) -> Number:
        return Number(n=len(data))

    @method
    def average(self, ctx: Context, data: bytes) -> Text:
        return Text(text=str(statistics.mean(data)))

    @method
    def look(self, ctx: Context, number: Number) -> Text:
        """Returns all time and entropy that honest code might ask the machine for."""
        parts = (ctx.as_of, ctx.entropy(4).hex(), ctx.random.random(), ctx.state_version, ctx.invocation.hex())
        machine = (time.time(), datetime.datetime.now(datetime.UTC), uuid.uuid4(), random.random(), hash("text"))
        return Text(text=f"{parts} {machine} {list({'a', 'b', 'c', 'd'})}")

    @method
    def remember(self, ctx: Context, number: Number) -> Number:
        """Returns how many calls this container has seen: what no cryptlet should do."""
        seen.append(number.n)
        return Number(n=len(seen))
