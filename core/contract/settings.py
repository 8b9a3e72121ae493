"""The settings of upscaling, each declared once: default, values, label, tooltip, command-line option, what it decides.

The window, the command line, the settings file, the settings fingerprint and README's table read the declarations in
`UpscaleSettings`. What a new setting takes beside its declaration is in docs/architecture.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from string import Formatter
from typing import Any, Generic, Literal, TypeVar, cast

from core.contract.errors import UserError
from core.language import gettext as _
from core.language import in_sentence, listed, without_letter

ExistingPolicy = Literal["skip", "number", "replace"]
LargerPolicy = Literal["skip", "copy", "shrink"]
Depth = Literal["source", "16"]
FramesPolicy = Literal["all", "first"]
ArchivesPolicy = Literal["folder", "archive"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
SizeKind = Literal["factor", "width", "height", "longest", "print"]

MIN_FACTOR = 0.1
MAX_FACTOR = 64.0
MAX_SIDE = 1_000_000
MAX_DPI = 100_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OutputSize:
    """How large a picture becomes: a factor, one target side in pixels, or its longest side in print; the aspect ratio
    is kept."""

    kind: SizeKind = "factor"
    value: float = 4.0
    """The factor (0.1 to 64), the target side in pixels, or the longest side in centimetres."""
    dpi: int = 0
    """Pixels per inch of a size in print, which its results say they have; 0 for all others."""

    def __post_init__(self) -> None:
        if self.kind == "factor" and not MIN_FACTOR <= self.value <= MAX_FACTOR:
            raise UserError(
                _("A factor of {value:g} is out of range.").format(value=self.value),
                _("Choose {min_factor:g} to {max_factor:g}.").format(min_factor=MIN_FACTOR, max_factor=MAX_FACTOR),
            )
        if self.kind == "print" and not 1 <= self.dpi <= MAX_DPI:
            raise UserError(
                _("{dpi} dpi is out of range.").format(dpi=self.dpi),
                _("Choose 1 to {max_dpi:,}.").format(max_dpi=MAX_DPI),
            )
        if self.kind != "factor" and not 1 <= self._pixels <= MAX_SIDE:
            raise UserError(
                _("A side of {pixels:g} pixels is out of range.").format(pixels=self._pixels),
                _("Choose 1 to {max_side:,}.").format(max_side=MAX_SIDE),
            )

    @property
    def _pixels(self) -> float:
        """The target side."""
        return float(max(1, round(self.value / 2.54 * self.dpi))) if self.kind == "print" else self.value

    def of(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) in pixels of what becomes of a `width` x `height` picture; never under 1 x 1."""
        side = {"width": width, "height": height}.get(self.kind, max(width, height))
        factor = self.value if self.kind == "factor" else self._pixels / side
        return max(1, round(width * factor)), max(1, round(height * factor))

    @classmethod
    def parse(cls, text: str) -> OutputSize:
        """Read `4`, `x4`, `4x`, `2.5x` (factors), `1920w`, `1080h`, `2000px` or `42cm@300dpi` (longest side).

        Raises:
            UserError: the text is none of these, or out of range.
        """
        if print_size := re.fullmatch(r"(\d+(?:\.\d+)?)cm@(\d+)(?:dpi)?", text.strip().lower()):
            return cls("print", float(print_size[1]), int(print_size[2]))
        match = re.fullmatch(r"x?(\d+(?:\.\d+)?)(x|w|h|px)?", text.strip().lower())
        if not match:
            raise UserError(
                _("“{text}” is not an output size.").format(text=text),
                _(
                    "Write a factor (4x, 2.5x), a width (1920w), a height (1080h) or a longest side "
                    "(2000px, 42cm@300dpi)."
                ),
            )
        kinds: dict[str, SizeKind] = {"w": "width", "h": "height", "px": "longest"}
        return cls(kinds.get(match[2] or "x", "factor"), float(match[1]))

    def __str__(self) -> str:
        if self.kind == "print":
            return f"{self.value:g}cm@{self.dpi}dpi"
        suffix = {"factor": "x", "width": "w", "height": "h", "longest": "px"}[self.kind]
        return f"{self.value:g}{suffix}"


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """All there is to say about one setting."""

    default: T
    label: str
    """Before its widget; `&` marks the key that leads there."""
    tooltip: str
    """Full sentences: what it does, and what to choose when."""
    help: str = ""
    """The command line's line on it, where `{choices}` and `{default}` stand for these."""
    name: str = ""
    """On the command line, in the window's own file and in the fingerprint; that of the field where it is empty."""
    letter: str = ""
    """The command line's short option, as `s` for `-s`."""
    choices: tuple[tuple[T, str], ...] = ()
    """(value, label) of what the window offers; the only values unless `open`."""
    open: bool = False
    """Whether a file or a command may also say what is not among the choices."""
    low: int | None = None
    """The smallest value of a whole number."""
    high: int | None = None
    unit: str = ""
    """What stands behind the number: `%`, `px`."""
    decides: bool = True
    """Whether a result depends on it: then it is part of the settings fingerprint, and a result that was made with
    another value is not taken for done."""
    previewed: bool = True
    """Whether it changes what a preview shows."""
    verify: Callable[[T], None] | None = None
    """Raises a `UserError` for a value that is not possible, where the other fields cannot tell."""

    @property
    def plain_label(self) -> str:
        """The label without its mark."""
        return without_letter(self.label)

    @property
    def option(self) -> str:
        """The long option of the command line."""
        return f"--{self.name.replace('_', '-')}"

    def write(self, value: T) -> str:
        """A value as `parse` reads it."""
        if isinstance(value, tuple):
            return "\n".join(value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def parse(self, text: str) -> T:
        """Read a value as the command line and the window's file write it; several ones are a line each.

        Raises:
            ValueError: it is not of the setting's kind.
            UserError: it is, and not possible.
        """
        kind = type(self.default)
        value: Any = text
        if kind is bool:
            if text not in ("true", "false"):
                raise ValueError(text)
            value = text == "true"
        elif kind is int:
            value = int(text)
        elif kind is OutputSize:
            value = OutputSize.parse(text)
        elif kind is tuple:
            value = tuple(line for line in text.splitlines() if line)
        self.check(value)
        return value

    def check(self, value: T) -> None:
        """Refuse a value that is out of range or not among the choices.

        Raises:
            UserError: which setting, and what it can be.
        """
        if self.choices and not self.open and value not in dict(self.choices):
            raise UserError(
                _("{name} cannot be “{value}”.").format(name=self.name, value=value),
                _("Choose one of {choices_in_words}.").format(choices_in_words=self.choices_in_words),
            )
        if self.verify is not None:
            self.verify(value)
        number = cast(int, value)
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise UserError(
                _("A {setting} of {number} is out of range.").format(
                    setting=in_sentence(self.plain_label), number=number
                ),
                _("Choose {low:,} to {high:,}.").format(low=self.low, high=self.high),
            )

    @property
    def choices_in_words(self) -> str:
        """The values as a list for people."""
        words = [str(value) for value, _label in self.choices]
        if len(words) < 2:
            return "".join(words)
        return _("{others} or {last}").format(others=listed(words[:-1]), last=words[-1])


def setting(default: T, **declared: Any) -> T:
    """A field of `UpscaleSettings`: its default, and the rest of its `Setting`."""
    return field(default=default, metadata={"setting": {"default": default, **declared}})


NAME_PARTS = ("name", "model", "scale", "size", "width", "height", "folder")
"""What a pattern for the names of results may hold, in braces."""


def check_result_name(pattern: str) -> None:
    """Refuse a pattern that gives no names of files.

    Raises:
        UserError: what is wrong with it.
    """
    if not pattern:
        return
    try:
        parts = [part for _text, part, _format, _conversion in Formatter().parse(pattern) if part is not None]
        pattern.format(**dict.fromkeys(NAME_PARTS, ""))
    except (ValueError, KeyError, IndexError, AttributeError):
        parts = []
    if "name" not in parts or any(character in pattern for character in '/\\:*?"<>|\0'):
        raise UserError(
            _("“{pattern}” is not a valid name pattern.").format(pattern=pattern),
            _("It must hold {{name}}, may hold {name_parts}, and has no slashes.").format(
                name_parts=listed(f"{{{part}}}" for part in NAME_PARTS[1:])
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleSettings:
    """How to upscale. Every field is a declaration of one setting; `SETTINGS` has them by name."""

    model: str = setting(
        "",
        label=_("&Model"),
        tooltip=_(
            "The network that enlarges your pictures. Automatic chooses clean-up and detail for "
            "each picture by its noise, compression and blur; the others are trained for "
            "different tastes."
        ),
        help=_("A model's name, or its file; else {default}."),
        letter="m",
    )
    """Name of a shipped or installed model, or path of a model file; `auto` chooses model, detail and clean-up by what
    each picture has been through; empty is the default model."""
    detail: int = setting(
        100,
        label=_("Detai&l"),
        tooltip=_(
            "How much the network may add. At 0 % it only restores what the small picture proves, "
            "and stays soft where that is little; at 100 % it also draws the texture that is "
            "likely there. In between, the weights of both are averaged."
        ),
        help=_("0 (faithful) to 100, for models with such a choice."),
        low=0,
        high=100,
        unit="%",
    )
    """Percent of the way from the model's base (a faithful one) to the model itself, by network interpolation; only
    100 for a model without a base."""
    clean_up: int = setting(
        0,
        label=_("Clean-&up"),
        tooltip=_(
            "How much noise, grain and compression to remove. At 0 % they stay, enlarged like everything else; "
            "at 100 % they are gone, and the finest texture with them. In between, "
            "the weights of both are averaged."
        ),
        help=_("0 (leave noise, grain and compression) to 100 (take them away), for models with such a choice."),
        low=0,
        high=100,
        unit="%",
    )
    """Percent of the way from the model to its cleaner one, which takes noise, grain and compression away; by network
    interpolation too, and only 0 for a model without one."""
    tie_colours: bool = setting(
        True,
        label=_("Tie colours to the so&urce"),
        tooltip=_(
            "Undoes what the network changed about colours over larger areas: flat colours, greys and normal "
            "maps stay as they were. Detail is not touched."
        ),
        help=_("Undo what the network changed about colours."),
    )
    before: tuple[str, ...] = setting(
        (),
        label=_("&Before enlarging"),
        tooltip=_(
            "A model of scale 1 that repairs the picture first, such as one for JPEG, noise, blur "
            "or printed dots. Automatic then leaves clean-up to it."
        ),
        help=_("A model of scale 1 that repairs the picture first; several run one after the other."),
    )
    """Names or files of models, in the order in which they run."""
    size: OutputSize = setting(
        OutputSize(),
        label=_("Output si&ze"),
        tooltip=_(
            "How large the results become. The network enlarges by its own factor, as often as "
            "needed; the result is then reduced to exactly this size."
        ),
        help=_("4x, 2.5x (factors), 1920w, 1080h, 2000px or 42cm@300dpi (longest side); else {default}."),
        letter="s",
        choices=tuple((OutputSize("factor", factor), f"{factor:g}×") for factor in (2.0, 3.0, 4.0, 8.0)),
        open=True,
    )
    larger: LargerPolicy = setting(
        "skip",
        label=_("&Larger pictures"),
        tooltip=_(
            "What to do with pictures that are larger than the width, height or side asked for: "
            "leave them out, copy them as they are, or make them smaller."
        ),
        help=_("What to do with pictures larger than the width, height or side asked for: {choices}. Else {default}."),
        choices=(("skip", _("Leave out")), ("copy", _("Copy as they are")), ("shrink", _("Make smaller"))),
        previewed=False,
    )
    """`skip`, `copy` or `shrink` what is larger than an output size in pixels; a factor under 1 makes all smaller."""
    result_name: str = setting(
        "",
        name="name",
        label=_("Names &of results"),
        tooltip=_(
            "A pattern for the names of results, such as {name}_{model}_{scale}x. It may also "
            "hold {size}, {width}, {height} and {folder}. Left empty, they keep their names, with "
            "the size behind them beside their sources."
        ),
        help=_(
            "A pattern for names, such as {{name}}_{{model}}_{{scale}}x; also {{size}}, "
            "{{width}}, {{height}}, {{folder}}. Else those of the sources."
        ),
        decides=False,
        previewed=False,
        verify=check_result_name,
    )
    format: str = setting(
        "same",
        label=_("&Format"),
        tooltip=_(
            "The file format of the results. “Same as source” keeps each picture’s own; PNG is "
            "used where that cannot be written or cannot hold transparency."
        ),
        # The table of formats is not read here, as it takes all their libraries; a test holds this line to it.
        help=_("png, jpeg, webp, tiff, avif, jxl, tga, dds, pnm, pfm, hdr or qoi; else {default} as the source."),
        letter="f",
        previewed=False,
    )
    """A key of `core.images.FORMATS` that can be written, or `same` as the source."""
    quality: int = setting(
        95,
        label=_("&Quality"),
        tooltip=_(
            "For JPEG, WebP, AVIF and JPEG XL: higher keeps more detail and makes larger files. "
            "WebP and JPEG XL at 100 are lossless."
        ),
        help=_("1 to 100, for formats that lose something; else {default}."),
        letter="q",
        low=1,
        high=100,
        previewed=False,
    )
    """1 to 100, for formats that lose something; 100 is lossless where the format can."""
    depth: Depth = setting(
        "source",
        label=_("Colour depth"),
        tooltip=_(
            "16 bits per channel keep the fine steps that the network makes of an 8-bit picture, "
            "as scans and archives want them. Only for formats that hold them (PNG, TIFF, AVIF, "
            "JPEG XL ...); files are twice as large."
        ),
        help=_("source or 16: bits per channel, where the format holds them. Else {default}."),
        choices=(("source", _("As source")), ("16", _("16 bits per channel"))),
        previewed=False,
    )
    """`source`, or `16` bits per channel where the format holds them."""
    existing: ExistingPolicy = setting(
        "skip",
        label=_("If the result already e&xists"),
        tooltip=_(
            "What to do with an existing result. Skipping compares settings and source, not only "
            "names: a result made with other settings is kept, and the new one gets a number."
        ),
        help=_(
            "Where a result exists: skip what is the same and number the rest; always number; or replace. Else "
            "{default}."
        ),
        choices=(
            ("skip", _("Skip what is already done")),
            ("number", _("Keep both, add a number")),
            ("replace", _("Replace the earlier result")),
        ),
        decides=False,
        previewed=False,
    )
    """`skip` what these very settings made of this very source and number the rest; always `number`; or `replace`
    results of earlier runs that differ from what these settings give. Nothing else is replaced, nor the result of
    another picture that is still there and is no part of this run."""
    recursive: bool = setting(
        True,
        label=_("Include subfolde&rs"),
        tooltip=_("Also add the pictures in all folders inside a folder."),
        help=_("Also search subfolders."),
        decides=False,
        previewed=False,
    )
    device: str = setting(
        "auto",
        label=_("&Device"),
        tooltip=_(
            "What computes. Automatic takes the graphics card where there is a usable one, else "
            "what a short trial finds fastest."
        ),
        help=_("auto, cpu, cuda, cuda:1, xpu, mps, vulkan, vulkan:1 or openvino; `srgan devices` lists what is here."),
        choices=(
            (
                ("auto", _("Automatic")),
                ("mps", _("Graphics (Apple)")),
                ("vulkan", _("Graphics (Vulkan)")),
                ("cpu", _("Processor")),
                ("openvino", _("Processor (OpenVINO)")),
            )
            if sys.platform == "darwin"
            else (
                ("auto", _("Automatic")),
                ("cuda", _("Graphics card (NVIDIA, AMD)")),
                ("xpu", _("Graphics card (Intel)")),
                ("vulkan", _("Any graphics card (Vulkan)")),
                ("cpu", _("Processor")),
                ("openvino", _("Processor (OpenVINO)")),
            )
        ),
        open=True,
        decides=False,
    )
    precision: Precision = setting(
        "auto",
        label=_("Num&ber format"),
        tooltip=_(
            "16-bit numbers are about twice as fast where the hardware has them. Automatic checks "
            "that they are also right on this machine, and falls back to 32 bits where not. 8-bit "
            "numbers are the fastest on processors, and cost a little accuracy."
        ),
        help="{choices}.",
        choices=(
            ("auto", _("Automatic")),
            ("fp32", _("32 bits (fp32)")),
            ("bf16", _("16 bits (bf16)")),
            ("fp16", _("16 bits (fp16)")),
            ("int8", _("8 bits (int8)")),
        ),
    )
    tile: int = setting(
        0,
        label=_("&Tile size"),
        tooltip=_(
            "Large pictures are processed in squares of this side, in source pixels. Automatic "
            "measures free memory. Smaller needs less memory; the result is the same for SRGAN "
            "models, and nearly so for others."
        ),
        help=_("Side of a tile in source pixels; 0 measures free memory. Small ones do much of the work twice."),
        choices=((0, _("Automatic")), *((side, f"{side} px") for side in (128, 256, 512, 768, 1024))),
        open=True,
        low=0,
        high=8192,
        decides=False,
    )
    """0 measures free memory and decides."""
    ensemble: bool = setting(
        False,
        label=_("Self-&ensemble (8 passes)"),
        tooltip=_(
            "Enlarges each picture eight times, flipped and turned, and averages. A little better, eight times slower."
        ),
        help=_("Average eight flipped and turned passes: a little better, eight times slower."),
    )
    wrap: bool = setting(
        False,
        label=_("Seamless textures"),
        tooltip=_(
            "Treats opposite edges as joined, so that the tiles of games and materials still repeat without a seam."
        ),
        help=_("Join opposite edges, for textures that repeat: no seam."),
    )
    keep_metadata: bool = setting(
        True,
        name="metadata",
        label=_("&Keep metadata"),
        tooltip=_(
            "Copies EXIF (camera, date, place), XMP, IPTC, texts and resolution into the results, "
            "corrected to the new size. Colour profile and pixel shape always stay, as the picture depends on them."
        ),
        help=_("Copy EXIF, XMP, IPTC, texts and dpi."),
        previewed=False,
    )
    keep_date: bool = setting(
        True,
        label=_("Keep file dates"),
        tooltip=_(
            "Gives each result the file date of its source, so that both sort together. Scans often have no other date."
        ),
        help=_("Give results the dates of their sources' files."),
        decides=False,
        previewed=False,
    )
    provenance: bool = setting(
        True,
        label=_("Note how &it was made"),
        tooltip=_(
            "Adds program, model and settings to the results, as XMP: picture agencies require "
            "it, and years later it tells you how a picture was made."
        ),
        help=_("Write into the results how they were made."),
        previewed=False,
    )
    frames: FramesPolicy = setting(
        "all",
        label=_("Pages &and frames"),
        tooltip=_(
            "A TIFF of several pages becomes one of as many pages, and an animation (GIF, PNG, "
            "WebP, AVIF, JPEG XL) stays one, with its timing. Or only the first is taken, as a picture."
        ),
        help=_("{choices} of the pages of a TIFF and the frames of an animation; else {default}."),
        choices=(("all", _("All of them")), ("first", _("Only the first"))),
        previewed=False,
    )
    """`all` pages of a TIFF into a TIFF, and frames of an animation into an animation, where the format holds them; or
    the `first` alone."""
    archives: ArchivesPolicy = setting(
        "folder",
        label=_("Ar&chives"),
        tooltip=_(
            "The pictures in an archive (ZIP, CBZ) become a folder of results, or an archive of the same kind "
            "that also keeps its other files."
        ),
        help=_("What archives (ZIP, CBZ) become: a {choices} of the same kind. Else {default}."),
        choices=(("folder", _("A folder of results")), ("archive", _("An archive again"))),
        decides=False,
        previewed=False,
    )
    """`folder` or `archive`: what the results of the pictures in an archive become."""
    keep_values: bool = setting(
        False,
        label=_("Keep measured values"),
        tooltip=_(
            "TIFF files of measurements (heights, slices, floats) become TIFF files of the same "
            "kind of numbers, in their own range, instead of 16-bit pictures. Other pictures are not affected."
        ),
        help=_("Write TIFFs of measurements in their own numbers, not as 16-bit pictures."),
        previewed=False,
    )


def _declared() -> dict[str, Setting[Any]]:
    """The settings by the names of their fields, in the order in which the window shows them."""
    declarations = {each.name: each.metadata["setting"] for each in fields(UpscaleSettings)}
    return {name: Setting(**{"name": name, **declared}) for name, declared in declarations.items()}


SETTINGS = _declared()
"""All settings of upscaling, by the names of their fields."""

OUTPUT = Setting(
    "",
    name="output",
    label=_("Sa&ve to"),
    tooltip=_("Where results go. Folders keep their structure there. Your originals are never changed."),
    help=_("Folder for the results; else FOLDER_4x beside a folder, or beside files."),
    letter="o",
)
"""Where, and not how: so it is none of the `SETTINGS`, nor is the next."""
WATCH = Setting(
    False,
    name="watch",
    label=_("Watc&h added folders"),
    tooltip=_(
        "When everything is done the run stays open, and upscales new files in the added folders as soon as "
        "they are complete, until you stop it."
    ),
    help=_("Keep running, and upscale new files in the folders named, until Ctrl-C."),
)


def check_settings(settings: UpscaleSettings) -> None:
    """Refuse what a setting cannot be.

    Raises:
        UserError: which setting, and what it can be.
    """
    for name, declared in SETTINGS.items():
        declared.check(getattr(settings, name))
