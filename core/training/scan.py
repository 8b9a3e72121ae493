"""Look at every training picture once, before the first step: what is broken, small, double, enlarged or spoiled.

What is found about a file is kept by its SHA-256, so a second scan only reads bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core import paths
from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.training import HR_FOLDER, LR_FOLDER, PictureQuarantined, ScanFinished, ScanProgress, ScanRequest
from core.evaluate.metrics import luma
from core.evaluate.resampling import resize
from core.hashing import sha256_of
from core.images.jpeg_traces import BLOCK, find_traces, quality_of_tables
from core.language import gettext as _
from core.training.dataset import TrainingPicture, decode
from core.training.sources import lr_of, pictures_in

CACHE_FORMAT = 3
"""Rises when what is measured of a picture changes."""

DUPLICATE_BITS = 20
"""Pictures whose 256-bit difference hashes differ in at most so many bits may be the same..."""
DUPLICATE_TONES = 6.0
"""...and are, if their 8 x 8 thumbnails differ by less than this on average (0..255)."""
OTHER_TONES = 24.0
"""The thumbnails of a pair differ by less: those of degraded LR by 1.4 at most, but cameras expose differently. So do
those of 2.5 in 100 pairs of different photographs (of 5,886)."""
ENLARGED_DROP = 25.0
"""dB that the power near the Nyquist frequency lies under that at a quarter of it. Of 130 sharp photographs none passed
24; enlarged to twice their size by bicubic or Lanczos, 95 of 100 lay above 25."""
FEWEST_LINES = 16
"""Pixels a side under which there is no band of middle frequencies to compare with."""
COMPRESSED_QUALITY = 60
"""JPEG quality under which a picture teaches blocks."""
BLOCKINESS = 1.45
"""Steps across 8 x 8 block borders over those inside: 1 without compression. For JPEGs saved as something else, whose
blocks lie on JPEG's quantisation steps; those of tile maps and pixel art do not."""

ScanEvent = ScanProgress | PictureQuarantined | ScanFinished


@dataclass(frozen=True, slots=True)
class Scan:
    """What may be trained on; the order depends on names and contents only."""

    training: tuple[TrainingPicture, ...]
    validation: tuple[TrainingPicture, ...]
    fingerprint: str
    """SHA-256 of the sorted list of the training pictures' SHA-256s."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept about a file's contents."""

    width: int
    height: int
    hash: str
    """Difference hash: 256 bits as hex."""
    tones: str
    """8 x 8 luma as hex."""
    drop: float
    """See `ENLARGED_DROP`."""
    blockiness: float
    quality: int
    """JPEG quality, from the quantisation table; 100 for other formats."""


@dataclass(frozen=True, slots=True)
class _Seen:
    path: Path
    sha256: str
    facts: Facts


