"""The studio in Chromium: it moves on without a reload, a keyboard alone is enough, and it fits a small screen."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from grabient_assets.settings import load_settings
from grabient_assets.studio.pages import Studio
from grabient_assets.studio.server import StudioServer
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import environment
from grabient_assets_tests.groups.knowledge.planted_workflow import WORKFLOW
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.studio.furnished import REFINED, seeds
from grabient_assets_tests.studio.planted_chorus import ARTISTS, GROUP, plant_chorus
from grabient_assets_tests.studio.planted_knowledge import GONE, VIDEO, plant_knowledge
from grabient_assets_tests.warehouse import results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, Scheme] = ("light", "dark")
PATIENCE_MS = HANGING_SECONDS * 1000
KNOWLEDGE = (
    "/knowledge?plan=1&name=x&sources=https%3A%2F%2Fyoutu.be%2FdQw4w9WgXcQ%0Afile%3A%2F%2F%2Fx",
    f"/knowledge/{WORKFLOW}",
    f"/knowledge/{WORKFLOW}/{VIDEO}",
    "/knowledge/search?q=price&areas=4",
)

_UNNAMED = """
() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary, [role=region]")]
    .filter((one) => !(one.labels?.length || one.ariaLabel || one.getAttribute("aria-labelledby")
                       || one.textContent.trim()))
    .map((one) => one.outerHTML)
"""
_OUTLINE = """
() => ({
    main: document.querySelectorAll("main").length,
    nav: document.querySelectorAll("nav[aria-label]").length,
    lang: document.documentElement.lang,
    title: document.title,
    headings: [...document.querySelectorAll("h1, h2, h3")].map((one) => Number(one.tagName[1])),
    ids: [...document.querySelectorAll("[id]")].map((one) => one.id),
    wider: document.documentElement.scrollWidth - innerWidth,
})
"""
_FOCUSED = """
() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const seen = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
    return {text: (one.id || one.textContent).trim(), seen};
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def url(data: Path) -> Iterator[str]:
    server = StudioServer(Studio(load_settings(environment(data))), port=0)
    thread = server.start()
    yield server.url
    server.stop()
    thread.join(HANGING_SECONDS)


def opened(browser: Browser, url: str, width: int = 1280, scheme: Scheme = "light", script: bool = True) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def test_the_dashboard_moves_on_without_a_reload_and_asks(browser: Browser, url: str, data: Path) -> None:
    page = opened(browser, url)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.evaluate("document.body.dataset.seen = 'yes'")
    seed = seeds(data)[0]
    with Warehouse(data / "grabient.duckdb").write() as connection:
        connection.execute("DELETE FROM palette_tag_refined WHERE seed = ?", [seed])
        waiting = [(seed, None, None, None)]
        results.batch(connection, "b", waiting, status="submitted", submitted_at=results.NOON, model="<b>m</b>")
    page.locator("[data-text=refined]", has_text=str(REFINED - 1)).wait_for()
    assert page.locator("tbody tr td:nth-child(3)").inner_text() == "<b>m</b>"
    assert page.locator("[data-mark=submitted]").is_visible()
    assert page.evaluate("document.body.dataset.seen") == "yes", "the page was loaded again"
    price = page.locator("#price")
    assert price.inner_text().startswith("About 0.") and "for 5 palettes with" in price.inner_text()
    page.get_by_label("Limit").fill("2")
    assert price.inner_text().startswith("About 0.") and "for 2 palettes, " in price.inner_text()
    page.get_by_role("button", name="Refine").click()
    assert "Asked for the refinement of 2 palettes." in page.get_by_role("status").inner_text()
    assert problems == []
    plain = opened(browser, url, script=False)
    plain.get_by_label("Limit").fill("1")
    plain.get_by_role("button", name="Refine").click()
    assert "Asked for the refinement of 1 palette." in plain.get_by_role("status").inner_text()


def test_a_keyboard_alone_reaches_everything(browser: Browser, url: str, data: Path) -> None:
    page = opened(browser, f"{url}/palettes")
    page.keyboard.press("Tab")
    assert page.evaluate(_FOCUSED) == {"text": "Skip to the content", "seen": True}
    page.keyboard.press("Enter")
    reached: list[str] = []
    while len(reached) < 60 and "Moss on slate" not in " ".join(reached):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        assert focused["seen"], focused
        reached.append(focused["text"])
    assert reached[:2] == ["q", "Search"] and reached[2].startswith("Filters")
    page.get_by_label("Describe a palette").focus()
    page.keyboard.type("cold water")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-seed][data-score]")
    assert page.locator("[data-seed][data-score]").count() == REFINED
    page.locator("[data-seed] a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/palettes/*?version=v1")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is not None


