from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets.errors import PromptError
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.prompting.load import MAX_BYTES, load_prompt_versions

PROMPTS = Path(__file__).resolve().parents[2] / "prompts"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A prompt folder with the shipped v1 under the name v1, free to be changed."""
    folder = tmp_path / "prompts"
    (folder / "v1").mkdir(parents=True)
    for name in ("tagging.md", "refinement.md"):
        (folder / "v1" / name).write_bytes((PROMPTS / "v1" / name).read_bytes())
    return folder


def edit(root: Path, old: str, new: str, name: str = "tagging.md") -> None:
    path = root / "v1" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def refusal(root: Path, version: str = "v1") -> str:
    with pytest.raises(PromptError) as caught:
        load_palette_prompts(version, root)
    return str(caught.value)


def test_versions_stand_in_natural_order(root: Path) -> None:
    for name in ("v10", "v2", "2026-11", "v2.1", ".git", "_drafts"):
        (root / name).mkdir()
    (root / "README.md").write_text("not a version", encoding="utf-8")
    assert load_prompt_versions(root) == ("2026-11", "v1", "v2", "v2.1", "v10")


@pytest.mark.parametrize("name", ["V2", "v|2", "v,2", "a...b", "-v", "v 2", "x" * 32, "é"])
def test_a_folder_that_cannot_be_a_partition_key_is_named(root: Path, name: str) -> None:
    (root / name).mkdir()
    with pytest.raises(PromptError) as caught:
        load_prompt_versions(root)
    assert f"prompts/{name} cannot be a prompt version" in str(caught.value)


def test_longest_version_name(root: Path) -> None:
    (root / ("x" * 31)).mkdir()
    assert load_prompt_versions(root)[-1] == "x" * 31


def test_no_prompt_folder(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="There is no prompt folder at"):
        load_prompt_versions(tmp_path / "nowhere")


def test_unknown_version_names_those_that_exist(root: Path) -> None:
    (root / "v2").mkdir()
    assert refusal(root, "v3") == "There is no prompt version 'v3'; there is v1, v2."
    assert refusal(root, "../v1").startswith("There is no prompt version")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("---\npurpose", "purpose", "prompts/v1/tagging.md has no front matter: its first line must be '---'."),
        ("\n---\n", "\n", "prompts/v1/tagging.md has no end of its front matter: a second line '---' is missing."),
        ("purpose: tagging", "purpose: [tagging", "has front matter that is not valid YAML"),
        (
            "\noutput_schema:\n",
            '\noutput_schema:\n  description: "a \\ud800 b"\n',
            "has front matter with \\ud800, which is half a character and cannot be sent; write the whole one.",
        ),
        ("purpose: tagging", "purpose: &a tagging\nmodel: *a", "aliases (*name) are not allowed"),
        ("temperature: 0.7", "temperature: 0.7\n  temperature: 1", "the key 'temperature' appears twice"),
        ("purpose: tagging", "purpose: tagging\nmodel: x", "the front matter has the unknown key 'model'."),
        ("effort: low", "effort: low\n  top_k: 5", "the front matter has the unknown key 'parameters.top_k'."),
        ("purpose: tagging\n", "", "prompts/v1/tagging.md: the front matter lacks the key 'purpose'."),
        ("purpose: tagging", "purpose: refinement", "but a file of this name must say 'tagging'."),
        ("purpose: tagging", "purpose: poetry", "but a file of this name must say 'tagging'."),
        ("temperature: 0.7", "temperature: 3", "the key 'parameters.temperature' of the front matter is wrong"),
        ("temperature: 0.7", "temperature: .nan", "the key 'parameters.temperature' of the front matter is wrong"),
        ("effort: low", "effort: heroic", "the key 'parameters.effort' of the front matter is wrong"),
        ("message: First", 'message: "two\\nlines"  #', "the key 'message' of the front matter is wrong"),
        ("hue 0 to 360, sat", "hue $degrees, sat", "uses the unknown variable $degrees; known are $temperatures"),
        ("hue 0 to 360, sat", "hue 5 $ , sat", "holds a '$' that starts no variable name; write '$$'"),
        ("enum: $seasons", "enum: $months", "'enum: $months', which is neither a list nor one of"),
        ("enum: $seasons", "enum: [monsoon]", "allows 'monsoon' for 'seasonal', which the vocabulary lacks"),
        ("{type: string, enum: $contrasts}", "{type: string}", "must limit 'contrast' by an enum"),
        ("additionalProperties: false", "additionalProperties: true", "must say 'additionalProperties: false'"),
        ("mood: {type: array, items", "mood: {type: array, maxItems: 5, items", "uses 'maxItems', which not every"),
        ("mood: {type: array, items", "mood: {type: array, minItems: 2, items", "'minItems' above 1"),
        ("mood: {type: array, items", "moods: {type: array, items", "properties of output_schema lack mood"),
        ("harmony, mood, style,", "harmony, mood,", "'required' of output_schema lack style"),
        ("mood: {type: array, items: {type: string}", "mood: {type: string", "must give 'mood' the type array"),
        ("mood: {type: array, items: {type: string}", "mood: {type: array", "the items of 'mood' in output_schema"),
        ("message: First wording", "? [a, b]\n: 1\nmessage: First wording", "a key must be a word"),
        ("message: First wording", "message: |\n  One\n  and two #", "the key 'message' of the front matter is wrong"),
        ('ref: {type: string, description: "the ref of the message, copied"}',
         "ref: {type: string, description: 2026-01-01}", "a 'description' in output_schema is no text; put it in"),
        ("[ref, temperature,", "[ref, ref, temperature,", "'required' of output_schema name a field twice"),
        ("    [ref, temperature, contrast, brightness, saturation, dominant_colors, harmony, mood, style, seasonal, "
         "associations]", "    5", "'required' of output_schema must be a list of names"),
        ("enum: $seasons", "enum: [summer, summer]", "names a word twice for 'seasonal'"),
        ("temperature: 0.7", "temperature: hot", "the key 'parameters.temperature' of the front matter is wrong"),
        ("max_output_tokens: 4096", "max_output_tokens: 0", "the key 'parameters.max_output_tokens' of the front"),
        ("parameters:", "parameters: none\nold:", "the key 'parameters' of the front matter is wrong"),
        ("associations: {type: array, items: {type: string}", "associations: {type: array, items: {type: string, enum: "
         "[sea]}", "must not limit 'associations'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_in_a_sentence(root: Path, old: str, new: str, sentence: str) -> None:
    edit(root, old, new)
    message = refusal(root)
    assert sentence in message
    assert message.startswith("prompts/v1/tagging.md")
    assert message.endswith(".")


def test_the_word_lists_must_be_in_the_body(root: Path) -> None:
    edit(root, "only from this list:\n$harmony_words", "only sensible ones")
    assert refusal(root).startswith("prompts/v1/tagging.md must use the variable $harmony_words in its body")


def test_refinement_needs_only_the_colour_names(root: Path) -> None:
    edit(root, "$seasons, only when", "the seasons, only when", "refinement.md")
    assert "the seasons, only when" in load_palette_prompts("v1", root)["refinement"].body
    edit(root, "\n$colour_names\n", "\n", "refinement.md")
    assert "must use the variable $colour_names" in refusal(root)


def test_empty_body(root: Path) -> None:
    path = root / "v1" / "tagging.md"
    head = path.read_text(encoding="utf-8").split("\n---\n")[0]
    path.write_text(head + "\n---\n \n\n", encoding="utf-8")
    assert refusal(root) == "prompts/v1/tagging.md has an empty body: there is nothing to tell the model."


def test_missing_file(root: Path) -> None:
    (root / "v1" / "refinement.md").unlink()
    assert refusal(root).startswith("prompts/v1/refinement.md is missing")


def test_not_utf8_and_nul(root: Path) -> None:
    path = root / "v1" / "tagging.md"
    good = path.read_bytes()
    path.write_bytes(good + b"caf\xe9")
    assert refusal(root).startswith(f"prompts/v1/tagging.md is not UTF-8 (byte {len(good) + 3})")
    path.write_bytes(good + b"\0")
    assert "holds a NUL character" in refusal(root)


def test_size_limit(root: Path) -> None:
    path = root / "v1" / "tagging.md"
    good = path.read_bytes()
    path.write_bytes(good + b"x" * (MAX_BYTES - len(good)))
    assert load_palette_prompts("v1", root)["tagging"].body.endswith("xxx")
    path.write_bytes(good + b"x" * (MAX_BYTES - len(good) + 1))
    assert refusal(root).startswith("prompts/v1/tagging.md is larger than 256 KB")
    path.write_bytes(good + b"x" * 1_000_000)
    assert refusal(root) == "prompts/v1/tagging.md is larger than 256 KB; no model reads a prompt of that size."


def test_a_link_may_not_leave_the_folder(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.md"
    outside.write_bytes((root / "v1" / "tagging.md").read_bytes())
    (root / "v1" / "tagging.md").unlink()
    (root / "v1" / "tagging.md").symlink_to(outside)
    assert refusal(root).startswith("prompts/v1/tagging.md is a link that leads out of the folder prompts")


def test_digest_changes_exactly_when_a_request_would(root: Path) -> None:
    first = load_palette_prompts("v1", root)["tagging"]
    edit(root, "message: First wording", "message: Another reason")
    renamed = load_palette_prompts("v1", root)["tagging"]
    assert renamed.digest == first.digest
    assert renamed.message.startswith("Another reason")
    assert renamed.text != first.text
    path = root / "v1" / "tagging.md"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    windows = load_palette_prompts("v1", root)["tagging"]
    assert (windows.digest, windows.text) == (first.digest, renamed.text)

    digests = {first.digest}
    for old, new in [
        ("temperature: 0.7", "temperature: 0.8"),
        ("2 to 5 tags", "2 to 6 tags"),
        ("You tag colour gradients", "You tag color gradients"),
        ('    ref: {type: string, description: "the ref of the message, copied"}\n', ""),
    ]:
        (root / "v1" / "tagging.md").write_bytes((PROMPTS / "v1" / "tagging.md").read_bytes())
        if new:
            edit(root, old, new)
        else:  # the same properties in another order
            edit(root, old, "")
            edit(root, "    temperature: {type", old + "    temperature: {type")
            edit(root, old + "    temperature: {type: string, enum: $temperatures}\n",
                 "    temperature: {type: string, enum: $temperatures}\n" + old)  # fmt: skip
        digests.add(load_palette_prompts("v1", root)["tagging"].digest)
    assert len(digests) == 5
    assert all(len(digest) == 64 for digest in digests)


def test_dollar_signs_and_hand_written_lists(root: Path) -> None:
    edit(root, "is a sentence, a hex code", "costs 5 $$ or is a hex code")
    edit(root, "enum: $seasons", "enum: [summer, winter]")
    prompt = load_palette_prompts("v1", root)["tagging"]
    assert "costs 5 $ or is" in prompt.body
    assert prompt.schema["properties"]["seasonal"]["items"]["enum"] == ["summer", "winter"]
