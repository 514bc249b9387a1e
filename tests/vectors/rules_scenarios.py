"""The scenarios of tests/vectors/rules.json, written once; ``gen_rules.py`` runs and writes them.

Times are offsets in seconds from a start that whoever runs a scenario chooses. ``expect`` is ``ok``, ``no-op``, a code,
or a code by scheme where a recovered signer and a claimed one cannot fail alike. The vocabulary of the steps is that of
``tests/support/rules_builder.py``; docs/spec/rules.md says what each means.
"""

from typing import Any, Final

from fabric.trust.schemes import ED25519, EIP712

Scenario = dict[str, Any]

APPRAISERS: Final = ["appraiser-0", "appraiser-1", "appraiser-2"]
QUORUM: Final = ["appraiser-0", "appraiser-2"]


def register(at: int, expect: object = "ok", **changes: object) -> Scenario:
    step: Scenario = {
        "op": "register",
        "at": at,
        "keys": "enclave-0",
        "epoch": 1,
        "not_before": 0,
        "not_after": 1000,
        "destinations": ["own", "elsewhere"],
        "signers": QUORUM,
        "expect": expect,
    }
    return step | changes


def status(at: int, state: str, expect: object = "ok", **changes: object) -> Scenario:
    step: Scenario = {
        "op": "set_key_status",
        "at": at,
        "keys": "enclave-0",
        "state": state,
        "deadline": None,
        "signers": QUORUM,
        "expect": expect,
    }
    return step | changes


def revoke_code(at: int, since: int | None, expect: object = "ok", **changes: object) -> Scenario:
    step: Scenario = {
        "op": "revoke_code",
        "at": at,
        "code": "cryptlet measurement",
        "since": since,
        "signers": QUORUM,
        "expect": expect,
    }
    return step | changes


def settle(at: int, batch: str, expect: object = "ok", **changes: object) -> Scenario:
    step: Scenario = {"op": "settle", "at": at, "batch": batch, "by": "enclave-0", "expect": expect}
    return step | changes


def consume(at: int, batch: str, index: int, expect: object = "ok", **changes: object) -> Scenario:
    step: Scenario = {"op": "consume", "at": at, "sender": "alice", "batch": batch, "index": index, "expect": expect}
    return step | changes


def verify(at: int, batch: str, index: int, *, expect: bool, **changes: object) -> Scenario:
    step: Scenario = {"op": "verify", "at": at, "batch": batch, "index": index, "expect": expect}
    return step | changes


def request(at: int, sender: str, index: int, nonce: int, **changes: object) -> Scenario:
    step: Scenario = {
        "op": "request",
        "at": at,
        "sender": sender,
        "method": "judge",
        "input": "one",
        "binding": "one",
        "state_version": 0,
        "index": index,
        "nonce": nonce,
        "expect": "ok",
    }
    return step | changes


def batch(*names: str, epoch: int = 1, **changes: object) -> Scenario:
    made: Scenario = {"epoch": epoch, "records": [{"name": name} for name in names]}
    return made | changes


def scenario(name: str, steps: list[Scenario], batches: Scenario | None = None, **changes: object) -> Scenario:
    base: Scenario = {"name": name, "appraisers": APPRAISERS, "threshold": 2, "batches": batches or {}, "steps": steps}
    return base | changes


