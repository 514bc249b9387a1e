"""The values that flow between the rooms; each arrow of the pipeline is one of them, frozen."""

from dataclasses import dataclass

from fabric.core.ids import Account, BindingVersion, InvocationId


@dataclass(frozen=True, slots=True)
class Invocation:
    """An admitted request; everything that decides its result is fixed here, before it runs.

    Attributes:
        id: its id, see ``fabric.core.ids``.
        caller: who asked, as one word; of an event-born invocation, the requesting account.
        binding: version of the binding it runs under.
        method: name of the cryptlet's method.
        input: the exact input bytes: canonical JSON, or a raw file where the method takes one.
        as_of: the invocation's time, Unix seconds.
        state_version: version of the contract's state it answers to; 0 where there is none.
        deadline_ms: longest run time in milliseconds.
    """

    id: InvocationId
    caller: Account
    binding: BindingVersion
    method: str
    input: bytes
    as_of: int
    state_version: int = 0
    deadline_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an invocation has no output.

    The stable ``code`` of a ``FabricError`` and a message for people.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one invocation: canonical output bytes, or a failure; exactly one of them.

    Attributes:
        invocation: the invocation's id.
        output: canonical JSON, None on failure.
        failure: None on success.
    """

    invocation: InvocationId
    output: bytes | None
    failure: Failure | None = None