def scan(request: ScanRequest, cancel: CancelToken) -> Generator[ScanEvent, None, Scan]:
    """Find out what a folder holds, and split it.

    Pictures of one photograph (near-duplicates; crops named `photo_0`, `photo_1`) go to the same side of the split, and
    a training picture that nearly equals a held-out one is quarantined. What the program wrote itself is not looked at
    (`pictures_in`).

    Yields:
        `ScanProgress`, a `PictureQuarantined` for every picture that is, `ScanFinished`.

    Returns:
        The sound pictures.

    Raises:
        UserError: a folder is missing, or nothing usable is left.
        Cancelled: asked for.
    """
    begin = time.monotonic()
    quarantined: list[PictureQuarantined] = []
    found: dict[str, list[Any]] = {}
    seen: dict[str, list[Any]] = {}
    cache = _Cache()
    folders = {"training": request.data, **({"validation": request.validation} if request.validation else {})}
    try:
        for side, folder in folders.items():
            pairs = (folder / HR_FOLDER).is_dir() and (folder / LR_FOLDER).is_dir()
            looked = yield from _look(folder / HR_FOLDER if pairs else folder, cache, cancel)
            verdicts = _judged(looked, request)
            if pairs:
                verdicts = yield from _paired(verdicts, folder, request.scale, cache, cancel)
            found[side], seen[side] = [], []
            for verdict in verdicts:
                if isinstance(verdict, PictureQuarantined):
                    quarantined.append(verdict)
                    yield verdict
                else:
                    picture, sound = verdict
                    found[side].append(picture)
                    seen[side].append(sound)
    finally:
        cache.save()
    if "validation" not in found:
        chosen = choose_held_out(found["training"], request)
        for kept in (found, seen):
            kept["validation"] = [each for index, each in enumerate(kept["training"]) if index in chosen]
            kept["training"] = [each for index, each in enumerate(kept["training"]) if index not in chosen]
    training, held = [], found["validation"]
    matches = _matches(seen["training"], seen["validation"])
    for picture, index in zip(found["training"], matches, strict=True):
        if index is None:
            training.append(picture)
            continue
        quarantined.append(
            PictureQuarantined(
                picture.hr,
                "duplicate",
                _("nearly the same as the test picture {name}").format(name=held[index].hr.name),
            )
        )
        yield quarantined[-1]
    if not training or not held:
        what = _("train on") if not training else _("test on")
        raise UserError(
            _("{data} holds no picture to {what} ({count} quarantined).").format(
                data=request.data, what=what, count=len(quarantined)
            ),
            _why_none(quarantined, request),
        )
    fingerprint = hashlib.sha256("\n".join(sorted(p.sha256 for p in training)).encode()).hexdigest()
    yield ScanFinished(len(training), len(held), len(quarantined), fingerprint, time.monotonic() - begin)
    return Scan(tuple(training), tuple(held), fingerprint)


def _why_none(quarantined: Sequence[PictureQuarantined], request: ScanRequest) -> str:
    """What keeps the pictures of a folder from being trained on: the reason of most of them."""
    if not quarantined:
        return _(
            "There must be two or more; those in folders that a run or srgan prepare wrote do not "
            "count. Pictures need sides of at least {minimum} pixels."
        ).format(minimum=request.minimum)
    [(kind, count)] = Counter(each.kind for each in quarantined).most_common(1)
    example = next(each for each in quarantined if each.kind == kind)
    hint = _WHAT_TO_DO[kind].format(minimum=request.minimum, hr=HR_FOLDER, lr=LR_FOLDER)
    reason = example.reason.rstrip(".")
    return _("{count} of them are out: {name}, for example: {reason}. {hint}").format(
        count=count, name=example.path.name, reason=reason, hint=hint
    )


_WHAT_TO_DO = {
    "small": _("Pictures need sides of at least {minimum} pixels, and there must be two or more."),
    "unpaired": _("Each picture in {hr} needs one of its name in {lr}, such as 0801.png or 0801x4.png for 0801.png."),
    "mismatch": _("Those in {lr} must be what became of those in {hr}, so many times smaller as the model's scale."),
    "unreadable": _("Copy them again, or save them again as PNG."),
    "upscaled": _("Choose sharp originals, or train without the thorough check of pictures."),
    "compressed": _("Choose better originals, or train without the thorough check of pictures."),
    "duplicate": _("Choose pictures that differ from each other."),
}


def measure(picture: np.ndarray, quality: int = 100) -> Facts:
    """What a scan keeps of a decoded picture, H x W x 3 uint8."""
    grey = resize(picture, 16, 17, "area").mean(2)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    height, width = picture.shape[:2]
    top, left = max(0, height - 512) // 2, max(0, width - 512) // 2
    # Keep the block grid where it is.
    middle = luma(picture[top - top % 8 : top - top % 8 + 512, left - left % 8 : left - left % 8 + 512])
    hash_, tones = bits.tobytes().hex(), _thumbnail(picture).tobytes().hex()
    blockiness = _blockiness(middle)
    if blockiness > BLOCKINESS and not _was_jpeg(middle):
        blockiness = 1.0
    return Facts(width, height, hash_, tones, _drop(middle), blockiness, quality)


def _look(
    folder: Path, cache: _Cache, cancel: CancelToken
) -> Generator[ScanEvent, None, list[_Seen | PictureQuarantined]]:
    """Facts of every picture in a folder, by name."""
    if not folder.is_dir():
        raise UserError(_("There is no folder {folder}.").format(folder=folder), _("Choose a folder of pictures."))
    return (yield from _look_at(pictures_in(folder), cache, cancel))


