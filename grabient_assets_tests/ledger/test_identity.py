"""Every custom_id is made, and taken apart, in ledger/identity.py alone."""

from __future__ import annotations

import re

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.ledger.identity import MOST_ANALYSES, custom_id, digest_of_request, key_of, stem, stem_of
from grabient_assets.settings import PROJECT_DIR

KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)
"""A palette_key has 37 characters, a digest 24."""
DIGESTS = st.from_regex(r"[0-9a-f]{20}", fullmatch=True)
BASES = st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
ANALYSES = st.integers(0, MOST_ANALYSES - 1)


def parts(key: str, digest: str, basis: str | None, analysis: int) -> tuple[str, str, str, str]:
    """The stem and the custom_id of a request, and what is read out of the custom_id: stem and key."""
    whole = custom_id("stem", "$analysis")
    made = stem("$key", "$digest") if basis is None else stem("$key", "$digest", "$basis")
    row = duckdb.execute(
        f"SELECT stem, {whole}, {stem_of(whole)}, {key_of(whole)} FROM (SELECT {made} AS stem)",
        {"key": key, "digest": digest, "analysis": analysis, **({} if basis is None else {"basis": basis})},
    ).fetchone()
    assert row is not None
    return row


@settings(max_examples=60, deadline=None)
@given(KEYS, DIGESTS, BASES, ANALYSES)
def test_a_custom_id_keeps_to_the_providers_rule_and_can_be_taken_apart(
    key: str, digest: str, basis: str | None, analysis: int
) -> None:
    made, whole, read_stem, read_key = parts(key, digest, basis, analysis)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", whole)
    assert (read_stem, read_key) == (made, key)
    assert whole == f"{made}-{analysis:02}"
    assert (made == f"{key}-{digest}") is (basis is None)


@settings(max_examples=30, deadline=None)
@given(KEYS, DIGESTS, BASES, BASES)
def test_another_basis_is_another_request(key: str, digest: str, basis: str | None, other: str | None) -> None:
    same = parts(key, digest, basis, 0)[0] == parts(key, digest, other, 0)[0]
    assert same is (basis == other)


def test_while_the_basis_is_not_known_there_is_no_stem() -> None:
    made = stem("'key'", "'digest'", "NULL::VARCHAR")
    assert duckdb.execute(f"SELECT {made}").fetchone() == (None,)


def test_whatever_says_more_changes_the_digest() -> None:
    said = digest_of_request("tagging", "emulator", "openai", "gpt", "d")
    changed = {
        digest_of_request("refinement", "emulator", "openai", "gpt", "d"),
        digest_of_request("tagging", "live", "openai", "gpt", "d"),
        digest_of_request("tagging", "emulator", "groq", "gpt", "d"),
        digest_of_request("tagging", "emulator", "openai", "other", "d"),
        digest_of_request("tagging", "emulator", "openai", "gpt", "other"),
    }
    assert len(changed | {said}) == 6


def test_nobody_else_puts_a_custom_id_together() -> None:
    ways = re.compile(r"lpad\(|substr\(sha256\(|left\([\w.]*custom_id, -|palette_key \|\| '-'|stem \|\| '-'")
    package = PROJECT_DIR / "grabient_assets"
    users = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if ways.search(path.read_text())}
    assert users == {"ledger/due.py", "ledger/identity.py"}, "due.py digests stems, it makes no id of them"
