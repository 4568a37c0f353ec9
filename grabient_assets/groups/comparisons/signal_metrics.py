"""What can be measured of a picture and of the words beside it without any model.

SIGNALS says of each metric its unit and how it is measured. Sources:

- OkLab and OkLCh: B. Ottosson, https://bottosson.github.io/posts/oklab/ (gradient/color.py has the formulas).
- hue_spread: circular variance 1 - R, here weighted by chroma (K. V. Mardia and P. E. Jupp, "Directional Statistics"
  (2000), section 2.3). A grey pixel has no hue, and a faint one hardly any.
- colourfulness: D. Hasler and S. Suesstrunk, "Measuring Colourfulness in Natural Images", Proc. SPIE 5007 (2003) 87-95,
  M3 = sqrt(sd(rg)^2 + sd(yb)^2) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2) with rg = R - G, yb = (R + G) / 2 - B.
- Luma: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
- edge_density: I. Sobel's operator of 3 x 3 (R. C. Gonzalez and R. E. Woods, "Digital Image Processing", section 10.2).
- entropy: C. E. Shannon, "A Mathematical Theory of Communication" (1948), over 256 steps of luma.
- symmetry: Pearson's correlation of luma with its mirror image.
- warm_share, dark_share, light_share: the limits of gradient/facts.py.
- type_token_ratio: M. A. Covington and J. D. McFall, "Cutting the Gordian Knot: The Moving-Average Type-Token Ratio
  (MATTR)", Journal of Quantitative Linguistics 17 (2010) 94-100.
- prompt_overlap: P. Jaccard's index, shared words / words of either.

A metric that has no value, such as the hues of a grey picture, is left out of the result. Words are counted as English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from grabient_assets.imaging.picture import pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIDE = 256
"""The longest side that is measured: details beyond it belong to the size of a picture, not to what it shows."""
EDGE = 100.0
"""The least strength of an edge, of about 1,443 that black beside white can have diagonally: 12.5 steps per pixel."""
FAINT_CHROMA = 0.005
"""The mean chroma below which a picture has no hues: 8-bit rounding tints greys so much."""
WINDOW = 25
BIN = 0.05
"""The width of a bin of OkLab: two colours beside each other that hardly anyone calls different."""
LEAST_SHARE, MOST_COLOURS = 0.005, 32

FIRST_PERSON = frozenset({"i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves"})
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|\n\s*\n")


class Signal(NamedTuple):
    """The unit of a metric, and how it is measured."""

    unit: str
    method: str


SIGNALS: dict[str, Signal] = {
    "lightness": Signal("0 to 1", "Mean OkLab lightness."),
    "chroma": Signal("OkLCh", "Mean OkLCh chroma; 0 is grey, pure sRGB red 0.26."),
    "hue_spread": Signal("0 to 1", "Circular variance of OkLCh hue, weighted by chroma; 0 is one hue."),
    "colourfulness": Signal("M3", "Hasler and Suesstrunk (2003); 0 is grey, 59 quite and 109 extremely colourful."),
    "contrast": Signal("0 to 0.5", "Standard deviation of OkLab lightness."),
    "edge_density": Signal("share", f"Share of pixels whose Sobel gradient of luma is {EDGE:.0f} or more."),
    "entropy": Signal("bits", "Shannon entropy of luma in 256 steps; 8 is the most."),
    "symmetry": Signal("-1 to 1", "Correlation of luma with its mirror image, left and right exchanged."),
    "dark_share": Signal("share", "Share of pixels darker than the grey of CIE lightness 35."),
    "light_share": Signal("share", "Share of pixels lighter than the grey of CIE lightness 65."),
    "warm_share": Signal("share", "Share of pixels of HSL hue up to 60 or from 300 on, and saturation 15 % or more."),
    "palette_distance": Signal("OkLab", "Mean distance from each given colour to the nearest main colour."),
    "statement_words": Signal("words", "Words of the statement."),
    "prompt_words": Signal("words", "Words of the image prompt."),
    "sentence_length": Signal("words", "Words of the statement per sentence of it."),
    "type_token_ratio": Signal(
        "0 to 1", f"Share of different words in {WINDOW} words of the statement, mean over all places (MATTR)."
    ),
    "colour_words": Signal("share", "Share of the words of both texts that mean a colour wherever they stand."),
    "first_person": Signal("share", 'Share of the words of the statement that are "I", "we" or a form of them.'),
    "prompt_overlap": Signal("0 to 1", "Different words that statement and prompt share, of those of either."),
}
"""By metric."""


def pixel_signals(content: bytes) -> dict[str, float]:
    """The metrics of a picture, EXIF orientation applied, alpha over white. Raises ImageError for one that is none."""
    import numpy as np

    from grabient_assets.gradient.facts import DARK, LIGHT
    from grabient_assets.gradient.vectorized import oklab

    rgb = _measured_pixels(content)
    lab = oklab(rgb)
    lightness, tint = lab[..., 0], lab[..., 1] + 1j * lab[..., 2]
    chroma = float(np.abs(tint).mean())
    luma = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    found = {
        "lightness": float(lightness.mean()),
        "chroma": chroma,
        "colourfulness": _colourfulness(rgb),
        "contrast": float(lightness.std()),
        "edge_density": _edge_density(luma),
        "entropy": _entropy(luma),
        "symmetry": _symmetry(luma),
        # The OkLab lightness of a grey is the root of CIE lightness: (L* + 16) / 116.
        "dark_share": float((lightness < (DARK + 16) / 116).mean()),
        "light_share": float((lightness > (LIGHT + 16) / 116).mean()),
        "warm_share": _warm_share(rgb),
    }
    if chroma >= FAINT_CHROMA:
        found["hue_spread"] = max(0.0, 1 - float(np.abs(tint.mean())) / chroma)
    return found


def text_signals(statement: str, image_prompt: str) -> dict[str, float]:
    """The metrics of a statement and of the image prompt beside it."""
    said, asked = _words(statement), _words(image_prompt)
    found = {"statement_words": float(len(said)), "prompt_words": float(len(asked))}
    if said:
        sentences = sum(bool(_words(part)) for part in _SENTENCE_END.split(statement))
        found["sentence_length"] = len(said) / sentences
        found["type_token_ratio"] = _type_token_ratio(said)
        found["first_person"] = sum(re.split("['’]", word)[0] in FIRST_PERSON for word in said) / len(said)
    if said or asked:
        found["colour_words"] = sum(map(_is_colour, [*said, *asked])) / len([*said, *asked])
        found["prompt_overlap"] = len({*said} & {*asked}) / len({*said} | {*asked})
    return found


def palette_distance(content: bytes, colours: Sequence[tuple[int, int, int]]) -> float:
    """How far the colours (RGB, 0 to 255) are from the main colours of a picture, in OkLab: the mean over the colours
    of the distance to the nearest main colour. 0: all of them are there; 0.02 is just seen; black is 1 from white.

    Main colours are the means of the fullest bins of an OkLab histogram, at most MOST_COLOURS, each with LEAST_SHARE of
    the pixels; where none has so many, as in noise, the fullest bins.
    """
    import numpy as np

    from grabient_assets.gradient.vectorized import oklab

    lab = oklab(_measured_pixels(content)).reshape(-1, 3)
    _, place, count = np.unique(np.floor(lab / BIN), axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    mean = np.stack([np.bincount(place, weights=lab[:, axis]) for axis in range(3)], axis=1) / count[:, None]
    fullest = np.argsort(-count, kind="stable")[:MOST_COLOURS]
    frequent = fullest[count[fullest] >= LEAST_SHARE * len(lab)]
    main = mean[frequent if frequent.size else fullest]
    given = oklab(np.asarray(colours, dtype=np.int64).reshape(-1, 3))
    return float(np.linalg.norm(given[:, None, :] - main[None, :, :], axis=2).min(axis=1).mean())


def _measured_pixels(content: bytes) -> NDArray[np.uint8]:
    """Every pixel of the smaller picture is the mean of those it stands for."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(pixels(content))
    scale = SIDE / max(image.size)
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image)