def _look_at(
    files: Sequence[Path], cache: _Cache, cancel: CancelToken
) -> Generator[ScanEvent, None, list[_Seen | PictureQuarantined]]:
    """Facts of these pictures, in their order."""
    looked: list[_Seen | PictureQuarantined] = []
    last = 0.0
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="scan") as pool:
        futures: list[Future[_Seen | PictureQuarantined]] = [pool.submit(_facts, path, cache) for path in files]
        try:
            for done, future in enumerate(futures, start=1):
                cancel.check()
                looked.append(future.result())
                if time.monotonic() - last > 0.05 or done == len(files):
                    last = time.monotonic()
                    yield ScanProgress(done, len(files))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return looked


def _facts(path: Path, cache: _Cache) -> _Seen | PictureQuarantined:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # Reading a pipe or a device might never end.
            return PictureQuarantined(path, "unreadable", _("is not an ordinary file"))
        sha256 = sha256_of(path)
        facts = cache.facts.get(sha256)
        if facts is None:
            facts = measure(decode(path), _jpeg_quality(path))
            cache.facts[sha256] = facts
        return _Seen(path, sha256, facts)
    except OSError as error:
        return PictureQuarantined(
            path, "unreadable", _("cannot be read: {strerror}").format(strerror=error.strerror or error)
        )
    except UserError as error:
        return PictureQuarantined(path, "unreadable", error.message)


def _judged(
    looked: Iterable[_Seen | PictureQuarantined], request: ScanRequest
) -> list[PictureQuarantined | tuple[TrainingPicture, _Seen]]:
    verdicts: list[PictureQuarantined | tuple[TrainingPicture, _Seen]] = []
    kept: list[_Seen] = []
    compare = _Duplicates()
    for one in looked:
        if isinstance(one, PictureQuarantined):
            verdicts.append(one)
            continue
        reason = _fault(one.facts, request)
        if reason is None and request.thorough:
            match = compare.match_or_add(one)
            if match is not None:
                reason = ("duplicate", _("nearly the same as {name}").format(name=kept[match].path.name))
        if reason is not None:
            verdicts.append(PictureQuarantined(one.path, *reason))
            continue
        kept.append(one)
        verdicts.append((TrainingPicture(one.path, one.facts.width, one.facts.height, one.sha256), one))
    return verdicts


def _fault(facts: Facts, request: ScanRequest) -> tuple[Any, str] | None:
    if min(facts.width, facts.height) < request.minimum:
        return "small", _("{width} x {height}, and at least {minimum} a side are needed").format(
            width=facts.width, height=facts.height, minimum=request.minimum
        )
    if not request.thorough:
        return None
    if facts.drop > ENLARGED_DROP:
        return "upscaled", _("no fine detail (high frequencies {drop:.0f} dB down): enlarged, or out of focus").format(
            drop=facts.drop
        )
    if facts.quality < COMPRESSED_QUALITY:
        return "compressed", _("JPEG quality about {quality}, under {compressed_quality}").format(
            quality=facts.quality, compressed_quality=COMPRESSED_QUALITY
        )
    if facts.blockiness > BLOCKINESS:
        return "compressed", _(
            "visible 8 x 8 blocks (steps at their borders {blockiness:.1f} times those inside)"
        ).format(blockiness=facts.blockiness)
    return None


