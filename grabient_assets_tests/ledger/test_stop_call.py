"""The call that stops a batch may fail in every way; whether the provider has the batch only a poll says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from grabient_assets.errors import (
    BatchUnknownError,
    CredentialsError,
    ProviderBusyError,
    ProviderError,
    RequestRejectedError,
    ResultsError,
)
from grabient_assets_tests.ledger.giving_up import collect, fates, sent, stop
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

NOT_FOUND = BatchUnknownError("openai", "404 no such route. It has no such batch.")
REFUSALS = (
    NOT_FOUND,
    RequestRejectedError("openai", "405 Method Not Allowed."),
    CredentialsError("openai", "403 This key may only read."),
)


@dataclass
class Unwilling(ScriptedProvider):
    """The call to stop meets these, one after the other, and then counts. `afterwards`: where the batch stands after
    the first; an error is what every poll then says."""

    refusals: list[ProviderError] = field(default_factory=list)
    afterwards: str | ProviderError = "running"
    cancels: int = 0

    def cancel(self, provider_batch_id: str) -> None:
        self.cancels += 1
        if not self.refusals:
            super().cancel(provider_batch_id)
            self.end(provider_batch_id, [], "cancelled")
            return
        refusal = self.refusals.pop(0)
        self._then(provider_batch_id)
        raise refusal

    def _then(self, known: str) -> None:
        if isinstance(self.afterwards, ProviderError):
            error = self.afterwards

            def said(_: str) -> None:
                raise error

            self.before_poll = said
        elif self.afterwards == "ended":
            self.end(known)
        else:
            one = self.held[known]
            one.state = replace(one.state, state=self.afterwards)


def unwilling(house: House, *refusals: ProviderError, **more: Any) -> Unwilling:
    return Unwilling(clock=house.clock, refusals=list(refusals), **more)


WISH = "SELECT status, cancel_asked_at IS NOT NULL FROM batches"


@pytest.mark.parametrize("give_up", [False, True])
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: type(refusal).__name__)
def test_a_batch_that_runs_on_is_neither_closed_nor_wished_away(
    house: House, refusal: ProviderError, give_up: bool
) -> None:
    provider = unwilling(house, refusal)
    batch = sent(house, provider, "a")
    expected = RequestRejectedError if refusal is NOT_FOUND else type(refusal)
    with pytest.raises(expected) as met:
        stop(house, provider, batch.batch_id, give_up=give_up)
    if refusal is NOT_FOUND:
        said = f"openai answered 404 to the call that stops batch {batch.batch_id}, but it has the batch (in_progress)."
        assert said in str(met.value) and "--give-up" not in str(met.value)
    assert house.rows(WISH) == [("submitted", False)] and fates(house) == {"a": None}
    assert stop(house, provider, batch.batch_id).how == "stopped", "and it can be tried again"
    assert house.rows(WISH) == [("submitted", True)]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: type(refusal).__name__)
def test_a_batch_that_has_ended_in_between_loses_nothing(house: House, refusal: ProviderError) -> None:
    provider = unwilling(house, refusal, afterwards="ended")
    batch = sent(house, provider, "a")
    assert stop(house, provider, batch.batch_id, give_up=True).how == "ended"
    collect(house, provider, batch.batch_id)
    assert fates(house) == {"a": "succeeded"}


def test_what_is_gone_after_the_call_is_unknown_and_the_wish_stays(house: House) -> None:
    provider = unwilling(house, NOT_FOUND, afterwards=BatchUnknownError("openai", "Gone."))
    batch = sent(house, provider, "a")
    with pytest.raises(BatchUnknownError, match=r"Gone\."):
        stop(house, provider, batch.batch_id)
    assert house.rows(WISH) == [("submitted", True)]
    assert stop(house, provider, batch.batch_id, give_up=True).how == "given_up"


@pytest.mark.parametrize(
    "unclear", [ProviderBusyError("openai", "503."), ResultsError("openai", "That is not its API.")]
)
def test_a_call_of_which_nobody_knows_whether_it_counted_is_made_again(house: House, unclear: ProviderError) -> None:
    provider = unwilling(house, unclear, unclear)
    batch = sent(house, provider, "a")
    assert (stop(house, provider, batch.batch_id).how, provider.cancels) == ("stopped", 3)


def test_the_wish_is_not_noted_for_what_another_process_collects_in_that_moment(house: House) -> None:
    provider = unwilling(house)
    batch = sent(house, provider, "a")
    provider.end("openai-1")
    looks = []

    def collected_meanwhile(_: str) -> None:
        looks.append(house.clock())
        if len(looks) == 1:
            collect(house, provider, batch.batch_id)

    provider.before_poll = collected_meanwhile
    assert stop(house, provider, batch.batch_id).how == "ended"
    assert house.rows(WISH) == [("collected", False)]
