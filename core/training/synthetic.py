"""Synthetic pictures: text, shapes, lines, stripes and dead leaves.

Collections of photographs have hardly any text and few clean edges. Dead leaves are shapes of all sizes dropped over
one another until nothing else is seen: the simplest picture with the statistics of edges that the world has (Lee,
Mumford & Huang 2001), and enough to train a restoration network on (Achddou, Gousseau & Ladjal 2021).

They have no author, no licence and no JPEG noise. Only Pillow's built-in typeface is used, so that a seed gives the
same pictures on every machine.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 512
"""Pixels of a picture's sides."""
COUNT = 512
"""Pictures that a run draws crops from."""
_FINE = 3
"""Shapes are drawn so many times as large and reduced, for edges as a camera or a renderer makes them."""
LEAVES = 0.5
"""Share of the pictures that are dead leaves."""
_LEAF = (2.0, 140.0)
"""Smallest and largest radius of a leaf, in pixels."""
_LETTERS = "eeeeeaaaattttooooiiinnnnssshhhrrrdddlllcccuuummmwwfffggyyppbbvkjxqz"
_SIGNS = "0123456789.,;:!?()/&%+-="
_TEXT = (11, 72)
"""Smallest and largest type, in pixels."""


def draw(random: np.random.Generator) -> np.ndarray:
    """Draw a picture of its own kind: dead leaves, a page of text, or shapes with some text over them.

    Args:
        random: decides everything.

    Returns:
        `SIDE` x `SIDE` x 3 uint8 RGB.
    """
    if random.random() < LEAVES:
        return dead_leaves(random)
    picture = _ground(random) if random.random() < 0.4 else _shapes(random)
    for _ in range(int(random.integers(1, 4))):
        _write(picture, random)
    return np.asarray(picture)


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    """Any colour; greys, black and white more often, as on pages and screens."""
    kind = random.random()
    if kind < 0.2:
        return (0, 0, 0) if kind < 0.1 else (255, 255, 255)
    if kind < 0.45:
        grey = int(random.integers(256))
        return (grey, grey, grey)
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return (red, green, blue)


def _ground(random: np.random.Generator) -> Image.Image:
    """A plain or slowly changing background."""
    first, second = _colour(random), _colour(random)
    if random.random() < 0.6:
        return Image.new("RGB", (SIDE, SIDE), first)
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-0.5 : 0.5 : SIDE * 1j, -0.5 : 0.5 : SIDE * 1j]
    share = np.clip(0.5 + x * np.cos(angle) + y * np.sin(angle), 0, 1)[..., None]
    blended = np.array(first) * (1 - share) + np.array(second) * share
    return Image.fromarray(np.round(blended).astype(np.uint8))


def _shapes(random: np.random.Generator) -> Image.Image:
    side = SIDE * _FINE
    picture = _ground(random).resize((side, side))
    canvas = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(4, 30))):
        middle = random.uniform(0, side, 2)
        size = side * 2.0 ** random.uniform(-6, -1)
        colour, width = _colour(random), int(_FINE * 2.0 ** random.uniform(0, 4))
        kind = random.random()
        if kind < 0.25:
            corners = middle + random.normal(0, size, (int(random.integers(3, 8)), 2))
            canvas.polygon([(float(x), float(y)) for x, y in corners], fill=colour)
        elif kind < 0.45:
            radius = np.abs(random.normal(size, size / 3, 2)) + 1
            box = [*(middle - radius), *(middle + radius)]
            canvas.ellipse(box, fill=colour if random.random() < 0.6 else None, outline=_colour(random), width=width)
        elif kind < 0.7:
            points = [(float(x), float(y)) for x, y in _curve(middle, size, random)]
            canvas.line(points, fill=colour, width=width, joint="curve")
        elif kind < 0.85:
            _stripes(picture, middle, size, random)
        else:
            box = [*(middle - size), *(middle + size * random.uniform(0.1, 1, 2))]
            canvas.rounded_rectangle(box, size * random.uniform(0, 0.3), fill=colour, outline=_colour(random))
    return picture.reduce(_FINE)


