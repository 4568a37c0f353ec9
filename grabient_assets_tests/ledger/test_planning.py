"""Dividing requests into batches by their sizes alone gives the batches that sending makes."""

from __future__ import annotations

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.ledger.planning import Division, Lines, divide
from grabient_assets.ledger.submit import PreparedRequest, split
from grabient_assets.registry.model import BatchLimits


def lines(*groups: tuple[int, int]) -> Lines:
    """Groups of (requests, bytes of each line)."""
    return Lines(numpy.array([n for n, _ in groups], dtype=int), numpy.array([b for _, b in groups], dtype=int))


def test_by_hand():
    ten = lines((4, 9), (6, 9))  # ten lines of ten bytes with their ends
    assert divide(ten, BatchLimits(10, 100)) == Division(1)
    assert divide(ten, BatchLimits(4, 1000)) == Division(3, frozenset({"requests"}))
    assert divide(ten, BatchLimits(99, 99)) == Division(2, frozenset({"bytes"}))
    assert divide(lines((3, 9), (2, 99)), BatchLimits(3, 120)) == Division(3, frozenset({"requests", "bytes"}))
    assert divide(lines(), BatchLimits(1, 1)) == Division(0)
    assert divide(lines((2, 500)), BatchLimits(9, 100)) == Division(2, frozenset({"bytes"})), "one is too long: alone"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60)), max_size=12), st.integers(1, 9), st.integers(10, 200))
def test_as_many_as_sending_makes(groups: list[tuple[int, int]], most: int, size: int):
    prepared = [PreparedRequest("c", "s", 0, b"x" * length) for count, length in groups for _ in range(count)]
    limits = BatchLimits(most, size)
    assert divide(lines(*groups), limits).batches == len(list(split(prepared, limits)))
