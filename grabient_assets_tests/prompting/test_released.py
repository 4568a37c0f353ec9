"""What is released is frozen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grabient_assets.errors import PromptError
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.headless.prompt_families import FAMILIES, load_prompts
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.prompting.released import load_released, release
from grabient_assets.settings import SHIPPED_PROMPTS

SHIPPED = {
    "v1": {
        "tagging": "d694ff08030c301d1a663542a7a92cce2a356eaf795e3d6f1681fb0ac8f8c014",
        "refinement": "478ebfc1a127b3aff11ed45603a129a355fd644c2497220629ead5e0c2303253",
    },
    "v2": {
        "tagging": "a7e8a05bf1c2a802a1274ddb0ae26b14a412e6c25f4d635f8df5ceeb3a6a7e18",
        "refinement": "d02990d4ad2dae13e523739c9bafdb4d5d6f2890d288263d4372075a73e40aa4",
    },
}
OF_FAMILIES = {
    "chorus": {"v1": {"statement": "72d473bffee42f0599b9d3eeefb6ac0da882a759b7642650ba95bb13d8cfd728"}},
    "edits": {
        "v1": {
            "subject": "097647f576a60b08f786872fcd8116ff0eae49a903cda902a5d257dff7db5248",
            "text": "7602fc26cc100a2a133ea5a966b46c6023ad3386064017c21437227022ca140c",
            "prompt": "8bd3fe9af575c7a83d4ba254444375f488ab80d1186a80533bdd49fdd58cbd91",
        }
    },
    "knowledge": {"v1": {"extraction": "161a4563fc42f30ecfd250f71beb641835f10cbc0ea65a7f059942300e66c424"}},
}
WAY_OUT = "A released prompt was changed: take the change back, and make it in a new version (docs/how-to)."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED_PROMPTS, tmp_path / "prompts"))


def test_no_released_prompt_has_changed() -> None:
    """The digests stand here a second time, so that an edit of released.toml does not go unseen. Append only."""
    released = load_released(SHIPPED_PROMPTS)
    assert {version: dict(digests) for version, digests in released.items()} == SHIPPED, WAY_OUT
    for version, digests in SHIPPED.items():
        prompts = load_palette_prompts(version)
        assert {"tagging": prompts["tagging"].digest, "refinement": prompts["refinement"].digest} == digests, WAY_OUT


@pytest.mark.parametrize("family", FAMILIES)
def test_no_released_prompt_of_a_family_has_changed(family: str) -> None:
    released = load_released(SHIPPED_PROMPTS / family)
    assert {version: dict(digests) for version, digests in released.items()} == OF_FAMILIES[family], WAY_OUT
    for version, digests in OF_FAMILIES[family].items():
        found = load_prompts(family, version)
        assert {purpose: prompt.digest for purpose, prompt in found.prompts.items()} == digests, WAY_OUT


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tagging.md", "You tag colour", "You label colour"),
        ("tagging.md", "temperature: 0.7", "temperature: 0.8"),
        ("refinement.md", '30 to 50 words"', '40 words"'),
    ],
)
def test_an_edited_release_is_refused_with_the_way_out(root: Path, file: str, old: str, new: str) -> None:
    path = root / "v1" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PromptError) as caught:
        load_palette_prompts("v1", root)
    assert str(caught.value) == (
        f"prompts/v1/{file} is released, and what it says to the models (text, word lists, schema or parameters) has "
        f"changed since. Restore it (git checkout prompts/v1/{file}); for another wording copy prompts/v1 to a new "
        "version and edit that."
    )


def test_the_message_of_a_release_may_be_mended(root: Path) -> None:
    path = root / "v1" / "tagging.md"
    path.write_text(path.read_text(encoding="utf-8").replace("First wording", "The first wording"), encoding="utf-8")
    assert load_palette_prompts("v1", root).released


def test_a_new_version_is_a_draft_until_it_is_released(root: Path) -> None:
    shutil.copytree(root / "v1", root / "v2.1")
    draft = load_palette_prompts("v2.1", root)
    assert not draft.released and load_prompt_versions(root) == ("v1", "v2", "v2.1")
    refuse_draft(draft, "emulator")
    with pytest.raises(PromptError) as caught:
        refuse_draft(draft, "live")
    assert str(caught.value) == (
        "Prompt version v2.1 is a draft, and drafts run only against the emulator. Release it first: "
        "`grabient prompts release v2.1`. From then on it cannot be changed."
    )
    before = (root / "released.toml").read_text(encoding="utf-8")
    release(root, draft)
    released = load_palette_prompts("v2.1", root)
    assert released.released
    refuse_draft(released, "live")
    assert (root / "released.toml").read_text(encoding="utf-8").startswith(before)
    assert load_released(root)["v2.1"] == {"tagging": draft["tagging"].digest, "refinement": draft["refinement"].digest}
    with pytest.raises(PromptError, match=r"Prompt version v2\.1 is released already"):
        release(root, released)


def test_without_the_file_everything_is_a_draft_and_the_first_release_makes_it(root: Path) -> None:
    (root / "released.toml").unlink()
    draft = load_palette_prompts("v1", root)
    assert not draft.released
    release(root, draft)
    assert load_palette_prompts("v1", root).released and not load_palette_prompts("v2", root).released
    release(root, load_palette_prompts("v2", root))
    assert (root / "released.toml").read_bytes() == (SHIPPED_PROMPTS / "released.toml").read_bytes()
    assert sorted(path.name for path in root.iterdir()) == ["chorus", "edits", "knowledge", "released.toml", "v1", "v2"]


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("v1 = ", "prompts/released.toml cannot be read"),
        ("[v1]\n[v1]", "prompts/released.toml cannot be read"),
        ("v1 = 3", "'v1' must hold the digests of tagging and refinement, and nothing else"),
        (f"[v1]\ntagging = '{DIGEST}'", "'v1' must hold the digests of tagging and refinement"),
        (f"[v1]\ntagging = '{DIGEST}'\nrefinement = '{DIGEST}'\nsearch = '{DIGEST}'", "and nothing else"),
        (f"[v1]\ntagging = 'abc'\nrefinement = '{DIGEST}'", "the tagging digest of 'v1' is not 64 hexadecimal digits"),
        (f"[v7]\ntagging = '{DIGEST}'\nrefinement = '{DIGEST}'", "names 'v7', but there is no folder prompts/v7"),
    ],
)
def test_what_is_wrong_with_the_list_is_said_in_a_sentence(root: Path, text: str, sentence: str) -> None:
    (root / "released.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PromptError) as caught:
        load_palette_prompts("v1", root)
    assert sentence in str(caught.value) and str(caught.value).endswith(".")


def test_a_list_that_is_no_text(root: Path) -> None:
    (root / "released.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PromptError, match=r"prompts/released\.toml cannot be read"):
        load_palette_prompts("v1", root)