def _curve(middle: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """Points of a cubic Bezier curve, N x 2."""
    ends = middle + random.normal(0, 2 * size, (4, 2))
    t = np.linspace(0, 1, 40)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return np.asarray(weights @ ends)


def _stripes(picture: Image.Image, middle: np.ndarray, size: float, random: np.random.Generator) -> None:
    """Stripes or a chequered pattern in a disc; the period is such that the reduced picture can still show it."""
    period = _FINE * 2.0 ** random.uniform(3, 6)
    angle, radius = random.uniform(0, np.pi), int(size) + 4 * _FINE
    y, x = np.mgrid[-radius:radius, -radius:radius].astype(np.float32)
    along = np.floor(2 * (x * np.cos(angle) + y * np.sin(angle)) / period)
    across = np.floor(2 * (y * np.cos(angle) - x * np.sin(angle)) / period) if random.random() < 0.3 else 0
    on = ((along + across) % 2 > 0) & (x**2 + y**2 < radius**2)
    mask = Image.fromarray((255 * on).astype(np.uint8))
    picture.paste(_colour(random), (int(middle[0]) - radius, int(middle[1]) - radius), mask)


def dead_leaves(random: np.random.Generator) -> np.ndarray:
    """Leaves of one palette over one another; some graded, some grainy, some outlined."""
    side, (smallest, largest) = SIDE * _FINE, _LEAF
    count = int(random.integers(300, 2000))
    # Radii of density r^-3, by which a picture looks alike at every scale. The first one covers everything.
    least = smallest * 2.0 ** random.uniform(0, 3)
    radii = _FINE / np.sqrt(random.uniform(largest**-2, least**-2, count))
    radii[: count // 20] = _FINE * random.uniform(largest / 2, largest, count // 20)
    numbers = Image.new("I", (side, side))
    canvas = ImageDraw.Draw(numbers)
    outlined = random.random(count) < random.choice([0.0, 0.15, 0.8])
    kind = random.integers(4)
    for number in range(1, count):
        outline = _outline(radii[number], int(kind) if kind < 3 else int(random.integers(3)), random)
        points = (random.uniform(0, side, 2) + outline).ravel().tolist()
        canvas.polygon(points, fill=number)
        if outlined[number]:
            width = max(1, round(min(radii[number] * random.uniform(0.05, 0.3), _FINE * 2.0 ** random.uniform(0, 3))))
            # The number after the last is the outlines' one colour, as veins and contours have.
            joint = "curve" if width > _FINE else None
            canvas.line([*points, *points[:2]], fill=count, width=width, joint=joint)
    return _filled(np.asarray(numbers), count + 1, random)


def _outline(radius: float, kind: int, random: np.random.Generator) -> np.ndarray:
    """Corners of a leaf around 0, N x 2: 0 an ellipse, 1 a polygon, 2 a smooth blob, lobed or long."""
    turn = random.uniform(0, 2 * np.pi)
    if kind == 1:
        angles = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(3, 8))))
        distance = radius * random.uniform(0.6, 1.4, len(angles))
    else:
        angles = np.linspace(0, 2 * np.pi, 12 + int(2 * np.sqrt(radius)), endpoint=False)
        distance = np.full(len(angles), radius)
        for waves in range(2, 6) if kind == 2 else ():
            distance *= 1 + random.normal(0, 0.5 / waves) * np.sin(waves * angles + random.uniform(0, 2 * np.pi))
    # From as wide as it is long down to an eighth of that: blades and branches.
    stretch = np.array([1.0, 2.0 ** -(3 * random.random() ** 2)])
    x, y = stretch[:, None] * distance * np.stack([np.cos(angles), np.sin(angles)])
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)


