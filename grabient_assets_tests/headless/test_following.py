"""Who follows a run is seen as long as the process lives, and no longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from grabient_assets.headless.following import followers, following
from grabient_assets.settings import load_settings
from grabient_assets_tests.cli.running import environment

FOLLOW = """
import sys
from grabient_assets.headless.following import following
from grabient_assets.settings import load_settings
with following(load_settings()):
    print("follows", flush=True)
    sys.stdin.read()
"""


def test_a_process_is_seen_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    settings = load_settings(environment(tmp_path))
    assert followers(settings) == []
    command = [sys.executable, "-c", FOLLOW]
    with subprocess.Popen(
        command, env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"follows\n"
        with following(settings):
            found = followers(settings)
            assert {(one.pid, one.session) for one in found} == {(other.pid, other.pid), (os.getpid(), os.getsid(0))}
        assert [one.pid for one in followers(settings)] == [other.pid]
        other.kill()
        other.wait()
    assert followers(settings) == [], "its file is there, and its lock is gone"
    assert [path.name for path in (tmp_path / "following").iterdir()] == [f"{other.pid}.json"]
    with following(settings):
        assert [path.name for path in (tmp_path / "following").iterdir()] == [f"{os.getpid()}.json"]


def test_a_folder_that_takes_no_file_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "following").write_text("", encoding="utf-8")
    settings = load_settings(environment(tmp_path))
    with following(settings):
        assert followers(settings) == []
