"""The hits of every way of computing are those of brute force."""

from __future__ import annotations

import math

import duckdb
import numpy
import pytest

from grabient_assets.vectors.exact import best_in_sql, nearest

COUNT, DIMENSIONS, QUERIES = 2_000, 48, 50


@pytest.fixture(scope="module")
def stored() -> tuple[list[str], numpy.ndarray]:
    """Unit vectors of which every fortieth stands five times, so that there are ties."""
    dice = numpy.random.default_rng(20261130)
    rows = dice.normal(size=(COUNT, DIMENSIONS))
    for start in range(0, COUNT, 40):
        rows[start : start + 5] = rows[start]
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    return [f"id{number * 7919 % COUNT:04d}" for number in range(COUNT)], rows.astype(numpy.float32)


def queries(rows: numpy.ndarray) -> numpy.ndarray:
    """Half of them are stored vectors: their ties come first."""
    dice = numpy.random.default_rng(7)
    found = dice.normal(size=(QUERIES, DIMENSIONS))
    found[::2] = rows[:: COUNT // QUERIES][: QUERIES // 2]
    return (found / numpy.linalg.norm(found, axis=1, keepdims=True)).astype(numpy.float32)


def brute_force(ids: list[str], rows: numpy.ndarray, query: numpy.ndarray, limit: int) -> list[tuple[str, float]]:
    scores = [round(math.fsum(float(a) * float(b) for a, b in zip(row, query, strict=True)), 6) for row in rows]
    return sorted(zip(ids, scores, strict=True), key=lambda one: (-one[1], one[0]))[:limit]


def test_in_memory_and_in_sql_the_hits_are_those_of_brute_force(stored: tuple[list[str], numpy.ndarray]) -> None:
    ids, rows = stored
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE v (content_sha256 VARCHAR, vector FLOAT[])")
        entries = "SELECT content_sha256 AS vector_id, content_sha256 FROM v"
        connection.executemany(
            "INSERT INTO v VALUES (?, ?)", [(i, row.tolist()) for i, row in zip(ids, rows, strict=True)]
        )
        for number, query in enumerate(queries(rows)):
            limit = (1, 3, 10, 25)[number % 4]
            wanted = brute_force(ids, rows, query, limit)
            found = [(one.vector_id, one.score) for one in nearest(rows, ids, query, limit)]
            assert found == wanted, number
            parameters = {"query": query.tolist(), "limit": limit}
            by_sql = connection.execute(best_in_sql(entries, "FROM v", DIMENSIONS), parameters).fetchall()
            assert by_sql == wanted, number


def test_among_some_rows(stored: tuple[list[str], numpy.ndarray]) -> None:
    ids, rows = stored
    among = numpy.zeros(COUNT, dtype=bool)
    among[100:140] = True
    found = nearest(rows, ids, rows[5], 10, among)
    assert [one.vector_id for one in found] == [i for i, _ in brute_force(ids[100:140], rows[100:140], rows[5], 10)]
    assert nearest(rows, ids, rows[5], 10, numpy.zeros(COUNT, dtype=bool)) == []


def test_more_than_there_are(stored: tuple[list[str], numpy.ndarray]) -> None:
    ids, rows = stored
    assert len(nearest(rows[:3], ids[:3], rows[0], 10)) == 3


def test_a_query_of_other_dimensions(stored: tuple[list[str], numpy.ndarray]) -> None:
    ids, rows = stored
    with pytest.raises(ValueError, match="mismatch"):
        nearest(rows, ids, rows[0][:7], 10)
