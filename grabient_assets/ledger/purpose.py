"""What a purpose is: one record for each kind of question that is asked of models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Purpose:
    """A kind of question: its name, and as SQL where the identities of its requests come from.

    `keys` is a relation (subject, subject_key) of everything that can be asked about. What the requests show besides
    stands in the table `rests_on`; `bases` is a relation (subject, prompt_version, basis) of its digests.
    """

    name: str
    keys: str
    rests_on: str | None = None
    bases: str | None = None
