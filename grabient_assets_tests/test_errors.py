"""The drawing at the top of errors.py is the tree of its classes."""

from __future__ import annotations

import re

from grabient_assets import errors
from grabient_assets.errors import GrabientError


def drawn() -> dict[str, str]:
    """Class -> base, as the docstring draws them: a level is four characters wide."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if node := re.match(r"([│ ]*)(?:[├└]── )(\w+)", line):
            depth = len(node[1]) // 4 + 1
            found[node[2]] = above[depth - 1]
            above[depth:] = [node[2]]
        elif line.startswith("GrabientError"):
            above = ["GrabientError"]
    return found


def defined() -> dict[str, str]:
    """The same of the classes themselves."""
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GrabientError)]
    return {one.__name__: one.__bases__[0].__name__ for one in classes if one is not GrabientError}


def test_the_drawing_shows_the_classes_as_they_are_defined() -> None:
    assert drawn() == defined()
