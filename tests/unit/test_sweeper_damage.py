"""The sweeper and damage: an organisation that cannot be swept keeps no other from being swept, and is named."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from creditgate_server.jobs.sweeper import Sweeper
from creditgate_server.metrics import Metrics
from creditgate_server.store.errors import ReplyError, StoreUnreachable
from creditgate_server.store.ledger import Due


class DamagedLedger:
    """A ledger of two partitions with three organisations, each due; sweeping the first of them fails so."""

    partitions = 2

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.swept: list[str] = []

    async def due(self, partition: int, _count: int) -> Due:
        return Due((("damaged", "neighbour"), ("elsewhere",))[partition], 1_500, open_holds=1)

    async def sweep(self, root_id: str, _count: int) -> tuple[int, bool]:
        if root_id == "damaged":
            raise self.failure
        self.swept.append(root_id)
        return 1, False


async def test_one_damaged_organisation_keeps_no_other_from_being_swept() -> None:
    metrics, ledger = Metrics(), DamagedLedger(ReplyError("ERR", "Bad data format"))
    with capture_logs() as lines:
        await Sweeper(ledger, metrics, 1).sweep_all()
    assert ledger.swept == ["neighbour", "elsewhere"]
    assert [(line["event"], line["log_level"], line["organisation"]) for line in lines] == [
        ("sweep_failed", "error", "damaged")
    ]
    shown = generate_latest(metrics.registry).decode()
    for said in ("sweep_failures_total 1.0", "swept_total 2.0", "sweeper_lag_seconds 1.5", "open_holds 2.0"):
        assert f"creditgate_{said}\n" in shown


async def test_a_store_that_is_away_ends_the_turn() -> None:
    ledger = DamagedLedger(StoreUnreachable("redis://host", "it is away"))
    with pytest.raises(StoreUnreachable):
        await Sweeper(ledger, Metrics(), 1).sweep_all()
    assert ledger.swept == []
