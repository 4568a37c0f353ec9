"""Knowledge as workflows leave it, with hostile words in it, written into a data folder without model or network."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from grabient_assets.groups.retrieval.entry_index import keep_knowledge
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import environment
from grabient_assets_tests.groups.knowledge.planted_workflow import NOW, Said, Told, plant
from grabient_assets_tests.warehouse.results import batch, insert

SCRIPT = "<script>alert('seen')</script>"
PRICE, SILENCE, ENTRY_SCRIPT = (
    "Ask what the price is compared with before you defend it.",
    "Wait after the question, and let silence work.",
    f"Say {SCRIPT} when they hesitate.",
)
QUOTE, QUOTE_SCRIPT = "Ask what the price is compared with", f"let {SCRIPT} the silence work"
TEXT = (
    f"Welcome back. {QUOTE}, because too high is never too high by itself. "
    f"Then wait, and {QUOTE_SCRIPT} for you. Most people cannot bear it."
)
LOST = "Its quote does not stand in the text."
VIDEO, PAGE, FILE, BLOCKED, GONE, RUNNING = (
    "yt_aaaaaaaaaaa",
    "url_aaaaaaaaaaaa",
    "doc_aaaaaaaaaaaa",
    "yt_bbbbbbbbbbb",
    "url_bbbbbbbbbbbb",
    "url_cccccccccccc",
)
TITLE = f"The price talk {SCRIPT}"
TOLD = (
    Told(
        VIDEO,
        TITLE,
        {
            1: [Said(SILENCE, QUOTE_SCRIPT, "mindset")],
            2: "empty",
            3: "skipped",
            4: [Said(PRICE, QUOTE), Said(ENTRY_SCRIPT, QUOTE, "sales_phrase"), Said("Lie.", "never said", reason=LOST)],
            5: "failed",
            6: "empty",
            7: "empty",
            8: "skipped",
        },
        TEXT,
        seconds=3723.4,
    ),
    Told(PAGE, "A page", {4: "empty", 5: "failed"}, "On discounts.", "javascript:alert(1)", "url", None, None),
    Told(FILE, "notes.txt", {4: [Said("Name the price last.", "Name it last")]}, "Name it last, and stop talking.",
         "/talks/notes.txt", "document", None, None),
    Told(BLOCKED, dead=("blocked", f"YouTube refuses {SCRIPT} this address.")),
    Told(GONE, locator="https://talks.example/gone", kind="url", dead=("not_found", "The page answers 404.")),
    Told(RUNNING, locator="javascript:alert(2)", kind="url", dead=("not_found", "The page answers 404 too.")),
)  # fmt: skip
OTHER = "wf_" + "1" * 26


def plant_knowledge(data: Path, *, indexed: bool = False) -> None:
    """Two workflows: one with every kind of cell and three dead sources, one that has just been made. `indexed`: search
    finds the entries by meaning."""
    warehouse = Warehouse(data / "grabient.duckdb")
    with warehouse.write() as connection:
        plant(connection, TOLD, name=f"Price {SCRIPT}")
        insert(connection, "chunks", chunk_id="c1", source_id=VIDEO, position=0, char_start=0, char_end=len(TEXT),
               tokens=40, text=TEXT, content_sha256="c", chunker="c1:1000/100")  # fmt: skip
        later = NOW + timedelta(hours=1)
        plant(connection, [Told("yt_ccccccccccc", "Later")], OTHER, "Later", (4, 7), made_at=later)
        requests = [(f"{VIDEO}|fa{area}|w00", "succeeded", 0.0002, "reported") for area in (1, 4)]
        model = "gemini-3.5-flash-lite"
        batch(connection, "b_1", requests, "extraction", provider="google", model=model, prompt_version="knowledge/v1")
    if indexed:
        keep_knowledge(load_settings(environment(data)), warehouse, lambda: NOW)
