"""Batches that are older than they should be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.overdue import overdue
from grabient_assets.thresholds import BATCH_ENDS_WITHIN, CREATE_IS_CLEARED_UP_WITHIN
from grabient_assets_tests.ledger.house import START

WAITING = BatchRecord(
    batch_id="tagging-1",
    purpose="tagging",
    provider="google",
    model="gemini",
    prompt_version="v1",
    prompt_digest="d",
    status="submitted",
    request_count=20,
    bodies_sha256="",
    account="emulator",
    intended_at=START,
    submitted_at=START,
    provider_batch_id="batches/7",
)


def test_a_batch_may_take_as_long_as_it_is_promised() -> None:
    assert overdue(WAITING, START + BATCH_ENDS_WITHIN) is None
    late = overdue(WAITING, START + timedelta(hours=31))
    assert late is not None
    assert "tagging-1 (google gemini, 20 requests) has been with the provider for 31 hours" in late
    assert "batches/7" in late and "`grabient cancel tagging-1`" in late


def test_an_intent_is_cleared_up_sooner() -> None:
    intent = replace(WAITING, status="intended", submitted_at=None, provider_batch_id=None, error="It is full.")
    assert overdue(intent, START + CREATE_IS_CLEARED_UP_WITHIN) is None
    late = overdue(intent, START + timedelta(hours=2))
    assert late is not None and "was sent 2 hours ago" in late and "Last trouble: It is full." in late


@pytest.mark.parametrize("status", ["collected", "deferred", "refused"])
def test_what_is_closed_is_never_late(status: str) -> None:
    assert overdue(replace(WAITING, status=status), START + timedelta(days=9)) is None


def test_nothing_is_late_before_it_was_sent() -> None:
    assert overdue(WAITING, START - timedelta(days=9)) is None


def test_the_age_is_that_of_the_wall_clock() -> None:
    """The ledger's own time stays ahead when the clock was; a time that has not come yet is no age."""
    ahead = START + timedelta(days=30)
    intent = replace(WAITING, status="intended", submitted_at=None, intended_at=ahead, sent_after=START)
    assert "was sent 72 hours ago" in (overdue(intent, START + timedelta(days=3)) or "")
    seen = replace(intent, sent_after=ahead, missed_at=START)
    assert "was sent 72 hours ago" in (overdue(seen, START + timedelta(days=3)) or "")