ENCLAVES: Final = [
    scenario(
        "registration",
        [
            register(0),
            register(1, "no-op"),
            register(2, "no-op", not_after=900, epoch=2),
            register(3, "no-op", epoch=2),
            register(4, not_after=1001, epoch=2, assurance="HARDWARE"),
            register(5, "no-op"),
            register(6, keys="enclave-1", signers=APPRAISERS),
            register(7, keys="enclave-2", assurance="SIMULATED", destinations=["own"]),
        ],
    ),
    scenario(
        "registration: a repeat needs no signature and outlives the result",
        [register(0), register(2000, "no-op", signers=[]), register(2001, "AttestationExpired", not_after=1001)],
    ),
    scenario(
        "registration: quorum",
        [
            register(0, "QuorumMissing", signers=["appraiser-0"]),
            register(0, "QuorumMissing", signers=[]),
            register(0, "QuorumMissing", signers=["appraiser-0", "stranger"]),
            register(0, "BadOrder", signers=["appraiser-0", "appraiser-0"]),
            register(0, "BadOrder", order="descending"),
            register(0, "BadSignature", spoil="unusable"),
            register(
                0,
                {ED25519: "BadSignature", EIP712: "QuorumMissing"},
                signers=["appraiser-0"],
                spoil="other-message",
            ),
            register(0, signers=["stranger", *QUORUM]),
        ],
    ),
    scenario(
        "registration: threshold of one",
        [
            register(0, "QuorumMissing", signers=["stranger"]),
            register(0, signers=["appraiser-1"]),
        ],
        threshold=1,
    ),
    scenario(
        "registration: destinations",
        [
            register(0, "WrongDestination", destinations=["elsewhere"]),
            register(0, "WrongDestination", destinations=["own"], committed=["elsewhere"]),
            register(0, "WrongDestination", destinations=["own", "own"]),
            register(0, "WrongDestination", destinations=[]),
        ],
    ),
    scenario(
        "registration: validity includes both ends",
        [
            register(0, "NotYetValid", not_before=5),
            register(4, "NotYetValid", not_before=5),
            register(5, not_before=5, not_after=8),
            register(9, "AttestationExpired", not_before=5, not_after=8, keys="enclave-1"),
            register(10, keys="enclave-1", not_before=5, not_after=10),
        ],
    ),
    scenario(
        "key status",
        [
            status(0, "REVOKED", "UnknownKey"),
            register(0),
            status(1, "RETIRED", "QuorumMissing", deadline=100, signers=["appraiser-1"]),
            status(1, "RETIRED", "BadOrder", deadline=100, order="descending"),
            status(1, "RETIRED", "BadSignature", deadline=100, spoil="unusable"),
            status(2, "RETIRED", deadline=100),
            status(3, "RETIRED", "no-op", deadline=100),
            status(3, "RETIRED", "no-op", deadline=100, signers=[]),
            status(4, "RETIRED", "BadTransition", deadline=200),
            register(5, "KeyRevoked", not_after=2000),
            register(6, "no-op"),
            status(7, "REVOKED"),
            status(8, "REVOKED", "no-op"),
            status(9, "RETIRED", "BadTransition", deadline=100),
            register(10, "KeyRevoked", not_after=3000),
            register(11, "no-op"),
        ],
    ),
    scenario("key status: active to revoked", [register(0), status(1, "REVOKED"), register(2, "KeyRevoked", epoch=2)]),
]

SETTLEMENT: Final = [
    scenario(
        "settlement",
        [
            register(0),
            settle(1, "three"),
            settle(2, "three", "no-op"),
            settle(2, "three", "no-op", by="stranger"),
            settle(2, "three", "no-op", spoil="unusable"),
            settle(3, "one"),
            register(4, keys="enclave-1", epoch=7),
            settle(5, "seventh-epoch", by="enclave-1"),
            settle(6, "largest"),
        ],
        {
            "three": batch("a", "b", "c"),
            "one": batch("d"),
            "seventh-epoch": batch("e", epoch=7),
            "largest": batch("f", count=1024),
        },
    ),
    scenario(
        "settlement: refusals",
        [
            settle(0, "good", "UnknownKey"),
            register(0),
            settle(1, "good", "UnknownKey", by="enclave-1"),
            settle(1, "good", "BadSignature", spoil="unusable"),
            settle(1, "good", {ED25519: "BadSignature", EIP712: "UnknownKey"}, spoil="other-message"),
            settle(1, "elsewhere", "WrongDestination"),
            settle(1, "other-epoch", "WrongEpoch"),
            settle(1, "empty", "BadCount"),
            settle(1, "too-many", "BadCount"),
            settle(2, "good"),
        ],
        {
            "good": batch("a", "b"),
            "elsewhere": batch("a", "b", destination="elsewhere"),
            "other-epoch": batch("a", "b", epoch=2),
            "empty": batch("a", count=0),
            "too-many": batch("a", count=1025),
        },
    ),
    scenario(
        "settlement: validity",
        [
            register(0, not_before=0, not_after=10),
            settle(10, "one"),
            settle(11, "two", "AttestationExpired"),
            register(12, not_before=20, not_after=40, expect="NotYetValid"),
            register(20, not_before=20, not_after=40),
            settle(21, "two"),
            settle(41, "two", "no-op"),
        ],
        {"one": batch("a"), "two": batch("b")},
    ),
    scenario(
        "settlement: a retired key settles until its deadline",
        [
            register(0, not_after=60),
            status(1, "RETIRED", deadline=50),
            settle(50, "one"),
            settle(51, "two", "KeyRetired"),
            settle(52, "one", "no-op"),
            settle(61, "two", "AttestationExpired"),
            status(62, "REVOKED"),
            settle(63, "two", "KeyRevoked"),
        ],
        {"one": batch("a"), "two": batch("b")},
    ),
    scenario(
        "settlement: a revoked key settles nothing more, what it settled stays",
        [
            register(0),
            settle(1, "one"),
            status(2, "REVOKED"),
            settle(3, "two", "KeyRevoked"),
            settle(3, "one", "no-op"),
            verify(3, "one", 0, expect=True),
            consume(4, "one", 0),
        ],
        {"one": batch("a"), "two": batch("b")},
    ),
    scenario(
        "settlement: an epoch ends with its result",
        [
            register(0),
            settle(1, "old"),
            register(2, not_after=2000, epoch=2),
            settle(3, "late", "WrongEpoch"),
            settle(3, "old", "no-op"),
            settle(3, "new"),
        ],
        {"old": batch("a"), "late": batch("b"), "new": batch("c", epoch=2)},
    ),
]

