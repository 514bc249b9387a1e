"""The suite that every adapter runs against a real ledger; the only place of the platform that imports pytest.

An adapter's test module gives a fixture ``harness`` and one class::

    class TestMyLedger(LedgerSuite):
        pass
"""

import pytest

pytest.register_assert_rewrite("fabric.ledger.conformance.suite", "fabric.ledger.conformance.requests")