def test_a_blind_vote_by_keys_alone(browser: Browser, url: str, data: Path) -> None:
    _refine_again(data)
    page = opened(browser, f"{url}/prompts/blind?left=v1&right=v2")
    page.get_by_label("You vote as").press_sequentially("120")  # keys in a field are text
    page.locator("h1").click()
    for done in range(REFINED):
        seed = page.locator("form[data-seed]").get_attribute("data-seed")
        assert page.get_by_text(f"{done + 1} of {REFINED}").is_visible()
        page.keyboard.press("x")  # a key that nobody names does nothing
        page.keyboard.press("120"[done % 3])
        page.locator(f"form[data-seed='{seed}']").wait_for(state="detached")
        page.wait_for_load_state()  # the script of the next page listens from then on
    assert page.get_by_role("heading", name="v1 against v2").is_visible()
    with Warehouse(data / "grabient.duckdb").read() as connection:
        rows = connection.execute("SELECT choice, count(*) FROM prompt_votes GROUP BY ALL ORDER BY ALL").fetchall()
    assert dict(rows) == {"left": 2, "right": 2, "tie": 2}


def test_a_workflow_moves_on_without_a_reload_and_is_redriven_by_keys_alone(
    browser: Browser, url: str, data: Path
) -> None:
    plant_knowledge(data)
    page = opened(browser, f"{url}/knowledge/{WORKFLOW}")
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.evaluate("document.body.dataset.seen = 'yes'")
    button = page.locator(f"[data-item=it_{GONE}] button")
    button.focus()
    with Warehouse(data / "grabient.duckdb").write() as connection:
        connection.execute("UPDATE sources SET title = 'Found its name' WHERE source_id = ?", [VIDEO])
    page.locator("th", has_text="Found its name").wait_for()
    assert page.evaluate("document.body.dataset.seen") == "yes", "the page was loaded again"
    focused = page.evaluate("document.activeElement.closest('[data-item]')?.dataset.item")
    assert focused == f"it_{GONE}", "the focus stays where it was"
    page.keyboard.press("Enter")
    page.get_by_text("1 source queued again").wait_for()
    assert page.locator(f"[data-item=it_{GONE}]").count() == 0
    assert problems == []


def test_knowledge_is_asked_and_a_workflow_made_by_keys_alone(browser: Browser, url: str, data: Path) -> None:
    page = opened(browser, f"{url}/knowledge", script=False)
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("By keys")
    page.keyboard.press("Tab")
    page.keyboard.type("https://youtu.be/dQw4w9WgXcQ")
    page.get_by_label("Documents").set_input_files(
        [{"name": "a.txt", "mimeType": "text/plain", "buffer": b"Let the silence work. " * 20}]
    )
    page.get_by_role("button", name="Show the price").focus()
    page.keyboard.press("Enter")
    make = page.get_by_role("button", name="Make it with 2 sources")
    make.wait_for()
    assert page.get_by_label("Name", exact=True).input_value() == "By keys"
    make.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/knowledge/wf_*")
    assert "2 sources queued." in page.get_by_role("status").first.inner_text()
    page.goto(f"{url}/knowledge")  # the page of a workflow comes again by itself and would take what is typed
    page.get_by_label("Ask the knowledge").focus()
    page.keyboard.type("silence")
    page.keyboard.press("Enter")
    page.wait_for_url("**/knowledge/search?**")
    page.get_by_label("4 price").focus()
    page.keyboard.press("Space")
    page.get_by_label("Ask the knowledge").press("Enter")
    page.wait_for_url("**areas=4**")
    assert page.get_by_label("4 price").is_checked()


def _refine_again(data: Path) -> None:
    """The refined palettes have other words under v2."""
    with Warehouse(data / "grabient.duckdb").write() as connection:
        refined = "SELECT seed FROM palette_tag_refined WHERE error IS NULL AND prompt_version = 'v1'"
        for (seed,) in connection.execute(refined).fetchall():
            results.refined(connection, seed, prompt_version="v2", embed_text="Other words.")