_RECORDS: Final = [
    {"name": "a"},
    {"name": "b", "recipient": "bob", "state_version": 3},
    {"name": "c", "recipient": "nobody"},
    {"name": "d", "not_after": 10},
    {"name": "e", "intent": "wrong"},
    {"name": "f", "destination": "elsewhere"},
    {"name": "g", "invocation": "a"},
]
_MIXED: Final = {"epoch": 1, "records": _RECORDS}

CONSUMPTION: Final = [
    scenario(
        "consumption",
        [
            register(0),
            consume(0, "mixed", 0, "NotSettled"),
            settle(1, "mixed"),
            consume(2, "mixed", 0),
            consume(3, "mixed", 0, "IntentSpent"),
            consume(3, "mixed", 6, "IntentSpent"),
            consume(4, "mixed", 1, sender="bob"),
            consume(5, "mixed", 2, "WrongRecipient"),
            consume(6, "mixed", 4, "WrongIntent"),
            consume(7, "mixed", 5, "WrongDestination"),
            consume(10, "mixed", 3),
            consume(11, "mixed", 3, "RecordExpired"),
            settle(12, "again"),
            consume(13, "again", 0, "IntentSpent"),
        ],
        {"mixed": _MIXED, "again": batch("a", "z")},
    ),
    scenario(
        "consumption: refusals spend nothing",
        [
            register(0),
            settle(1, "mixed"),
            settle(1, "other"),
            consume(2, "mixed", 0, "WrongRecipient", sender="bob"),
            consume(2, "mixed", 0, "NotIncluded", spoil="path"),
            consume(2, "mixed", 0, "NotIncluded", spoil="path-too-short"),
            consume(2, "mixed", 0, "NotIncluded", spoil="path-too-long"),
            consume(2, "mixed", 0, "NotIncluded", spoil="record"),
            consume(2, "mixed", 0, "NotIncluded", as_index=1),
            consume(2, "mixed", 0, "NotIncluded", as_index=7),
            consume(2, "mixed", 0, "NotIncluded", as_index=8),
            consume(2, "mixed", 0, "NotIncluded", as_batch="other"),
            consume(2, "mixed", 0, "NotSettled", as_batch="unsettled"),
            consume(11, "mixed", 3, "RecordExpired"),
            consume(12, "mixed", 0),
        ],
        {"mixed": _MIXED, "other": batch("x", "y"), "unsettled": batch("z")},
    ),
    *(
        scenario(
            f"consumption: every record of a batch of {size}",
            [register(0), settle(1, "all"), *(consume(2, "all", index) for index in range(size))],
            {"all": batch(*(f"r{index}" for index in range(size)))},
        )
        for size in (1, 2, 3, 4, 5, 7, 8)
    ),
    scenario(
        "verification",
        [
            register(0),
            verify(0, "mixed", 0, expect=False),
            settle(1, "mixed"),
            settle(1, "other"),
            *(verify(2, "mixed", index, expect=True) for index in (0, 1, 2, 3, 4, 6)),
            verify(2, "mixed", 5, expect=False),
            verify(2, "mixed", 0, expect=False, spoil="path"),
            verify(2, "mixed", 0, expect=False, spoil="record"),
            verify(2, "mixed", 0, expect=False, as_index=1),
            verify(2, "mixed", 0, expect=False, as_batch="other"),
            consume(3, "mixed", 0),
            verify(4, "mixed", 0, expect=True),
            verify(20_000, "mixed", 3, expect=True),
        ],
        {"mixed": _MIXED, "other": batch("x", "y")},
    ),
]