def _paired(
    verdicts: list[PictureQuarantined | tuple[TrainingPicture, _Seen]],
    folder: Path,
    scale: int,
    cache: _Cache,
    cancel: CancelToken,
) -> Generator[ScanEvent, None, list[PictureQuarantined | tuple[TrainingPicture, _Seen]]]:
    """Give each HR picture its LR picture (`lr_of`)."""
    every_hr = [each.path if isinstance(each, PictureQuarantined) else each[1].path for each in verdicts]
    lr_by_hr, lr_names = lr_of(every_hr, folder, scale)
    sound = [each[0].hr for each in verdicts if not isinstance(each, PictureQuarantined)]
    wanted = [lr_by_hr[hr] for hr in sound if hr in lr_by_hr]
    small_by_lr = dict(zip(wanted, (yield from _look_at(wanted, cache, cancel)), strict=True))
    paired: list[PictureQuarantined | tuple[TrainingPicture, _Seen]] = []
    for verdict in verdicts:
        if isinstance(verdict, PictureQuarantined):
            paired.append(verdict)
            continue
        picture, seen = verdict
        lr = lr_by_hr.get(picture.hr)
        if lr is None:
            place, name = picture.hr.relative_to(folder / HR_FOLDER).with_suffix(""), picture.hr.stem
            reason = _("no picture of that name in {lr_folder}").format(lr_folder=LR_FOLDER)
            if name in lr_names:
                reason = _("{lr_folder} holds no {place}, and {name} alone could be that of another").format(
                    lr_folder=LR_FOLDER, place=place.as_posix(), name=name
                )
            paired.append(PictureQuarantined(picture.hr, "unpaired", reason))
            continue
        small = small_by_lr[lr]
        if isinstance(small, PictureQuarantined):
            paired.append(small)
            continue
        width, height = small.facts.width, small.facts.height
        if (width * scale, height * scale) != (picture.width, picture.height):
            reason = _("HR is {width} x {height} and LR {lr_width} x {lr_height}: not {scale} times as large").format(
                width=picture.width, height=picture.height, lr_width=width, lr_height=height, scale=scale
            )
            paired.append(PictureQuarantined(picture.hr, "mismatch", reason))
            continue
        differ = np.abs(_signature(seen.facts)[1] - _signature(small.facts)[1]).mean()
        if differ >= OTHER_TONES:
            which = lr.relative_to(folder).as_posix()
            reason = _("{which} shows something else: its tones are {differ:.0f} of 255 apart on average").format(
                which=which, differ=differ
            )
            paired.append(PictureQuarantined(picture.hr, "mismatch", reason))
            continue
        paired.append((TrainingPicture(picture.hr, picture.width, picture.height, picture.sha256, lr), seen))
    return paired


def choose_held_out(pictures: Sequence[TrainingPicture], request: ScanRequest) -> set[int]:
    """Which ones are held back, with all pictures of one photograph on one side."""
    groups: dict[str, list[int]] = {}
    for index, picture in enumerate(pictures):
        groups.setdefault(_photograph(picture.hr), []).append(index)
    parts: dict[str, list[int]] = {}
    for name, group in groups.items():
        # So many of one name are a camera's numbering and no crops.
        parts |= {name: group} if len(group) <= 32 else {str(pictures[i].hr): [i] for i in group}

    def rank(name: str) -> bytes:
        # By the name alone: when others come or go before a run is resumed, what it has learnt stays on its side. The
        # same on every system, as runs are carried from one to another.
        place = Path(os.path.relpath(name, request.data)).as_posix()
        return hashlib.sha256(os.fsencode(f"{request.seed}/{place}")).digest()

    order = sorted(parts, key=rank)
    wanted = max(1, round(request.held_out * len(pictures)))
    held: set[int] = set()
    for name in order[: len(parts) - 1]:
        if len(held) >= wanted:
            break
        held.update(parts[name])
    return held


def _photograph(path: Path) -> str:
    """The name of what a file was cut from: `barn_2` and `barn_11` are of one `barn`."""
    return str(path.parent / re.sub(r"[_-]\d{1,2}$", "", path.stem))


class _Duplicates:
    """Pictures seen so far, to be asked for near-duplicates."""

    def __init__(self) -> None:
        self._hashes = np.empty((64, 4), np.uint64)
        self._tones = np.empty((64, 64), np.int16)
        self._count = 0

    def match_or_add(self, one: _Seen) -> int | None:
        """The number of an earlier picture that nearly equals this one; else None, and this one is remembered."""
        match = self.match(one)
        if match is None:
            if self._count == len(self._hashes):
                self._hashes = np.concatenate([self._hashes, np.empty_like(self._hashes)])
                self._tones = np.concatenate([self._tones, np.empty_like(self._tones)])
            self._hashes[self._count], self._tones[self._count] = _signature(one.facts)
            self._count += 1
        return match

    def match(self, one: _Seen) -> int | None:
        """The number of a remembered picture that nearly equals this one."""
        hash_, tones = _signature(one.facts)
        differ = np.bitwise_count(self._hashes[: self._count] ^ hash_).sum(1)
        for index in np.flatnonzero(differ <= DUPLICATE_BITS):
            if np.abs(self._tones[index] - tones).mean() < DUPLICATE_TONES:
                return int(index)
        return None