def _colourfulness(rgb: NDArray[np.uint8]) -> float:
    import numpy as np

    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def _edge_density(luma: Floats) -> float:
    """Of the pixels that have neighbours on all sides; 0 where there are none."""
    import numpy as np

    if min(luma.shape) < 3:
        return 0.0
    across = luma[:, 2:] - luma[:, :-2]
    down = luma[2:] - luma[:-2]
    x = across[:-2] + 2 * across[1:-1] + across[2:]
    y = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return float((np.hypot(x, y) >= EDGE).mean())


def _entropy(luma: Floats) -> float:
    import numpy as np

    count = np.bincount(np.rint(luma).astype(np.int64).reshape(-1), minlength=256)
    share = count[count > 0] / luma.size
    return float(-(share * np.log2(share)).sum()) + 0.0


def _symmetry(luma: Floats) -> float:
    """1 for a picture of one shade: it equals its mirror image."""
    apart = luma - luma.mean()
    spread = float((apart**2).sum())
    return float((apart * apart[:, ::-1]).sum()) / spread if spread > 1e-6 * luma.size else 1.0


def _warm_share(rgb: NDArray[np.uint8]) -> float:
    """Hue and saturation of HSL, as color.to_hsl but for rounding."""
    import numpy as np

    from grabient_assets.gradient.facts import GREY_SATURATION, WARM_BANDS

    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    high, low = rgb.max(axis=-1).astype(np.float64), rgb.min(axis=-1).astype(np.float64)
    spread, twice = high - low, high + low
    room = np.where(twice > 255, 510 - twice, twice)
    saturated = 100 * spread >= GREY_SATURATION * np.where(room > 0, room, np.inf)
    safe = np.where(spread > 0, spread, 1)
    sixth = np.select(
        [high == red, high == green],
        [(green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    warm = np.zeros(high.shape, dtype=bool)
    for least, most in WARM_BANDS:
        warm |= (60 * sixth >= least) & (60 * sixth <= most)
    return float((warm & saturated).mean())


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _type_token_ratio(words: Sequence[str]) -> float:
    """Of fewer words than a window, their own."""
    size = min(WINDOW, len(words))
    starts = range(len(words) - size + 1)
    return sum(len(set(words[start : start + size])) for start in starts) / (size * len(starts))


def _is_colour(word: str) -> bool:
    """ "Teal", "greenish", "blue-grey", "lightgreen"; not "rose" or "gold", which are things too."""
    from grabient_assets.gradient.colour_words import colour_word, parts_of

    parts = [colour_word(part) for one in re.split("['’-]", word) for part in parts_of(one)]
    return any(part is not None and part.always for part in parts)
