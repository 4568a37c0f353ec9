"""Images and edits in Chromium: the dialog with its tabs, the region by mouse and by keys, price, progress, cancel, the
slider; and all of it but the drawing without JavaScript."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from grabient_assets.groups.images.images import remove_images
from grabient_assets_tests.groups.edits.place import REGION, Edits, edits_in, picture, png
from grabient_assets_tests.groups.place import now
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.studio.edits_place import held, served
from grabient_assets_tests.warehouse.holding import held as held_database

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FilePayload, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PATIENCE_MS = HANGING_SECONDS * 1000
Scheme = Literal["light", "dark"]
OUTLINE = """
() => ({
    wider: document.documentElement.scrollWidth - innerWidth,
    levels: [...document.querySelectorAll("h1, h2, h3")].map((one) => Number(one.tagName[1])),
    twice: [...document.querySelectorAll("[id]")].map((one) => one.id).filter((id, at, all) => all.indexOf(id) !== at),
})
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
def edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edits]:
    with edits_in(tmp_path, monkeypatch) as place:
        yield place


@pytest.fixture
def url(edits: Edits) -> Iterator[str]:
    with served(edits) as (address, _):
        yield address


def opened(browser: Browser, url: str, width: int = 1280, scheme: Scheme = "light", script: bool = True) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def problems_of(page: Page) -> list[str]:
    """What the browser complains about from now on."""
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    return problems


def asked(edits: Edits) -> list[tuple[str, str | None, str | None]]:
    return edits.rows("SELECT kind, prompt, instructions FROM edit_requests ORDER BY requested_at")


def test_an_edit_from_the_dialog_to_the_badge(browser: Browser, url: str, edits: Edits) -> None:
    """Region by mouse, price, progress while the call is held, then badge, total and slider without a reload."""
    root = edits.add().image_id
    page = opened(browser, f"{url}/images/{root}")
    problems = problems_of(page)
    assert not page.get_by_role("dialog").is_visible()
    page.locator(f"[data-image='{root}'][data-label=v1]").get_by_role("button", name="Refine").click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    dialog.get_by_label("What to change").fill("a red boat")
    before = page.locator("#price[data-usd]")
    before.wait_for()
    box = page.locator("#mask").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75)
    page.mouse.up()
    drawn = [float(part) for part in page.locator("input[name=mask]").input_value().split(",")]
    assert drawn == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=0.01)
    assert "50 % by 50 %, 25 % from the left" in page.locator("[data-region]").inner_text()
    assert float(dialog.get_by_label("Width").input_value()) == pytest.approx(50, abs=1)
    button = dialog.get_by_role("button", name="Ask for the edit, about 0.0")
    button.wait_for()
    told = page.locator("#price").get_attribute("data-usd")
    button.click()
    page.wait_for_url("**/images/**#ed_*")
    [(estimated, mask)] = edits.rows("SELECT estimated_usd::VARCHAR, mask_key FROM edit_requests")
    assert mask is not None and float(told or 0) == pytest.approx(float(estimated), rel=0.01)
    assert asked(edits) == [("prompt", "a red boat", None)]
    card = page.locator("[data-label=v2]")
    bar = card.get_by_role("progressbar", name="Progress of v2")
    assert bar.get_attribute("aria-valuenow") == "0"
    page.evaluate("document.body.dataset.seen = 'yes'")
    with held(edits):
        card.get_by_text("The editor works on it.").wait_for()
        assert int(bar.get_attribute("aria-valuenow") or 0) >= 20
    page.locator("[data-label=v2][data-image][data-status=done]").wait_for()
    assert page.evaluate("document.body.dataset.seen") == "yes", "the page was loaded again"
    assert card.locator(".version").inner_text() == "v2"
    [(cost,)] = edits.rows("SELECT cost_usd FROM edits")
    assert float(page.locator("[data-total-usd]").get_attribute("data-total-usd") or 0) == float(cost) > 0
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    assert page.locator("[data-compare]").evaluate("one => one.style.getPropertyValue('--at')") == "0%"
    clip = "one => getComputedStyle(one).clipPath"
    assert page.locator(".compare .after").evaluate(clip) == "inset(0px 0px 0px 0%)"
    slider.press("ArrowRight")
    assert page.locator(".compare .after").evaluate(clip) == "inset(0px 0px 0px 1%)"
    assert problems == []


