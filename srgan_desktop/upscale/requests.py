"""What is asked of the worker, from the options as they are, and how two such requests differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from core.contract.errors import UserError
from core.contract.settings import SETTINGS
from core.contract.upscale import Input, PreviewRequest, Region, UpscaleRequest
from core.images import FORMATS
from core.language import gettext as _
from core.language import in_sentence, listed
from core.models.catalogue import AUTOMATIC, Model, base_of, cleaner_of, find_model
from srgan_desktop import settings
from srgan_desktop.detail import clean_up_in_use, detail_in_use, name_of
from srgan_desktop.settings import Settings

LOOK = tuple(name for name, each in SETTINGS.items() if each.decides and each.previewed)
"""The fields of a request that decide how a result looks, so that a preview shows the difference."""
RESULT = (*LOOK, *(name for name, each in SETTINGS.items() if each.decides and not each.previewed))
"""The fields that decide a result: where one differs, a picture is done again."""
RUN = (*RESULT, "output", *(name for name, each in SETTINGS.items() if not each.decides and name != "recursive"))
"""The fields that a run keeps from its start to its end."""
OPTIONS = tuple(settings.OUTPUT if name == "output" else settings.UPSCALE[name] for name in RUN)
"""The options behind these fields."""


def upscale_request(options: Settings, inputs: Iterable[Input]) -> UpscaleRequest:
    """A batch of these pictures."""
    output = options.get(settings.OUTPUT)
    return UpscaleRequest(tuple(inputs), Path(output) if output else None, **_in_use(options))


def preview_request(options: Settings, source: Path, region: Region) -> PreviewRequest:
    """A live preview of one region (x, y, width, height in pixels of the source)."""
    return PreviewRequest(source, region, **_in_use(options))


def _in_use(options: Settings) -> dict[str, Any]:
    """The settings of upscaling, by field; detail and clean-up are those that the model has a choice of."""
    values = options.upscale()
    model = values["model"]
    return values | {"detail": detail_in_use(options, model), "clean_up": clean_up_in_use(options, model)}


class RunSettings:
    """The settings of the run under way beside those that the options ask for now."""

    def __init__(self, options: Settings) -> None:
        self._options = options
        self._wanted: UpscaleRequest | None = None
        self._words_in_force: str | None = None
        self.in_force: UpscaleRequest | None = None
        """What the run does until its end, in a request without inputs; of the last one, where none is under way."""

    @property
    def wanted(self) -> UpscaleRequest:
        """The options as they are, in a request without inputs."""
        if self._wanted is None:
            self._wanted = upscale_request(self._options, ())
        return self._wanted

    def forget_wanted(self) -> None:
        """Read the options anew, as one of them has changed."""
        self._wanted = self._words_in_force = None

    def keep(self) -> None:
        """Let a run that begins keep the options as they are."""
        # Models come, go and change their place without a word.
        self.forget_wanted()
        self.in_force = self.wanted

    def words_in_force(self) -> str:
        """The settings of the run that are no longer those of the options, in words."""
        if self.in_force is None:
            return ""
        if self._words_in_force is None:
            # Asked for at every progress, and models are looked up on the disk.
            self._words_in_force = settings_words(self.in_force, differing(self.in_force, self.wanted, RUN))
        return self._words_in_force


def differing(one: UpscaleRequest, other: UpscaleRequest, fields: Iterable[str]) -> tuple[str, ...]:
    """Those of the fields in which two requests differ."""
    return tuple(name for name in fields if getattr(one, name) != getattr(other, name))


def settings_words(request: UpscaleRequest, fields: Iterable[str]) -> str:
    """These fields of a request in a few words: `Photographs, Detail 50 %`."""
    return listed(words for name in fields if (words := _words(request, name)))


def _words(request: UpscaleRequest, field: str) -> str:
    match field:
        case "model":
            return _model_name(request.model)
        case "detail":
            return _("Detail {detail} %").format(detail=request.detail) if _has(base_of, request.model) else ""
        case "clean_up":
            return (
                _("Clean-up {clean_up} %").format(clean_up=request.clean_up) if _has(cleaner_of, request.model) else ""
            )
        case "before":
            return (
                _("after {before}").format(before=_(" and ").join(map(_model_name, request.before)))
                if request.before
                else _("no model before it")
            )
        case "size":
            size = request.size
            if size.kind == "print":
                return _("{value:g} cm at {dpi} dpi").format(value=size.value, dpi=size.dpi)
            sizes = {
                "factor": "{value:g}×",
                "width": _("width {value:g} px"),
                "height": _("height {value:g} px"),
                "longest": _("longest {value:g} px"),
            }
            return sizes[size.kind].format(value=size.value)
        case "format":
            return FORMATS[request.format].label if request.format in FORMATS else _("format as source")
        case "depth":
            return _("16 bits per channel") if request.depth == "16" else _("depth as source")
        case "tie_colours":
            return _("colours tied") if request.tie_colours else _("colours not tied")
        case "keep_date":
            return _("with file dates") if request.keep_date else _("without file dates")
        case "provenance":
            return _("with provenance") if request.provenance else _("without provenance")
        case "wrap":
            return _("seamless") if request.wrap else _("not seamless")
        case "larger":
            words = {
                "skip": _("larger ones left out"),
                "copy": _("larger ones copied"),
                "shrink": _("larger ones made smaller"),
            }
            return words[request.larger]
        case "result_name":
            return (
                _("named {result_name}").format(result_name=request.result_name)
                if request.result_name
                else _("names as before")
            )
        case "frames":
            return _("only first pages and frames") if request.frames == "first" else _("all pages and frames")
        case "archives":
            return _("archives of archives") if request.archives == "archive" else _("folders of archives")
        case "keep_values":
            return _("with measured values") if request.keep_values else _("values of pictures")
        case "keep_metadata":
            return _("with metadata") if request.keep_metadata else _("without metadata")
        case "ensemble":
            return _("8 passes") if request.ensemble else _("1 pass")
        case "precision":
            return _("automatic precision") if request.precision == "auto" else request.precision
        case "output":
            return (
                _("saved to {name}").format(name=request.output.name or request.output)
                if request.output
                else _("saved beside the sources")
            )
        case "existing":
            existing = {"skip": _("skips what is done"), "number": _("keeps both"), "replace": _("replaces results")}
            return existing[request.existing]
        case "tile":
            return _("tile {tile}").format(tile=request.tile) if request.tile else _("automatic tile")
    declared, value = SETTINGS[field], getattr(request, field)
    if isinstance(value, bool):
        with_or_without = _("with {setting}") if value else _("without {setting}")
        return with_or_without.format(setting=in_sentence(declared.plain_label))
    return f"{in_sentence(declared.plain_label)} {value} {declared.unit}".strip()


def _model_name(key: str) -> str:
    if key == AUTOMATIC:
        return _("Automatic")
    try:
        return name_of(find_model(key))
    except UserError:
        return Path(key).stem


def has_detail(model: str) -> bool:
    """Whether there is a choice of detail for a model."""
    return _has(base_of, model)


def _has(other_end: Callable[[Model], Model | None], key: str) -> bool:
    """Whether a model is one end of a slider, whose other one is here too."""
    try:
        return other_end(find_model(key)) is not None
    except UserError:
        return False
