"""SVG to PNG through the cairo library."""

from __future__ import annotations

from grabient_assets.errors import GrabientError

# What the refinement model is shown: eleven swatches of 40 x 100 pixels. Their edges fall on whole pixels, so no
# colour is blended; at other widths the columns between two swatches are mixed by the rasteriser.
IMAGE_WIDTH, IMAGE_HEIGHT = 440, 100


def render_png(svg: str, width: int = IMAGE_WIDTH, height: int = IMAGE_HEIGHT) -> bytes:
    """The PNG file of an SVG text, `width` x `height` pixels, 8 bits per channel.

    Raises GrabientError when cairo, a library of the operating system, is missing.
    """
    try:
        import cairosvg
    except (ImportError, OSError) as error:
        raise GrabientError(
            "Pictures need the cairo library, which is not installed. Run `make setup`, or install it by hand: "
            "`apt-get install libcairo2` (Debian, Ubuntu) or `brew install cairo` (macOS)."
        ) from error
    png = cairosvg.svg2png(bytestring=svg.encode("utf-8"), output_width=width, output_height=height)
    if not isinstance(png, bytes):
        raise GrabientError("cairosvg returned no picture for the SVG it was given.")
    return png