def test_every_page_fits_and_can_be_read(browser: Browser, url: str, data: Path) -> None:
    _refine_again(data)
    plant_knowledge(data)
    one = f"/palettes/{seeds(data)[0]}"
    small = ("/palettes", "/palettes?q=sea&where=temperature%3Dcool", one, "/nowhere")
    asking = ("/repair", "/runs/new?price=yes&limit=1", "/prompts", "/prompts/compare", "/prompts/blind", *KNOWLEDGE)
    light, dark = SCHEMES
    looks: list[tuple[int, Scheme, tuple[str, ...]]] = [
        (360, light, (*small, *asking)),
        (1600, dark, (one, *KNOWLEDGE)),
    ]
    for width, scheme, paths in looks:
        page = opened(browser, url, width, scheme)
        for path in ("/", *paths):
            page.goto(url + path)
            where = (path, width)
            for details in page.locator("details").all():
                details.evaluate("(one) => { one.open = true; }")
            outline = page.evaluate(_OUTLINE)
            assert outline["wider"] <= 0, where
            assert (outline["main"], outline["lang"], outline["nav"] >= 1, bool(outline["title"])) == (
                1,
                "en",
                True,
                True,
            )
            levels = outline["headings"]
            assert levels[0] == 1 and levels.count(1) == 1, where
            assert all(later - one <= 1 for one, later in pairwise(levels)), (where, levels)
            assert len(outline["ids"]) == len(set(outline["ids"])), where
            assert page.evaluate(_UNNAMED) == [], where
    for scheme in SCHEMES:
        tokens = opened(browser, url, scheme=scheme).evaluate(
            "() => Object.fromEntries([...document.styleSheets[0].cssRules[0].style].filter((n) => n.startsWith('--'))"
            ".map((n) => [n, getComputedStyle(document.documentElement).getPropertyValue(n).trim()]))"
        )
        weak = {
            (text, ground): round(contrast(tokens[text], tokens[ground]), 2)
            for text, ground in readable_pairs()
            if contrast(tokens[text], tokens[ground]) < 4.5
        }
        assert weak == {}, f"{scheme}: {json.dumps({str(pair): ratio for pair, ratio in weak.items()})}"


def readable_pairs() -> list[tuple[str, str]]:
    """Which tokens are text, and what it stands on."""
    on_grounds = [(text, ground) for text in ("--text", "--muted") for ground in ("--ground", "--surface", "--sunken")]
    soft = [(f"--{name}", f"--{name}-soft") for name in ("accent", "good", "warn", "bad")]
    return [*on_grounds, *soft, ("--on-accent", "--accent"), ("--accent", "--surface"), ("--accent", "--ground")]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2 for two colours, #rrggbb each."""
    lights = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)


def _luminance(colour: str) -> float:
    assert re.fullmatch(r"#[0-9a-f]{6}", colour), colour
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_on_any_page(browser: Browser, url: str, data: Path, scheme: Scheme) -> None:
    from axe_playwright_python.sync_playwright import Axe

    plant_chorus(data)
    plant_knowledge(data)
    run = f"{GROUP}-{ARTISTS[0].model}-00"
    pages = ("", "palettes", f"palettes/{seeds(data)[0]}", "repair", "runs/new", "prompts", "chorus?plan=1")
    page = opened(browser, url, scheme=scheme)
    found: dict[str, list[str]] = {}
    for path in (
        *pages,
        f"chorus/{GROUP}",
        f"chorus/{GROUP}/{run}",
        f"chorus/{GROUP}/vote",
        *(one[1:] for one in KNOWLEDGE),
    ):
        page.goto(f"{url}/{path}")
        serious = [
            f"{one['id']}: {one['nodes'][0]['html']}"
            for one in Axe().run(page).response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        found |= {path: serious} if serious else {}
    assert found == {}


@pytest.mark.parametrize("width", [1280, 1600])
def test_every_artist_of_a_group_has_the_same_room(browser: Browser, url: str, data: Path, width: int) -> None:
    """The reason of a hole is longer than any name, and takes nothing from the works."""
    plant_chorus(data)
    page = opened(browser, f"{url}/chorus/{GROUP}", width=width)
    widths = page.evaluate("[...document.querySelectorAll('.chorus-grid thead th + th')].map((one) => one.clientWidth)")
    assert len(widths) == len(ARTISTS) and max(widths) - min(widths) <= 1, widths
    vote, retry = page.get_by_role("link", name="Vote blindly"), page.get_by_role("button", name="Retry")
    beside = [one.bounding_box() for one in (vote, retry)]
    assert beside[0] and beside[1] and 0 < beside[1]["x"] - beside[0]["x"] - beside[0]["width"] < 40


def test_on_a_small_screen_the_name_of_a_rater_stands_in_one_row(browser: Browser, url: str, data: Path) -> None:
    plant_chorus(data)
    page = opened(browser, f"{url}/chorus/{GROUP}/vote", width=360)
    name, change = page.locator("#rater").bounding_box(), page.get_by_role("button", name="Change").bounding_box()
    assert name and change and abs(name["y"] + name["height"] / 2 - change["y"] - change["height"] / 2) < 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.goto(f"{url}/prompts/compare?left=v1&right=v2")
    assert page.get_by_text("Judge them blind").count() == 0, "nothing was refined under both"
