"""Pictures drawn by the trainer: text, shapes, lines and stripes, which collections of photographs have hardly any of.

They have no author, no licence and no JPEG noise. Only Pillow's built-in typeface is used, so that a seed gives the
same pictures on every machine.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 512
"""Pixels of a picture's sides."""
COUNT = 128
"""Pictures that a run draws crops from."""
_FINE = 3
"""Shapes are drawn so many times as large and reduced, for edges as a camera or a renderer makes them."""
_LETTERS = "eeeeeaaaattttooooiiinnnnssshhhrrrdddlllcccuuummmwwfffggyyppbbvkjxqz"
_SIGNS = "0123456789.,;:!?()/&%+-="
_TEXT = (11, 72)
"""Smallest and largest type, in pixels."""


def draw(random: np.random.Generator) -> np.ndarray:
    """Draw a picture of its own kind: a page of text, or shapes with some text over them.

    Args:
        random: decides everything.

    Returns:
        `SIDE` x `SIDE` x 3 uint8 RGB.
    """
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
