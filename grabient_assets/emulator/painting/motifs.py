"""How each thing that a prompt can name is painted: a handful of shapes around the focus, or from edge to edge."""

from __future__ import annotations

import math
from collections.abc import Callable

from grabient_assets.emulator.painting.hand import mixed
from grabient_assets.emulator.painting.sheet import Sheet


def _sun(on: Sheet) -> None:
    x, radius = on.focus[0], on.unit * on.between(90, 170)
    y, colour = on.horizon - radius * on.between(0.4, 1.6), on.against(on.ground)
    for size, seen in ((1.9, 0.2), (1.4, 0.3), (1.0, 1.0)):
        on.circle((x, y), radius * size, colour, seen)


def _moon(on: Sheet) -> None:
    x, y, radius = on.width - on.focus[0], on.horizon * on.between(0.25, 0.5), on.unit * on.between(60, 110)
    on.circle((x, y), radius * 1.5, on.against(on.ground), 0.2)
    on.circle((x, y), radius, on.against(on.ground))
    on.circle((x + radius * 0.4, y - radius * 0.1), radius * 0.85, on.ground)


def _stars(on: Sheet) -> None:
    colour = on.against(on.ground)
    for _ in range(9):
        on.circle((on.between(0, on.width), on.between(0, on.horizon)), on.unit * on.between(2, 9), colour)
    x, y = on.between(0.1, 0.6) * on.width, on.between(0.1, 0.4) * on.horizon
    on.line(
        f"M{x:.1f} {y:.1f}q{on.unit * 120:.1f} {on.unit * 15:.1f} {on.unit * 260:.1f} {on.unit * 80:.1f}", colour, 4
    )


def _clouds(on: Sheet) -> None:
    colour = mixed(on.ground, "#ffffff", 0.45)
    for _ in range(5):
        x, y, long = (
            on.between(-0.1, 0.9) * on.width,
            on.between(0.1, 0.95) * on.horizon,
            on.between(0.2, 0.5) * on.width,
        )
        high = on.unit * on.between(18, 50)
        near, far, under = x + long * 0.2, x + long * 0.7, y + high * 0.5
        above = f"M{x:.1f} {y:.1f}C{near:.1f} {y - high:.1f} {far:.1f} {y - high:.1f} {x + long:.1f} {y:.1f}"
        below = f"C{far:.1f} {under:.1f} {near:.1f} {under:.1f} {x:.1f} {y:.1f}Z"
        on.shape(above + below, colour, 0.55)


def _hills(on: Sheet) -> None:
    for layer in range(4):
        level = on.horizon - on.unit * (110 - 45 * layer)
        far = mixed(on.colour(1 + layer), on.ground, 0.6 - 0.18 * layer)
        on.ridge(level, on.unit * on.between(25, 90), on.between(0.6, 2.2), far, 0.95)


def _waves(on: Sheet) -> None:
    depth = on.height - on.horizon
    for layer in range(6):
        water = mixed(on.colour(layer), on.colour(0), 0.35)
        on.ridge(on.horizon + depth * layer / 6, on.unit * (4 + 5 * layer), on.between(2, 3.5), water, 0.8)


def _towers(on: Sheet) -> None:
    x, base = -0.02 * on.width, on.horizon + on.unit * 60
    lit = on.against(on.colour(1))
    for number in range(9):
        wide, high = on.width * on.between(0.07, 0.14), on.unit * on.between(180, 620)
        on.box((x, base - high), (wide, high + on.height), mixed(on.colour(1 + number % 3), "#101018", 0.25))
        rows = "".join(
            f"M{x + wide * 0.2:.1f} {base - high * (0.9 - 0.15 * row):.1f}h{wide * 0.6:.1f}"
            for row in range(on.chance.whole(2, 5))
        )
        on.line(rows, lit, 6)
        x += wide * on.between(0.9, 1.25)


def _bridge(on: Sheet) -> None:
    y, high, colour = on.horizon + on.unit * 30, on.unit * on.between(140, 240), on.against(on.ground)
    on.line(f"M0 {y:.1f}H{on.width}", colour, 16)
    for place in (0.25, 0.75):
        on.box((on.width * place, y - high), (on.unit * 26, high * 1.7), colour)
    on.line(f"M0 {y:.1f}Q{on.width * 0.12:.1f} {y:.1f} {on.width * 0.26:.1f} {y - high:.1f}", colour, 5)
    low = y + high * 0.7
    on.line(
        f"M{on.width * 0.26:.1f} {y - high:.1f}Q{on.width / 2:.1f} {low:.1f} {on.width * 0.76:.1f} {y - high:.1f}",
        colour,
        5,
    )


