"""`grabient palette`: one palette, by arithmetic alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import colour_bar, output, print_json, print_note
from grabient_assets.cli.options import SixteenNumbers, chosen_sixteen

if TYPE_CHECKING:
    from grabient_assets.gradient.palette import Palette

MAX_PIXELS = 4096
FROM_ADDRESS = "Default: as the address says, or"


def palette(
    seed: Annotated[
        str,
        typer.Argument(
            help="A seed in any spelling, its 12 or 16 numbers, or its address at grabient.com. Behind '--' when it "
            "begins with '-'."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON on stdout.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="F", help="Write an SVG file.")] = None,
    png: Annotated[Path | None, typer.Option("--png", metavar="F", help="Write a PNG file.")] = None,
    style: Annotated[
        str | None,
        typer.Option(help=f"linear, angular or radial, with Swatches or Gradient. {FROM_ADDRESS} linearSwatches."),
    ] = None,
    angle: Annotated[
        float | None, typer.Option(help=f"Degrees; 0 points up, 90 to the right. {FROM_ADDRESS} 90.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help=f"Colours in the picture. {FROM_ADDRESS} 11.")] = None,
    sixteen: SixteenNumbers = None,
    width: Annotated[int, typer.Option(min=1, max=MAX_PIXELS, help="Pixels.")] = 440,
    height: Annotated[int, typer.Option(min=1, max=MAX_PIXELS, help="Pixels.")] = 100,
) -> None:
    """Show one palette: coefficients, eleven colours in four notations, names, harmonies, facts. Needs no data."""
    from grabient_assets.groups.palettes.palette_line import typed_palette
    from grabient_assets.groups.palettes.pictures import PictureWish, draw

    row = typed_palette(seed, chosen_sixteen(sixteen))
    found = row.palette
    goal = PictureWish(
        row.style if style is None else style,
        row.angle if angle is None else angle,
        row.steps if steps is None else steps,
        width,
        height,
    )
    document = draw(found, goal)
    if svg is not None:
        _write(svg, document.encode())
    if png is not None:
        from grabient_assets.gradient.svg import render_png

        _write(png, render_png(document, width, height))
    described = _described(found)
    if as_json:
        print_json(described)
    else:
        _show(described)


def _described(found: Palette) -> dict[str, Any]:
    from dataclasses import asdict

    from grabient_assets.gradient.facts import describe

    colours = describe(found)
    facts = asdict(colours.facts)
    return {
        "coeffs": found.coeffs,
        "globals": found.globals,
        "canonical": found.canonical,
        "palette_key": found.palette_key,
        "hex": colours.hex,
        "rgb": colours.rgb,
        "hsl": colours.hsl,
        "lch": colours.lch,
        "color_names": colours.color_names,
        "harmonies": colours.harmonies,
        "facts": {**facts, "clear_cut": sorted(colours.facts.clear_cut)},
    }


def _show(described: dict[str, Any]) -> None:
    from rich.table import Table

    console = output()
    if console.is_terminal and not console.no_color:
        console.print(colour_bar(described["hex"], 6))
        console.print(colour_bar(described["hex"], 6))
    facts = described["facts"]
    words = ", ".join(f"{name} {facts[name]}" for name in ("temperature", "contrast", "brightness", "saturation"))
    lines = (
        ("canonical", described["canonical"]),
        ("palette_key", described["palette_key"]),
        ("names", ", ".join(described["color_names"])),
        ("harmonies", ", ".join(described["harmonies"]) or "none"),
        ("facts", words),
        ("clear cut", ", ".join(facts["clear_cut"]) or "none"),
        ("globals", ", ".join(f"{value:g}" for value in described["globals"])),
        *(
            (row, ", ".join(f"{value:g}" for value in values))
            for row, values in zip("abcd", described["coeffs"], strict=True)
        ),
    )
    facts_table = Table.grid(padding=(0, 1, 0, 0))
    facts_table.add_column(width=12)
    for name, value in lines:
        facts_table.add_row(name, str(value))
    console.print(facts_table)
    table = Table("#", "hex", *("r", "g", "b"), *("h", "s", "l"), *("L", "C", "H"), box=None)
    for column in (table.columns[0], *table.columns[2:]):
        column.justify = "right"
    for place, (colour, *notations) in enumerate(
        zip(described["hex"], described["rgb"], described["hsl"], described["lch"], strict=True), start=1
    ):
        table.add_row(str(place), colour, *(str(value) for one in notations for value in one))
    console.print(table)


def _write(path: Path, content: bytes) -> None:
    from grabient_assets.errors import GrabientError

    try:
        path.write_bytes(content)
    except OSError as error:
        raise GrabientError(f"{path} cannot be written ({error.strerror}). Choose another path.") from error
    print_note(f"Wrote {path} ({len(content)} bytes).")
