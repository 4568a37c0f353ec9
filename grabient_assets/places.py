"""Where the project's own files lie: beside the package in a checkout, within it once it is installed.

setup.py puts `prompts/`, `dagster.yaml` and `workspace.yaml` into the wheel, as the folder `shipped` of the package.
"""

from __future__ import annotations

from pathlib import Path

from grabient_assets.errors import SettingsError

_PACKAGE = Path(__file__).resolve().parent
PROJECT_DIR = _PACKAGE.parent
"""The checkout. Of an installed package it is the folder of all packages, where nothing of ours lies."""
INSTALLED = (_PACKAGE / "shipped").is_dir()
"""Whether this was installed from a wheel. `pip install -e` leaves everything in the checkout."""
SHIPPED_DIR = _PACKAGE / "shipped" if INSTALLED else PROJECT_DIR
"""Holds `prompts/`, `dagster.yaml` and `workspace.yaml`. Only a checkout's prompts may be added to."""
SHIPPED_PROMPTS = SHIPPED_DIR / "prompts"


def project_dir() -> Path:
    """Where `.env` is read and relative folders begin: the checkout; for an installed package the current folder.

    Raises SettingsError when the current folder is needed and has been removed.
    """
    if not INSTALLED:
        return PROJECT_DIR
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SettingsError(
            "The current folder was removed, and settings and data are looked for there. Change to another folder (cd)."
        ) from None