def _trees(on: Sheet) -> None:
    for number in range(6):
        x, base = on.between(0, on.width), on.horizon + on.unit * on.between(20, 220)
        high = on.unit * on.between(140, 330)
        on.line(
            f"M{x:.1f} {base:.1f}q{on.unit * on.between(-20, 20):.1f} {-high / 2:.1f} 0 {-high:.1f}",
            mixed(on.colour(2), "#201410", 0.6),
            14,
        )
        on.circle((x, base - high), high * on.between(0.28, 0.42), on.colour(1 + number % 2), 0.9)


def _reeds(on: Sheet) -> None:
    for number in range(14):
        x, high = on.between(0, on.width), on.unit * on.between(160, 420)
        bend = on.unit * on.between(-60, 90)
        on.line(f"M{x:.1f} {on.height}q0 {-high / 2:.1f} {bend:.1f} {-high:.1f}", on.colour(number), on.between(4, 11))


def _flowers(on: Sheet) -> None:
    for number in range(5):
        x, y = on.between(0.05, 0.95) * on.width, on.between(0.6, 0.95) * on.height
        size = on.unit * on.between(24, 60)
        for petal in range(3):
            turn = 2.094 * petal + number
            on.circle((x + size * math.cos(turn), y + size * math.sin(turn)), size * 0.8, on.colour(number), 0.85)
        on.circle((x, y), size * 0.5, on.against(on.colour(number)))


def _furrows(on: Sheet) -> None:
    x, _ = on.focus
    for number in range(9):
        left, right = (on.width * (edge / 4 - 0.6) for edge in (number, number + 0.55))
        on.polygon(
            [(x, on.horizon), (x + on.unit * 4, on.horizon), (right, on.height), (left, on.height)],
            on.colour(number),
            0.8,
        )


def _road(on: Sheet) -> None:
    x, wide = on.focus[0], on.width * on.between(0.2, 0.42)
    on.polygon(
        [
            (x - on.unit * 6, on.horizon),
            (x + on.unit * 6, on.horizon),
            (on.width / 2 + wide, on.height),
            (on.width / 2 - wide, on.height),
        ],
        mixed(on.colour(2), "#303036", 0.5),
    )
    on.line(f"M{x:.1f} {on.horizon:.1f}L{on.width / 2:.1f} {on.height}", on.against(on.ground), 7, 0.8)


def _houses(on: Sheet) -> None:
    for number in range(3):
        wide, high = on.unit * on.between(110, 210), on.unit * on.between(80, 150)
        x, base = (
            on.focus[0] + on.unit * (number - 1) * on.between(160, 280),
            on.horizon + on.unit * on.between(30, 120),
        )
        on.box((x, base - high), (wide, high), on.colour(1 + number))
        on.polygon(
            [(x - wide * 0.1, base - high), (x + wide * 1.1, base - high), (x + wide / 2, base - high * 1.7)],
            mixed(on.colour(number), "#301410", 0.4),
        )
        on.box((x + wide * 0.4, base - high * 0.5), (wide * 0.2, high * 0.5), on.against(on.colour(1 + number)))


def _boat(on: Sheet) -> None:
    x, y, long = on.focus[0], on.horizon + on.unit * on.between(60, 160), on.unit * on.between(90, 160)
    on.shape(
        f"M{x - long:.1f} {y:.1f}Q{x:.1f} {y + long * 0.6:.1f} {x + long:.1f} {y:.1f}Z",
        mixed(on.colour(1), "#20100c", 0.4),
    )
    on.polygon([(x, y - long * 0.1), (x, y - long * 1.7), (x + long * 0.8, y - long * 0.2)], on.against(on.colour(0)))


def _birds(on: Sheet) -> None:
    colour = on.against(on.ground)
    for _ in range(7):
        wing, x, y = on.unit * on.between(14, 34), on.between(0.1, 0.9) * on.width, on.between(0.1, 0.8) * on.horizon
        lift, high = y - wing * 0.4, y - wing * 0.6
        left = f"M{x - wing:.1f} {lift:.1f}Q{x - wing * 0.3:.1f} {high:.1f} {x:.1f} {y:.1f}"
        on.line(f"{left}Q{x + wing * 0.3:.1f} {high:.1f} {x + wing:.1f} {lift:.1f}", colour, 5)


