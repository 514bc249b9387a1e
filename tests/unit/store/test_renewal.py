"""A proof carries the attestation result that was valid when the ledger took the batch, not simply the newest."""

from functools import partial

import pytest

from fabric.store.attestations import attestation_at
from fabric.store.store import Store
from tests.support.batches import ENCLAVE, NOW, attest, destination

HOUR = 3_600
FIRST = attest([destination().id], start=NOW, seconds=4 * HOUR)
RENEWED = attest([destination().id], start=NOW + 3 * HOUR, seconds=4 * HOUR)
CASES = {
    "before the renewal": (NOW + HOUR, FIRST),
    "while both hold": (NOW + 3 * HOUR, RENEWED),
    "after the first has ended": (NOW + 5 * HOUR, RENEWED),
    "not anchored yet": (None, RENEWED),
    "when none held": (NOW + 100 * HOUR, RENEWED),
}


@pytest.mark.parametrize("name", CASES)
async def test_the_result_of_the_anchors_time_is_taken(store: Store, name: str) -> None:
    time, expected = CASES[name]
    for item in (FIRST, RENEWED):
        await store.attest(item, [destination().id])
    found = await store._database.read(partial(attestation_at, key_id=ENCLAVE.public.id, time=time))
    assert found == expected
