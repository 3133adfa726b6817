"""Record sleeves for the made-up albums: PNG pictures, the same for the same album each time.

Belongs here: how a sleeve looks. Does not belong here: at which address it is (`pictures`).
A sleeve is drawn row by row, in a square whose sides are 1. A row is bytes of red, green and blue;
each shape says from where to where it covers the row, and only the pixels at these ends are
blended. So 300 rows take some milliseconds without any library.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from collections.abc import Callable, Sequence

Color = tuple[int, int, int]
Span = tuple[float, float]
Covers = Callable[[float], Sequence[Span]]  # of a row, by its distance from the upper edge
Shape = tuple[Covers, Color]
Sleeve = tuple[Color, Color, float, list[Shape]]  # background: two colours, its slant; then shapes

# A ground, three colours that stand well on it, and a light or dark accent.
PALETTES: tuple[tuple[str, ...], ...] = (
    ("#f2e8d5", "#e4572e", "#17304a", "#f0a83c", "#7fa99b"),
    ("#14213d", "#fca311", "#e5e5e5", "#2f6690", "#d1495b"),
    ("#f6d5c3", "#c8553d", "#588b8b", "#2d3a3a", "#ffd5a1"),
    ("#1f1235", "#ff6f91", "#845ec2", "#ffc75f", "#4b4453"),
    ("#e8efe4", "#2f5d50", "#96bb7c", "#eebb4d", "#d64545"),
    ("#0b3c49", "#f3dfc1", "#e4959e", "#731963", "#37a6a6"),
    ("#faf3dd", "#5e6472", "#aed9e0", "#ffa69e", "#b8595f"),
    ("#231f20", "#bb4430", "#efe6dd", "#7ebdc2", "#f3dfa2"),
    ("#dfe7fd", "#3d348b", "#7678ed", "#f7b801", "#f35b04"),
    ("#2b2d42", "#edf2f4", "#ef233c", "#8d99ae", "#d8a47f"),
    ("#f4d35e", "#0d3b66", "#ee964b", "#faf0ca", "#f95738"),
    ("#10312b", "#d9c5a0", "#b5532a", "#6a994e", "#f1e3c8"),
    ("#f7ede2", "#84a59d", "#f28482", "#f6bd60", "#3f4e4f"),
    ("#3a0f2d", "#f2c6b4", "#e0607e", "#7a2e55", "#fff1e6"),
)


def sleeve(album: str, size: int) -> bytes:
    """The sleeve of an album, so many pixels wide and high, as a PNG file."""
    rng = random.Random(album)
    palette = [_color(text) for text in rng.choice(PALETTES)]
    first, last, slant, shapes = rng.choice(COMPOSITIONS)(rng, palette)
    ramp = _ramp(first, last, size, slant)
    rows = bytearray()
    for number in range(size):
        y = (number + 0.5) / size
        start = round(number * slant) * 3 if slant else 0
        row = ramp[start : start + size * 3] if slant else bytearray(_mix(first, last, y)) * size
        for covers, color in shapes:
            for left, right in covers(y):
                _paint(row, left * size, right * size, color, size)
        rows.append(0)  # PNG's filter of the row: none
        rows += row
    return _png(bytes(rows), size)


def _horizon(rng: random.Random, palette: list[Color]) -> Sleeve:
    """A sun that sets behind hills, or into the sea that it is cut by."""
    ground, *colors = palette
    x, y, radius = rng.uniform(0.3, 0.7), rng.uniform(0.38, 0.52), rng.uniform(0.17, 0.3)
    sky = _mix(ground, colors[3], 0.45)
    if rng.random() < 0.5:
        sun = _circle(x, y + 0.06, radius)
        lines = [(0, 0.5 + step * 0.052, 1, 0.5 + step * 0.056) for step in range(1, 6)]
        cuts = [(_within(sun, line), _mix(ground, sky, 0.6)) for line in lines]
        return ground, sky, 0, [(sun, colors[0]), *cuts]
    hills = [
        (_hill(rng.uniform(-0.2, 1.2), 0.62 + 0.1 * step, rng.uniform(0.5, 0.9)), color)
        for step, color in enumerate((colors[2], colors[1], _mix(colors[1], (0, 0, 0), 0.35)))
    ]
    return ground, sky, 0, [(_circle(x, y, radius), colors[0]), *hills]


def _rings(rng: random.Random, palette: list[Color]) -> Sleeve:
    """Rings around one point, like grooves."""
    ground, *colors = palette
    x, y = rng.choice(((0.5, 0.5), (0.0, 1.0), (1.0, 1.0), (0.5, 1.0), (0.28, 0.34)))
    count = rng.randint(5, 9)
    reach = 0.46 if (x, y) == (0.5, 0.5) else rng.uniform(0.8, 1.05)
    order = _in_some_order(rng, colors, ground)
    shapes: list[Shape] = [
        (_circle(x, y, reach * (count - step) / count), order[step % 5]) for step in range(count)
    ]
    return ground, ground, 0, shapes


def _stripes(rng: random.Random, palette: list[Color]) -> Sleeve:
    """Slanted stripes of unequal width across a gradient."""
    ground, *colors = palette
    slope = rng.choice((-1.0, -0.6, 0.6, 1.0, 0.0))
    shapes: list[Shape] = []
    x = rng.uniform(-0.1, 0.25) - max(slope, 0) * 0.5
    for step in range(rng.randint(4, 6)):
        width = rng.choice((0.035, 0.06, 0.1, 0.17))
        shapes.append((_band(x, width, slope), colors[step % 4]))
        x += width + rng.choice((0.0, 0.0, 0.03, 0.07))
    return ground, _mix(ground, colors[0], 0.18), 1, shapes


def _arches(rng: random.Random, palette: list[Color]) -> Sleeve:
    """Arches within arches, standing on the lower edge."""
    ground, *colors = palette
    x, count = rng.choice((0.5, 0.5, 0.36, 0.64)), rng.randint(4, 6)
    outer, top = rng.uniform(0.36, 0.46), rng.uniform(0.52, 0.66)
    order = _in_some_order(rng, colors, ground)
    shapes: list[Shape] = [
        (_arch(x, top, outer * (count - step) / count), order[step % 5]) for step in range(count)
    ]
    if rng.random() < 0.6:
        shapes.insert(0, (_circle(0.98 - x * 0.9, 0.2, 0.09), colors[3]))
    return ground, ground, 0, shapes


def _blocks(rng: random.Random, palette: list[Color]) -> Sleeve:
    """A grid of squares with quarters of circles, halves and dots."""
    ground = palette[0]
    count = rng.choice((3, 4))
    side = 1 / count
    shapes: list[Shape] = []
    for place in range(count * count):
        left, top = place % count * side, place // count * side
        below, above = rng.sample(palette, 2)
        shapes.append((_box(left, top, left + side, top + side), below))
        kind = rng.randrange(5)
        if kind < 3:
            x, y = left + side * rng.randrange(2), top + side * rng.randrange(2)
            cell = (left, top, left + side, top + side)
            shapes.append((_within(_circle(x, y, side), cell), above))
        elif kind == 3:
            shapes.append((_circle(left + side / 2, top + side / 2, side * 0.32), above))
        else:
            shapes.append((_box(left, top + side / 2, left + side, top + side), above))
    return ground, ground, 0, shapes


def _poster(rng: random.Random, palette: list[Color]) -> Sleeve:
    """One large disc, a bar, and a small dot: a poster of the sixties."""
    ground, *colors = palette
    radius = rng.uniform(0.27, 0.36)
    x, y = rng.uniform(0.36, 0.64), rng.uniform(0.36, 0.5)
    bar = rng.uniform(0.6, 0.76)
    shapes: list[Shape] = [(_circle(x, y, radius), colors[0])]
    shapes.append((_box(0, bar, 1, 1), colors[1]))
    shapes.append((_within(_circle(x, y, radius), (0, bar, 1, 1)), _mix(colors[0], colors[1], 0.5)))
    beside = x + rng.choice((-1, 1)) * radius * 0.9
    shapes.append((_circle(beside, y - radius * 0.75, 0.06), colors[3]))
    shapes.append((_box(0.08, 0.9, rng.uniform(0.3, 0.6), 0.915), ground))
    return ground, ground, 0, shapes


def _peaks(rng: random.Random, palette: list[Color]) -> Sleeve:
    """Mountains, paler the farther away they are, below a moon."""
    ground, *colors = palette
    moon = _circle(rng.uniform(0.2, 0.8), 0.26, rng.uniform(0.07, 0.13))
    shapes: list[Shape] = [(moon, colors[3])]
    for layer in range(4):
        color = _mix(_mix(ground, colors[1], 0.35), colors[0], layer / 3)
        top = 0.34 + 0.15 * layer
        for step in range(3):
            x = (step + rng.uniform(0.1, 0.9)) / 3
            shapes.append((_peak(x, top + rng.uniform(0, 0.1), rng.uniform(0.9, 1.4)), color))
    return ground, _mix(ground, colors[2], 0.4), 0, shapes


def _waves(rng: random.Random, palette: list[Color]) -> Sleeve:
    """Curtains that sway from top to bottom."""
    ground, *colors = palette
    count, swing = rng.randint(5, 8), rng.uniform(0.03, 0.09)
    turns, phase = rng.uniform(0.7, 1.9), rng.uniform(0, 6)
    order = _in_some_order(rng, colors, ground)
    shapes: list[Shape] = [
        (_wave((step + 0.6) / count, swing, turns, phase + step * 0.35), order[step % 5])
        for step in range(count)
    ]
    return ground, ground, 0, shapes


def _dots(rng: random.Random, palette: list[Color]) -> Sleeve:
    """Dots that grow along a diagonal, as in a coarse print."""
    ground, *colors = palette
    count, from_left = rng.choice((7, 9)), rng.random() < 0.5
    shapes: list[Shape] = []
    for row in range(count):
        for column in range(count):
            along = (row + (column if from_left else count - 1 - column)) / (2 * count - 2)
            x, y = (column + 0.5) / count, (row + 0.5) / count
            shapes.append((_circle(x, y, (0.08 + 0.5 * along) / count), colors[0]))
    return ground, _mix(ground, colors[1], 0.6), 1, shapes


def _in_some_order(rng: random.Random, colors: list[Color], ground: Color) -> list[Color]:
    """The colours mixed up, then the ground, so that the first one differs from it."""
    return [*rng.sample(colors, len(colors)), ground]


COMPOSITIONS = (_horizon, _rings, _stripes, _arches, _blocks, _poster, _peaks, _waves, _dots)


def _circle(x: float, y: float, radius: float) -> Covers:
    def covers(at: float) -> Sequence[Span]:
        half = radius * radius - (at - y) ** 2
        return () if half <= 0 else ((x - math.sqrt(half), x + math.sqrt(half)),)

    return covers


def _box(left: float, top: float, right: float, bottom: float) -> Covers:
    return lambda at: ((left, right),) if top <= at < bottom else ()


def _within(shape: Covers, box: tuple[float, float, float, float]) -> Covers:
    """The part of a shape that lies in a box (left, top, right, bottom)."""
    left, top, right, bottom = box
    return lambda at: (
        [(max(a, left), min(b, right)) for a, b in shape(at)] if top <= at < bottom else ()
    )


def _arch(x: float, top: float, radius: float) -> Covers:
    """A half circle on two straight legs, down to the lower edge."""
    circle = _circle(x, top, radius)
    return lambda at: circle(at) if at < top else ((x - radius, x + radius),)


def _band(left: float, width: float, slope: float) -> Covers:
    return lambda at: ((left + slope * at, left + slope * at + width),)


def _peak(x: float, top: float, slope: float) -> Covers:
    return lambda at: ((x - (at - top) / slope, x + (at - top) / slope),) if at > top else ()


def _hill(x: float, top: float, radius: float) -> Covers:
    return _circle(x, top + radius, radius)


def _wave(left: float, swing: float, turns: float, phase: float) -> Covers:
    return lambda at: ((left + swing * math.sin(turns * math.tau * at + phase), 1.0),)


def _paint(row: bytearray, left: float, right: float, color: Color, size: int) -> None:
    """Cover a row from one place to another, in pixels; a pixel in part where it is so."""
    left, right = max(left, 0.0), min(right, float(size))
    if right <= left:
        return
    begin, end = math.ceil(left), math.floor(right)
    if begin > end:  # both within one pixel
        _blend(row, end, color, right - left)
        return
    row[begin * 3 : end * 3] = bytes(color) * (end - begin)
    if begin > left:
        _blend(row, begin - 1, color, begin - left)
    if end < right:
        _blend(row, end, color, right - end)


def _blend(row: bytearray, place: int, color: Color, share: float) -> None:
    for offset, value in enumerate(color, start=place * 3):
        row[offset] += round((value - row[offset]) * share)


def _ramp(first: Color, last: Color, size: int, slant: float) -> bytearray:
    """A gradient long enough for every row to begin some pixels after the row before."""
    length = size + math.ceil(size * slant)
    ramp = bytearray()
    for place in range(length):
        ramp += bytes(_mix(first, last, place / length))
    return ramp


def _mix(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _color(text: str) -> Color:
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _png(rows: bytes, size: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    eight_bits_of_rgb = (8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, *eight_bits_of_rgb))
        + chunk(b"IDAT", zlib.compress(rows, 6))
        + chunk(b"IEND", b"")
    )