_TWO_BUNDLES: Final = {"epoch": 1, "records": [{"name": "a"}, {"name": "b", "code": "other"}, {"name": "c"}]}

REVOCATION: Final = [
    scenario(
        "code revocation: who may, and what changes nothing",
        [
            revoke_code(0, 10, "QuorumMissing", signers=[]),
            revoke_code(0, 10, "QuorumMissing", signers=["appraiser-1"]),
            revoke_code(0, 10, "QuorumMissing", signers=["appraiser-0", "stranger"]),
            revoke_code(0, 10, "BadOrder", order="descending"),
            revoke_code(0, 10, "BadOrder", signers=["appraiser-0", "appraiser-0"]),
            revoke_code(0, 10, "BadSignature", spoil="unusable"),
            revoke_code(
                0,
                10,
                {ED25519: "BadSignature", EIP712: "QuorumMissing"},
                signers=["appraiser-0"],
                spoil="other-message",
            ),
            revoke_code(1, 10, signers=["stranger", *QUORUM]),
            revoke_code(2, 10, "no-op"),
            revoke_code(2, 10, "no-op", signers=[]),
            revoke_code(2, 10, "no-op", spoil="unusable"),
            revoke_code(3, 11, "no-op"),
            revoke_code(3, 9, "QuorumMissing", signers=["appraiser-1"]),
            revoke_code(4, 9, signers=APPRAISERS),
            revoke_code(5, 10, "no-op"),
            revoke_code(6, None),
            revoke_code(7, 0, "no-op"),
            revoke_code(8, 10, code="other"),
            revoke_code(9, 20_000, code="never seen"),
        ],
    ),
    scenario(
        "code revocation: settled before stays good, settled since counts for nothing",
        [
            register(0),
            settle(9, "before"),
            settle(10, "at"),
            consume(11, "before", 0),
            revoke_code(12, 10),
            settle(13, "after"),
            settle(13, "at", "no-op"),
            consume(14, "before", 2),
            consume(14, "before", 0, "IntentSpent"),
            consume(14, "at", 0, "CodeRevoked"),
            consume(14, "after", 0, "CodeRevoked"),
            consume(14, "after", 1),
            consume(14, "after", 0, "NotIncluded", spoil="path"),
            consume(14, "never", 0, "NotSettled"),
            verify(14, "after", 0, expect=True),
            consume(15, "after", 0, "CodeRevoked"),
        ],
        {
            "before": _TWO_BUNDLES,
            "at": batch("d"),
            "after": {"epoch": 1, "records": [{"name": "e"}, {"name": "f", "code": "other"}]},
            "never": batch("g"),
        },
    ),
    scenario(
        "code revocation: the earliest time wins",
        [
            register(0),
            settle(10, "one"),
            revoke_code(11, 20),
            consume(12, "one", 0),
            revoke_code(13, 10),
            consume(14, "one", 1, "CodeRevoked"),
            revoke_code(15, 20, "no-op"),
            consume(16, "one", 1, "CodeRevoked"),
        ],
        {"one": batch("a", "b")},
    ),
    scenario(
        "code revocation: a time to come, and a spent intent of revoked code",
        [
            register(0),
            revoke_code(1, 100),
            settle(99, "in-time"),
            settle(100, "late"),
            consume(101, "in-time", 0),
            consume(101, "late", 0, "CodeRevoked"),
            consume(102, "in-time", 0, "IntentSpent"),
            revoke_code(103, None),
            consume(104, "in-time", 0, "CodeRevoked"),
            consume(104, "in-time", 1, "CodeRevoked"),
        ],
        {"in-time": batch("a", "b"), "late": batch("c")},
    ),
]

REQUESTS: Final = [
    scenario(
        "requests",
        [
            request(0, "alice", 0, 0),
            request(1, "alice", 1, 1),
            request(1, "bob", 2, 0, method="other", input="two", binding="two", state_version=5),
            request(2, "alice", 3, 2, state_version=1),
            request(3, "bob", 4, 1),
        ],
    ),
]

SCENARIOS: Final = [*ENCLAVES, *SETTLEMENT, *CONSUMPTION, *REVOCATION, *REQUESTS]