def _filled(numbers: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Give each leaf its colour: one of few hues, more or less light, flat, graded or with a grain of its own."""
    hues = np.array([_colour(random) for _ in range(int(random.integers(2, 9)))])
    colours = hues[random.integers(0, len(hues), count)] + random.normal(0, 1, (count, 1)) * random.uniform(0, 60)
    colours += random.normal(0, random.uniform(0, 25), (count, 3))
    table = np.zeros((count, 4), np.uint8)
    table[:, :3] = np.clip(colours, 0, 255)
    # A pixel's four bytes at once: many times quicker than row by row.
    rgbx = table.view(np.uint32)[numbers, 0].view(np.uint8).reshape(*numbers.shape, 4)
    picture = np.asarray(Image.fromarray(rgbx, "RGBX").reduce(_FINE).convert("RGB"))
    of_pixel = numbers[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE]
    added = np.zeros((SIDE, SIDE), np.float32)
    if random.random() < 0.5:
        # Light that falls off along each leaf in a direction of its own, as on round things.
        slopes = (random.normal(0, 60, (count, 2)) * (random.random((count, 1)) < 0.5)).astype(np.float32)
        y, x = np.ogrid[-0.5 : 0.5 : SIDE * 1j, -0.5 : 0.5 : SIDE * 1j]
        added += slopes[:, 0][of_pixel] * x.astype(np.float32) + slopes[:, 1][of_pixel] * y.astype(np.float32)
    if random.random() < 0.4:
        strength = (random.uniform(0, 30, count) * (random.random(count) < 0.5)).astype(np.float32)
        added += strength[of_pixel] * film_grain(random)
    return np.clip(np.round(picture + added[..., None]), 0, 255).astype(np.uint8)


def film_grain(random: np.random.Generator) -> np.ndarray:
    """SIDE x SIDE float32 noise of mean 0 and standard deviation 1, whose amplitude falls with frequency."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij"))
    fall = (frequency + 4 / SIDE) ** -random.uniform(0.5, 1.8)
    noise = np.fft.irfft2(np.fft.rfft2(random.normal(0, 1, (SIDE, SIDE))) * fall, (SIDE, SIDE))
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _write(picture: Image.Image, random: np.random.Generator) -> None:
    """Some lines of made-up words, upright or turned, of one size and colour."""
    smallest, largest = _TEXT
    size = smallest * (largest / smallest) ** random.random()
    font = ImageFont.load_default(size)
    heavy = int(random.integers(0, 2 + int(size / 24)))
    lines = [_words(random, int(2 * SIDE / size)) for _ in range(int(random.integers(1, 2 + int(SIDE / size / 2))))]
    mask = Image.new("L", (SIDE, SIDE))
    place = (int(random.integers(-40, SIDE // 2)), int(random.integers(-20, SIDE - 40)))
    spacing = size * random.uniform(0.1, 0.7)
    ImageDraw.Draw(mask).multiline_text(
        place, "\n".join(lines), fill=255, font=font, spacing=spacing, stroke_width=heavy
    )
    # Sheared and stretched, one typeface does for upright, slanted, wide and narrow ones.
    if random.random() < 0.5:
        angle = random.normal(0, 0.1) if random.random() < 0.7 else random.uniform(-np.pi, np.pi)
        wide, slant = random.uniform(0.75, 1.3), random.uniform(-0.1, 0.4)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.array([[1 / wide, slant], [0, 1]]) @ turn
        offset = SIDE / 2 - matrix @ np.full(2, SIDE / 2)
        data = (*matrix[0], offset[0], *matrix[1], offset[1])
        mask = mask.transform((SIDE, SIDE), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    picture.paste(_colour(random), (0, 0), mask)


def _words(random: np.random.Generator, length: int) -> str:
    """Pronounceable or not: letters about as often as in English, some capitals, digits and signs."""
    words: list[str] = []
    while sum(len(word) for word in words) < length:
        kind = random.random()
        letters = _SIGNS[:10] if kind < 0.1 else _SIGNS if kind < 0.13 else _LETTERS
        word = "".join(letters[int(k)] for k in random.integers(0, len(letters), int(random.integers(1, 10))))
        words.append(word.upper() if kind > 0.9 else word.capitalize() if kind > 0.7 else word)
    return " ".join(words)