def _stones(on: Sheet) -> None:
    for number in range(9):
        place = (on.between(0, on.width), on.between(on.horizon + on.unit * 40, on.height))
        on.circle(place, on.unit * on.between(14, 55), mixed(on.colour(number), "#707070", 0.4))


def _circles(on: Sheet) -> None:
    most = on.unit * on.between(300, 460)
    for ring in range(8):
        on.circle(on.focus, most * (1 - ring / 8), on.colour(ring), 0.9)


def _stripes(on: Sheet) -> None:
    count, upright = on.chance.whole(7, 13), on.chance.happens(0.5)
    for number in range(count):
        if upright:
            on.box((on.width * number / count, 0), (on.width / count * 0.55, on.height), on.colour(number), 0.75)
        else:
            on.box((0, on.height * number / count), (on.width, on.height / count * 0.55), on.colour(number), 0.75)


def _squares(on: Sheet) -> None:
    across = on.chance.whole(4, 6)
    cell, gone = min(on.width, on.height) * 0.84 / across, on.chance.whole(0, across * across - 1)
    left, top = (on.width - cell * across) / 2, (on.height - cell * across) / 2
    for number in range(across * across):
        if number != gone:
            row, column = divmod(number, across)
            on.box((left + column * cell, top + row * cell), (cell * 0.8, cell * 0.8), on.colour(number * 7 // 3))


def _triangles(on: Sheet) -> None:
    for number in range(9):
        x, y, size = on.between(0, on.width), on.between(0.1, 0.9) * on.height, on.unit * on.between(120, 300)
        turn = on.between(0, 6.283)
        corners = [(x + size * math.cos(turn + 2.094 * k), y + size * math.sin(turn + 2.094 * k)) for k in range(3)]
        on.polygon(corners, on.colour(number), 0.85)


def _spiral(on: Sheet) -> None:
    x, y = on.focus
    for arm in range(5):
        path = f"M{x:.1f} {y:.1f}"
        for step in range(1, 15):
            turn, away = 1.257 * arm + 0.45 * step, on.unit * 38 * step
            path += f"L{x + away * math.cos(turn):.1f} {y + away * math.sin(turn):.1f}"
        on.line(path, on.colour(arm), 26, 0.7)


def _figures(on: Sheet) -> None:
    for number in range(3):
        x, base = (
            on.focus[0] + on.unit * (number - 1) * on.between(110, 240),
            on.horizon + on.unit * on.between(120, 260),
        )
        high = on.unit * on.between(150, 260)
        on.polygon(
            [
                (x - high * 0.16, base),
                (x + high * 0.16, base),
                (x + high * 0.07, base - high),
                (x - high * 0.07, base - high),
            ],
            on.colour(1 + number),
        )
        on.circle((x, base - high * 1.1), high * 0.12, on.against(on.ground))


def _flames(on: Sheet) -> None:
    for _ in range(4):
        x, y, high = on.between(0.1, 0.9) * on.width, on.between(0.5, 0.95) * on.height, on.unit * on.between(70, 150)
        for place, up in enumerate((high, high * 0.55)):
            low, top = y - up * 0.3, y - up * 0.6
            left = f"C{x - up * 0.5:.1f} {low:.1f} {x - up * 0.1:.1f} {top:.1f} {x:.1f} {y - up:.1f}"
            right = f"C{x + up * 0.1:.1f} {top:.1f} {x + up * 0.5:.1f} {low:.1f} {x:.1f} {y:.1f}Z"
            on.shape(f"M{x:.1f} {y:.1f}{left}{right}", on.colour(place))


MOTIFS: dict[str, Callable[[Sheet], None]] = {
    "stripes": _stripes,
    "stars": _stars,
    "sun": _sun,
    "moon": _moon,
    "clouds": _clouds,
    "hills": _hills,
    "waves": _waves,
    "furrows": _furrows,
    "towers": _towers,
    "road": _road,
    "bridge": _bridge,
    "trees": _trees,
    "houses": _houses,
    "stones": _stones,
    "circles": _circles,
    "squares": _squares,
    "triangles": _triangles,
    "spiral": _spiral,
    "boat": _boat,
    "flowers": _flowers,
    "figures": _figures,
    "reeds": _reeds,
    "birds": _birds,
    "flames": _flames,
}
"""From back to front, in the order of painting."""
FLAT = frozenset({"stripes", "circles", "squares", "triangles", "spiral"})
"""What hangs in no landscape. A picture of these alone has no horizon."""
LAND = frozenset({"hills", "waves", "furrows", "towers"})
"""What covers the lower part of a picture. Where none of these is, there is bare ground."""