def _matches(ones: Sequence[_Seen], others: Sequence[_Seen]) -> list[int | None]:
    """For each of `ones` the index of a near-duplicate in `others`."""
    compare = _Duplicates()
    numbers: list[int] = []
    for index, other in enumerate(others):
        if compare.match_or_add(other) is None:
            numbers.append(index)
    found = [compare.match(one) for one in ones]
    return [None if index is None else numbers[index] for index in found]


def _signature(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.frombuffer(bytes.fromhex(facts.hash), np.uint64),
        np.frombuffer(bytes.fromhex(facts.tones), np.uint8).astype(np.int16),
    )


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """The 8 x 8 tones of a picture, H x W x 3 uint8, row by row: 64 uint8."""
    return resize(picture, 8, 8, "area").mean(2).round().astype(np.uint8).reshape(-1)


def _drop(plane: np.ndarray) -> float:
    """dB of power lost from middle to the highest frequencies, along the sharper axis."""
    if min(plane.shape) < FEWEST_LINES:
        return 0.0
    drops = []
    for lines in (plane, plane.T):
        window = np.hanning(lines.shape[1])
        power = (np.abs(np.fft.rfft((lines - lines.mean(1, keepdims=True)) * window, axis=1)) ** 2).mean(0)
        nyquist = lines.shape[1] / 2
        middle = power[round(0.15 * nyquist) : round(0.35 * nyquist)].mean()
        high = power[round(0.8 * nyquist) : round(0.98 * nyquist)].mean()
        # What rounding to 8 bits leaves: a flat picture has lost nothing.
        rounding = (window**2).sum() / 12
        drops.append(10 * np.log10((middle + rounding) / max(high, rounding / 4)))
    return float(min(drops))


def _blockiness(plane: np.ndarray) -> float:
    """Mean step across the borders of 8 x 8 blocks, over that elsewhere; the larger of both axes."""
    ratios = []
    for lines in (plane, plane.T):
        steps = np.abs(np.diff(lines, axis=1)).mean(0)
        borders = steps[7::8]
        inside = np.delete(steps, np.s_[7::8])
        ratios.append((borders.mean() + 0.1) / (inside.mean() + 0.1) if len(borders) else 1.0)
    return float(max(ratios))


def _was_jpeg(plane: np.ndarray) -> bool:
    """Whether the blocks' coefficients lie on the quantisation steps of some quality."""
    return min(plane.shape) >= 2 * BLOCK and find_traces(plane[None].astype(np.float32)).quality is not None


def _jpeg_quality(path: Path) -> int:
    """Quality on libjpeg's scale, from the luma table; 100 for what is no JPEG, or has a table that cannot be read."""
    with path.open("rb") as file:
        if file.read(3) != b"\xff\xd8\xff":
            return 100
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            return round(quality_of_tables(getattr(image, "quantization", {})))
    except Exception:
        # Pillow may raise anything at all on what a stranger made; the picture itself has been decoded.
        return 100


class _Cache:
    """Facts by SHA-256, in the user's cache folder. One that is lost or broken costs time only."""

    def __init__(self) -> None:
        self.path = paths.user_cache() / "scan.json"
        self.facts: dict[str, Facts] = {}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["format"] == CACHE_FORMAT:
                self.facts = {key: Facts(**value) for key, value in content["facts"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        self._before = len(self.facts)

    def save(self) -> None:
        if len(self.facts) == self._before:
            return
        content = {"format": CACHE_FORMAT, "facts": {key: asdict(value) for key, value in self.facts.items()}}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(content), encoding="utf-8")
        except OSError:
            pass