def test_a_keyboard_alone_chooses_a_tab_draws_a_region_and_asks(browser: Browser, url: str, edits: Edits) -> None:
    root = edits.add().image_id
    page = opened(browser, f"{url}/images/{root}#refine")
    dialog, field = page.get_by_role("dialog"), page.locator("input[name=mask]")
    tabs = dialog.get_by_role("tab")
    assert [one.get_attribute("aria-selected") for one in tabs.all()] == ["false", "false", "true"]
    tabs.nth(2).focus()
    page.keyboard.press("ArrowLeft")
    assert dialog.get_by_role("tab", name="Text repair").get_attribute("aria-selected") == "true"
    assert dialog.get_by_label("Instructions").is_visible() and not page.locator("#mask").is_visible()
    page.keyboard.press("ArrowLeft")
    assert dialog.get_by_role("tab", name="Subject repair").is_checked()
    assert dialog.get_by_label("Reference image").get_attribute("required") is not None
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    canvas = page.locator("#mask")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    assert field.input_value() == "" and "press Enter" in page.locator("[data-region]").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    assert field.input_value() == "0.26,0.26,0.51,0.49"
    page.keyboard.press("Escape")
    assert field.input_value() == "" and dialog.is_visible(), "Escape clears the region and leaves the dialog open"
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert field.input_value() == "0,0.25,0.5,0.5", "a region stays inside the image"
    dialog.get_by_label("What to change").fill("by keys")
    dialog.get_by_label("3 strong").check()
    dialog.get_by_role("button", name="Ask for the edit, about").wait_for()
    dialog.get_by_role("button", name="Ask for the edit, about").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/images/**#ed_*")
    assert edits.rows("SELECT mask_box FROM edit_inputs") == [([0, 160, 512, 320],)]
    assert edits.rows("SELECT prompt, creativity FROM edit_requests") == [("by keys", 3)]
    page.goto(f"{url}/images/{root}#refine")
    dialog.wait_for()
    canvas.focus()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_each_tab_asks_its_own_kind_and_a_refusal_keeps_the_form(browser: Browser, url: str, edits: Edits) -> None:
    root = edits.add().image_id
    page = opened(browser, f"{url}/images/{root}#refine")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What to change").fill("not this")
    page.locator("#mask").press("Enter")
    dialog.get_by_role("tab", name="Subject repair").check()
    dialog.get_by_label("Instructions").fill("as on the photo")
    wrong: FilePayload = {"name": "no.png", "mimeType": "image/png", "buffer": b"<svg/>"}
    page.get_by_label("Reference image").set_input_files([wrong])
    button = dialog.get_by_role("button", name="Ask for the edit, about")
    button.click()
    page.get_by_role("alert").wait_for()
    dialog.wait_for()
    assert asked(edits) == []
    assert dialog.get_by_label("Instructions").input_value() == "as on the photo"
    assert dialog.get_by_role("tab", name="Subject repair").is_checked()
    reference: FilePayload = {"name": "r.png", "mimeType": "image/png", "buffer": png(picture(64, 64, 3))}
    page.get_by_label("Reference image").set_input_files([reference])
    button.click()
    page.wait_for_url("**/images/**#ed_*")
    page.goto(f"{url}/images/{root}#refine")
    dialog.get_by_role("tab", name="Text repair").check()
    dialog.get_by_label("Instructions").fill("OPEN")
    button.click()
    page.locator("[data-label=v3]").wait_for()
    assert asked(edits) == [("subject", None, "as on the photo"), ("text", None, "OPEN")]
    assert edits.rows("SELECT count(*) FROM edit_requests WHERE mask_key IS NULL") == [(2,)], "no mask of another tab"


def test_another_image_of_the_chain_is_refined_from_its_card(browser: Browser, url: str, edits: Edits) -> None:
    root = edits.add().image_id
    a1 = edits.made(root)
    page = opened(browser, f"{url}/images/{root}")
    page.locator("[data-label=v2]").get_by_role("button", name="Refine").click()
    dialog = page.get_by_role("dialog", name="Refine v2")
    dialog.wait_for()
    assert (a1.image_id or "none") in (dialog.locator("[data-parent]").get_attribute("src") or "")
    dialog.get_by_label("What to change").fill("and stars")
    dialog.get_by_role("button", name="Ask for the edit, about").click()
    page.locator("[data-label=v3][data-status=requested]").wait_for()
    assert edits.rows("SELECT parent_edit FROM edit_requests WHERE label = 'v3'") == [(a1.edit_id,)]


def test_two_tabs_agree_and_cancel_takes_less_than_two_seconds(browser: Browser, url: str, edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id)
    one, other = (opened(browser, f"{url}/{path}/{edit_id}") for path in ("images", "edits"))
    with held(edits) as sending:
        for page in (one, other):
            page.get_by_text("The editor works on it.").wait_for()
        one.get_by_role("button", name="Cancel").click()
        one.locator("[data-status=cancelled]").wait_for(timeout=2_000)
        sending.join(2.0)
        assert not sending.is_alive(), "the call was let go"
        other.locator("[data-status=cancelled]").wait_for()
    assert "possibly billed" in one.locator(f"#{edit_id}").inner_text()
    assert other.get_by_role("progressbar").count() == 0
    assert edits.edit(edit_id).status == "cancelled"


def test_progress_goes_on_when_the_database_is_free_again(browser: Browser, url: str, edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id)
    page = opened(browser, f"{url}/images/{edit_id}")
    problems = problems_of(page)
    with held_database(edits.settings.database, "hold"):
        page.get_by_text("a run is writing").first.wait_for()
    edits.settle()
    page.locator("[data-label=v2][data-status=done]").wait_for()
    assert problems == []


def test_everything_but_drawing_works_without_a_script(browser: Browser, url: str, edits: Edits) -> None:
    page = opened(browser, f"{url}/images", script=False)
    page.get_by_label("A PNG, JPEG or WebP").set_input_files(
        [{"name": "mine.png", "mimeType": "image/png", "buffer": png(picture())}]
    )
    page.get_by_role("button", name="Add the image").click()
    page.wait_for_url("**/images/*")
    assert not page.locator("#mask").is_visible()
    page.get_by_label("What to change").fill("without a script")
    for name, percent in (("Left", "25"), ("Top", "25"), ("Width", "50"), ("Height", "50")):
        page.get_by_label(name, exact=True).fill(percent)
    page.get_by_role("button", name="Ask for the edit").click()
    page.get_by_role("heading", name="The price of the edit").wait_for()
    assert asked(edits) == []
    page.get_by_role("button", name="Ask for it, about 0.0").click()
    page.wait_for_url("**/images/**#ed_*")
    assert asked(edits) == [("prompt", "without a script", None)]
    assert edits.rows("SELECT mask_box FROM edit_inputs") == [([256, 160, 512, 320],)]
    edits.settle()
    page.reload()
    before, after = (page.locator(".compare figure").nth(number).bounding_box() for number in range(2))
    assert before and after and before["x"] + before["width"] <= after["x"], "both are seen, side by side"
    assert page.locator("[data-label=v2][data-status=done] .version").inner_text() == "v2"
    page.locator("[data-label=v2]").get_by_role("button", name="Refine").click()
    page.wait_for_url("**#refine")
    page.get_by_label("Text repair").check()
    assert not page.get_by_label("What to change").is_visible()
    page.get_by_label("Instructions").fill("OPEN")
    page.get_by_role("button", name="Ask for the edit").click()
    page.get_by_role("button", name="Ask for it").click()
    page.locator("[data-label=v3]").get_by_role("button", name="Cancel").click()
    page.locator("[data-label=v3][data-status=cancelled]").wait_for()
    page.locator("[data-label=v3]").get_by_role("button", name="Retry, about 0.0").click()
    page.locator("[data-label=v3][data-status=requested]").wait_for()
    assert asked(edits)[1] == ("text", None, "OPEN")


def test_pages_of_edits_fit_and_axe_finds_nothing_serious(browser: Browser, url: str, edits: Edits) -> None:
    from axe_playwright_python.sync_playwright import Axe

    root = edits.add(name="a-very-long-name-" * 4 + ".png").image_id
    a1 = edits.made(root, mask=REGION)
    a2 = edits.made(a1.edit_id, prompt="averylongwordwithoutanyblank" * 8)
    removed = edits.made(root, prompt="gone")
    assert removed.image_id is not None
    with edits.warehouse.write() as connection:
        remove_images(connection, [removed.image_id], now())
    waiting = edits.ask(a2.edit_id, prompt="to come")
    paths = ("images", f"images/{a2.edit_id}", f"images/{root}#refine", f"images/{removed.image_id}", "edits")
    found: dict[tuple[str, int], object] = {}
    looks: tuple[tuple[int, Scheme], ...] = ((360, "dark"), (1600, "light"))
    for width, scheme in looks:
        page = opened(browser, url, width, scheme)
        for path in (*paths, f"edits/{a1.edit_id}", f"edits/{waiting}"):
            page.goto("about:blank")
            page.goto(f"{url}/{path}")
            if path.endswith("#refine"):
                page.locator("#price[data-usd]").wait_for()
            for details in page.locator("details").all():
                details.evaluate("(one) => { one.open = true; }")
            outline = page.evaluate(OUTLINE)
            serious = [
                f"{one['id']}: {one['nodes'][0]['html']}"
                for one in Axe().run(page).response["violations"]
                if one["impact"] in ("serious", "critical")
            ]
            if outline["wider"] > 0 or outline["twice"] or outline["levels"].count(1) != 1 or serious:
                found[path, width] = (outline, serious)
    assert found == {}
