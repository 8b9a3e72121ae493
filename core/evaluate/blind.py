"""A blind test: pairs of pictures on a page of its own, answered by a person who does not know which is whose.

Figures rank results as figures can; whether people prefer one takes people. The page shuffles order and sides in the
browser, anew for every run, counts the answers, and says by a sign test how likely chance would give them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator

import numpy as np
from PIL import Image

from core import language, paths
from core.atomic import check_free, replacing
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import BICUBIC, BlindReady, BlindRequest, CheckProgress
from core.contract.upscale import Input
from core.evaluate.benchmark import SMALLEST, add_wear
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, middle, reduce_bicubic, rgb8
from core.images import load
from core.language import gettext as _
from core.language import headed, sentences
from core.upscale.engine import Engine, open_engine
from core.upscale.picture import without_colour
from core.upscale.scan import scan

TEMPLATE = paths.RESOURCES / "pages" / "blind.html"
PLACE = "/*DATA*/"
WORDS = {
    "title": _("Which one is better?"),
    "how": _(
        "Click the left or the right one, or use the keys: ← left, → right, ↓ no difference, Backspace back one. The "
        "sides are shuffled anew for every pair; the end tells which was which."
    ),
    "left": _("Left"),
    "right": _("Right"),
    "back": _("Back"),
    "same": _("No difference"),
    "count": _("{number} of {all}"),
    "result": _("Result"),
    "neither": _("Neither was chosen more often."),
    "hardly": _(
        "Chosen: {more} {often}×, {less} {seldom}×. A coin would part them so unevenly in {percent} % of such tests: "
        "this is hardly chance."
    ),
    "perhaps": _(
        "Chosen: {more} {often}×, {less} {seldom}×. A coin would part them so unevenly in {percent} % of such tests: "
        "this may be chance."
    ),
    "picture": _("Picture"),
    "chosen": _("Chosen"),
    "save": _("Save the answers"),
    "again": _("Start again"),
}
"""What the page says beside the question; it fills in the places itself."""
ASK_BETTER, CAPTION_BETTER = _("Which one would you rather have?"), _("the small picture, plainly enlarged")
ASK_NEARER, CAPTION_NEARER = _("Which one looks more like the one in the middle?"), _("the original")


def blind(request: BlindRequest, cancel: CancelToken) -> Iterator[CheckProgress | BlindReady]:
    """Enlarge a part of each picture by both, and write the page.

    Yields:
        A `CheckProgress` after each picture, then a `BlindReady`.

    Raises:
        UserError: a model is unusable, the two enlarge by different factors, no picture can be used, or the page cannot
            be written, is there already or is to have another suffix.
        Cancelled: asked for; nothing is written then.
    """
    if request.page.suffix.lower() not in (".html", ".htm"):
        raise UserError(_("“{name}” is not a name for a page.").format(name=request.page.name), _("End it in .html."))
    check_free([request.page])
    engines = [
        None if name == BICUBIC else open_engine(name, request.device, request.precision, detail=detail)
        for name, detail in zip((request.first, request.second), request.details, strict=True)
    ]
    scales = {engine.scale for engine in engines if engine is not None}
    if len(scales) > 1:
        raise UserError(
            _("These models enlarge {less}x and {more}x.").format(less=min(scales), more=max(scales)),
            _("Choose two of one factor."),
        )
    scale = scales.pop() if scales else 4
    found = list(scan(tuple(map(Input, request.pictures)), recursive=True, cancel=cancel))
    pairs: list[dict[str, str]] = []
    left_out: list[str] = []
    for number, each in enumerate(found):
        cancel.check()
        try:
            if not isinstance(each, Input):
                raise each.error
            picture = load(each.path)
            small, reference = _shown(rgb8(picture.pixels), scale, request, number)
        except UserError as error:
            left_out.append(headed(each.path.name, error.message))
            continue
        grey = picture.colourless and not request.worn
        first, second = (_enlarged(engine, small, scale, cancel, grey=grey) for engine in engines)
        pairs.append(
            {"name": each.path.name, "a": _inline(first), "b": _inline(second), "reference": _inline(reference)}
        )
        yield CheckProgress((number + 1) / len(found))
    if not pairs:
        raise UserError(
            sentences((_("None of these pictures can be used."), *left_out[:1])),
            _("Choose pictures of at least {smallest} pixels a side.").format(
                smallest=SMALLEST * (scale if request.reduced else 1)
            ),
        )
    names = [BICUBIC if engine is None else engine.name for engine in engines]
    _write(request, names, pairs)
    yield BlindReady(request.page, len(pairs), tuple(left_out))


def _shown(pixels: np.ndarray, scale: int, request: BlindRequest, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(what the models get, what stands below), from the middle of the picture."""
    side = request.side * scale if request.reduced else request.side
    part = np.ascontiguousarray(pixels[middle(pixels.shape, side)])
    if request.reduced:
        part = np.ascontiguousarray(crop_to_multiple(part, scale))
    small = reduce_bicubic(part, scale) if request.reduced else part
    if min(small.shape[:2]) < SMALLEST:
        raise UserError(
            _("{width} x {height} pixels are too few.").format(width=pixels.shape[1], height=pixels.shape[0])
        )
    if request.worn:
        small = add_wear(small, seed)
    return small, part if request.reduced else enlarge_bicubic(part, scale)


def _enlarged(engine: Engine | None, small: np.ndarray, scale: int, cancel: CancelToken, *, grey: bool) -> np.ndarray:
    if engine is None:
        return enlarge_bicubic(small, scale)
    result = engine.upscale(small, cancel)
    return without_colour(result) if grey else result


def _inline(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _write(request: BlindRequest, names: list[str], pairs: list[dict[str, str]]) -> None:
    data = {
        "id": hashlib.sha256(json.dumps([names, pairs]).encode()).hexdigest()[:12],
        "question": ASK_NEARER if request.reduced else ASK_BETTER,
        "caption": CAPTION_NEARER if request.reduced else CAPTION_BETTER,
        "words": WORDS,
        "names": {"a": names[0], "b": names[1]},
        "pairs": pairs,
    }
    # A file name with a tag in it would otherwise end the script.
    text = json.dumps(data).replace("<", "\\u003c")
    page = TEMPLATE.read_text(encoding="utf-8").replace("/*LANGUAGE*/", language.tag()).replace(PLACE, text)
    try:
        request.page.parent.mkdir(parents=True, exist_ok=True)
        with replacing(request.page) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(
            _("{page} cannot be written: {strerror}.").format(page=request.page, strerror=error.strerror),
            _("Choose another place."),
        ) from error
