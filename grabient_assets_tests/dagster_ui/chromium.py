"""A page of the UI as a browser builds it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile

import pytest

from grabient_assets_tests.hanging import HANGING_SECONDS

PATIENCE_MS = 20_000
"""How long the page may go on loading, in the browser's own time, which runs faster than ours while nothing moves."""

_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1500,1400"),
)


def page(url: str) -> str:
    """The document after its scripts have run. Skips the calling test where there is no Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium on this machine")
    with tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [found, *_QUIET, f"--user-data-dir={profile}", f"--virtual-time-budget={PATIENCE_MS}", "--dump-dom", url],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANGING_SECONDS,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pictures(document: str) -> set[str]:
    """The sources of all <img> elements."""
    return {html.unescape(source) for source in re.findall(r'<img[^>]*\ssrc="([^"]+)"', document)}


def words(document: str) -> str:
    """What the page says, without its markup."""
    return " ".join(html.unescape(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", document, flags=re.DOTALL)).split())
