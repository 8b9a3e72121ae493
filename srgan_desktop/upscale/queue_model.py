"""The queue: which pictures, in which state. A table model, so that thousands of rows cost what is visible of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from core.contract.settings import OutputSize
from core.contract.upscale import (
    LOW_CONSISTENCY,
    FileFailed,
    FileSaved,
    FileSkipped,
    FileStarted,
    Input,
    Progress,
    Size,
    UpscaleRequest,
)
from core.images import FORMATS
from core.language import gettext as _
from core.language import headed, listed, percent, shown_number
from srgan_desktop import problems
from srgan_desktop.problems import Problem
from srgan_desktop.thumbnails import Thumbnails
from srgan_desktop.upscale.requests import LOOK, RESULT, differing, settings_words

if TYPE_CHECKING:
    from core.images import Probe

Index = QModelIndex | QPersistentModelIndex

ENTRY = Qt.ItemDataRole.UserRole
"""Role of an index that answers with its row's `Entry`."""

THUMBNAIL = Qt.ItemDataRole.UserRole + 1
"""Role of the `Thumbnail` of a row, or None while it is made."""

CONSISTENCY_TOOLTIP = _(
    "Whether the result, reduced to the source's size again, still shows what the source "
    "shows.\nA warning points to a shifted colour, a fault, or detail that cannot be: look "
    "at these pictures."
)


FAITHFUL, DIFFERS = "✓", _("⚠ differs")
"""What is said of a result's consistency."""


class State(Enum):
    """Where a picture is on its way; the value is for people."""

    WAITING = _("Waiting")
    WORKING = _("Upscaling")
    DONE = _("Saved")
    SKIPPED = _("Already done")
    FAILED = _("Failed")


FINISHED = frozenset({State.DONE, State.SKIPPED, State.FAILED})


class Column(IntEnum):
    """Left to right."""

    PICTURE = 0
    SIZE = 1
    STATE = 2
    CONSISTENCY = 3


TITLES = {
    Column.PICTURE: _("Picture"),
    Column.SIZE: _("Size"),
    Column.STATE: _("State"),
    Column.CONSISTENCY: _("Faithful"),
}


@dataclass(slots=True)
class Entry:
    """One picture of the queue."""

    input: Input
    state: State = State.WAITING
    size: Size | None = None
    """The source's size; None until its header was read."""
    output_size: Size | None = None
    """The result's size, once the engine has said so; before, it follows from the options."""
    output: Path | None = None
    fraction: float = 0.0
    """0 to 1, while it is worked on."""
    consistency: float | None = None
    """dB."""
    seconds: float = 0.0
    problem: Problem | None = None
    """Why it failed, or why it will, as far as its header tells."""
    notes: tuple[str, ...] = ()
    header: Probe | None = None
    """What its header says, once that was read."""
    made_with: UpscaleRequest | None = None
    """The settings that made its result, in a request without inputs."""
    own: UpscaleRequest | None = None
    """Settings of its own, in a request without inputs; None where it follows the options."""
    own_words: str = ""
    """These settings in words."""
    number: int = 0
    """In the order of adding, from 1; 0 before it was added."""
    is_folder: bool = False
    """It could not be searched, and is no picture."""
    row: int = field(default=-1, compare=False, repr=False)
    """Where it stands in the queue, from 0; before it was added, and after it was taken out, it means nothing."""
    name: str = field(init=False)
    """What rows are sorted by: the file's name in small letters, made once, as a sort of thousands asks for all."""

    def __post_init__(self) -> None:
        self.name = self.input.path.name.lower()

    @property
    def differs_much(self) -> bool:
        """Whether the result, reduced again, is far from the source."""
        return self.consistency is not None and self.consistency < LOW_CONSISTENCY

    @property
    def path(self) -> Path:
        """The source."""
        return self.input.path

    @property
    def pictures_in_words(self) -> str:
        """`12 pages`, `40 frames`, or nothing for a single picture or one whose header was not read."""
        if self.header is None or self.header.frames < 2:
            return ""
        several = FORMATS[self.header.format].several
        return f"{shown_number(self.header.frames, ',')} {several}" if several else ""

    @property
    def has_result(self) -> bool:
        """Whether its result lies on the disk."""
        return self.output is not None and self.state in (State.DONE, State.SKIPPED)


def folder_entry(path: Path, problem: Problem | None = None) -> Entry:
    """The row of a folder that cannot be searched."""
    return Entry(Input(path), state=State.FAILED, problem=problem, is_folder=True)


class Queue(QAbstractTableModel):
    """Rows are `Entry` objects; only this class changes them, so that views hear of it."""

    def __init__(self, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: list[Entry] = []
        self._by_path: dict[Path, Entry] = {}
        self._counts: Counter[State] = Counter()
        self._output_size = OutputSize()
        self._paused = False
        self._numbered = 0
        self._order = -1, Qt.SortOrder.AscendingOrder
        self._thumbnails = thumbnails
        thumbnails.made.connect(self._on_thumbnail)

    # What is in it

    @property
    def entries(self) -> Sequence[Entry]:
        """All rows, top to bottom; not to be changed."""
        return self._entries

    def count(self, state: State) -> int:
        """How many rows are in a state."""
        return self._counts[state]

    def row_of(self, path: Path) -> int | None:
        """The row of a source."""
        entry = self._by_path.get(path)
        return None if entry is None else entry.row

    def waiting(self) -> list[Input]:
        """What waits, top to bottom."""
        return [entry.input for entry in self._entries if entry.state is State.WAITING]

    # What changes it

    def add(self, entries: Iterable[Entry]) -> int:
        """Append those whose source is not there yet; answers with how many that were."""
        new: dict[Path, Entry] = {}
        for entry in entries:
            if entry.path not in self._by_path:
                new.setdefault(entry.path, entry)
        if new:
            first = len(self._entries)
            self.beginInsertRows(QModelIndex(), first, first + len(new) - 1)
            self._entries += new.values()
            for row, entry in enumerate(new.values(), first):
                self._by_path[entry.path] = entry
                entry.row = row
                self._counts[entry.state] += 1
                if not entry.number:
                    self._numbered += 1
                    entry.number = self._numbered
            self.endInsertRows()
            if self._order[0] >= 0:
                self.sort(*self._order)
        return len(new)

    def put_in_again(self, entries: Iterable[Entry]) -> None:
        """Add rows that were taken out, at their old places where nothing else was sorted."""
        self.add(entries)
        self.sort(*self._order)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Put the rows in another order, by a column or, with -1, as they were added. The next run follows it."""
        self._order = column, order
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        moved = [self._entries[index.row()] for index in before]
        self._entries.sort(key=_KEYS[column], reverse=order == Qt.SortOrder.DescendingOrder)
        self._number_rows()
        after = [self.index(entry.row, index.column()) for entry, index in zip(moved, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def remove(self, rows: Iterable[int]) -> None:
        """Take rows out; neighbours go in one step."""
        for first, last in _runs_backwards(rows):
            self.beginRemoveRows(QModelIndex(), first, last)
            for entry in self._entries[first : last + 1]:
                self._counts[entry.state] -= 1
                del self._by_path[entry.path]
            del self._entries[first : last + 1]
            self.endRemoveRows()
        self._number_rows()

    def _number_rows(self) -> None:
        for row, entry in enumerate(self._entries):
            entry.row = row

    def update(self, row: int, **changes: Any) -> None:
        """Set fields of a row."""
        entry = self._entries[row]
        if "state" in changes and changes["state"] is not entry.state:
            self._counts[entry.state] -= 1
            self._counts[changes["state"]] += 1
        for name, value in changes.items():
            setattr(entry, name, value)
        self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))

    def follow(
        self,
        event: FileStarted | Progress | FileSaved | FileSkipped | FileFailed,
        made_with: UpscaleRequest | None = None,
    ) -> None:
        """Show in the row of a source what the worker says of it; one without a row is passed over.

        Args:
            event: what it says.
            made_with: the settings of the run.
        """
        row = self.row_of(event.source)
        if row is None:
            return
        match event:
            case FileStarted():
                self.update(
                    row,
                    state=State.WORKING,
                    size=event.input_size,
                    output_size=event.output_size,
                    fraction=0.0,
                    problem=None,
                )
            case Progress():
                self.update(row, fraction=event.fraction)
            case FileSaved():
                self.update(
                    row,
                    state=State.DONE,
                    size=event.input_size,
                    output_size=event.output_size,
                    output=event.output,
                    consistency=event.consistency,
                    seconds=event.seconds,
                    notes=(event.reason, *event.notes) if event.reason else event.notes,
                    fraction=1.0,
                    made_with=made_with,
                )
            case FileSkipped():
                self.update(
                    row,
                    state=State.SKIPPED,
                    output=event.output,
                    consistency=event.consistency,
                    notes=(event.reason,),
                    made_with=made_with,
                )
            case FileFailed():
                self.update(row, state=State.FAILED, problem=problems.of_event(event), fraction=0.0)

    def follow_moves(self, moved: Iterable[tuple[Path, Path]]) -> None:
        """Results lie elsewhere now: in an archive."""
        places = dict(moved)
        for row, entry in enumerate(self._entries):
            if entry.output in places:
                self.update(row, output=places[entry.output])

    def made_otherwise(self, settings: UpscaleRequest) -> list[Entry]:
        """Those whose results were made with other settings than these, or than their own."""
        # The rows of a run share one object, so that thousands cost a few comparisons.
        pairs = {
            (id(entry.made_with), id(entry.own)): (entry.made_with, entry.own or settings)
            for entry in self._entries
            if entry.has_result
        }
        others = {key for key, (made, wanted) in pairs.items() if made is not None and differing(made, wanted, RESULT)}
        if not others:
            return []
        return [each for each in self._entries if each.has_result and (id(each.made_with), id(each.own)) in others]

    def show_paused(self, paused: bool) -> None:
        """What rows in work say about themselves."""
        if paused == self._paused:
            return
        self._paused = paused
        for row, entry in enumerate(self._entries):
            if entry.state is State.WORKING:
                self.dataChanged.emit(self.index(row, Column.STATE), self.index(row, Column.STATE))

    @property
    def paused(self) -> bool:
        """Whether the run that works on rows is paused."""
        return self._paused

    def working_word(self) -> str:
        """What a row in work says about itself."""
        return _("Paused") if self._paused else State.WORKING.value

    def put_back(self) -> None:
        """Let what was begun and not finished wait again."""
        if self._counts[State.WORKING]:
            self.reset([row for row, entry in enumerate(self._entries) if entry.state is State.WORKING])

    def reset(self, rows: Iterable[int]) -> None:
        """Make rows wait again, as if they had just been added."""
        for row in rows:
            self._thumbnails.forget(self._entries[row].path)
            self.update(
                row,
                state=State.WAITING,
                fraction=0.0,
                output=None,
                output_size=None,
                consistency=None,
                problem=None,
                notes=(),
                seconds=0.0,
                made_with=None,
            )

    def learn_header(self, path: Path, header: Probe | Problem) -> None:
        """Note what the header of a picture says, or, while it waits, why it cannot be read."""
        row = self.row_of(path)
        if row is None:
            return
        waits = self._entries[row].state is State.WAITING
        if isinstance(header, Problem):
            if waits:
                self.update(row, problem=header, header=None)
        elif waits:
            self.update(row, problem=None, header=header, size=(header.width, header.height))
        else:
            # A run has overtaken it; it may be made again with other settings.
            self.update(row, header=header)

    @property
    def unreadable(self) -> int:
        """How many of those that wait cannot be read."""
        return sum(entry.state is State.WAITING and entry.problem is not None for entry in self._entries)

    def show_output_size(self, size: OutputSize) -> None:
        """What waiting rows say about their results."""
        self._output_size = size
        if self._entries:
            self.dataChanged.emit(
                self.index(0, Column.SIZE),
                self.index(len(self._entries) - 1, Column.SIZE),
                [Qt.ItemDataRole.DisplayRole],
            )

    def output_size_of(self, entry: Entry) -> Size | None:
        """What the engine said, or else what follows from the options."""
        if entry.output_size is not None or entry.size is None:
            return entry.output_size
        return (entry.own.size if entry.own is not None else self._output_size).of(*entry.size)

    # What views ask

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(self._entries)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return TITLES[Column(section)]
            if role == Qt.ItemDataRole.ToolTipRole and section == Column.CONSISTENCY:
                return CONSISTENCY_TOOLTIP
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self._entries):
            return None
        entry = self._entries[index.row()]
        column = Column(index.column())
        if role == ENTRY:
            return entry
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(entry, column)
        if role == THUMBNAIL:
            return self._picture(entry)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(entry, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return headed(TITLES[column], self._text(entry, column) or _("not known yet"))
        return None

    def _text(self, entry: Entry, column: Column) -> str:
        match column:
            case Column.PICTURE:
                return shown_name(entry.path)
            case Column.SIZE:
                after = self.output_size_of(entry)
                sizes = f"{dimensions(entry.size)} → {dimensions(after)}" if entry.size and after else ""
                return listed((entry.pictures_in_words, sizes)) if sizes and entry.pictures_in_words else sizes
            case Column.STATE:
                if entry.state is State.WORKING:
                    return listed((self.working_word(), percent(entry.fraction)))
                return headed(entry.state.value, entry.problem.message) if entry.problem else entry.state.value
            case Column.CONSISTENCY:
                return "" if entry.consistency is None else DIFFERS if entry.differs_much else FAITHFUL

    def _tooltip(self, entry: Entry, column: Column) -> str | None:
        if column is Column.PICTURE:
            thumbnail = self._thumbnails.get(entry.path)
            return "\n".join(part for part in (str(entry.path), thumbnail.trouble if thumbnail else "") if part)
        if column is Column.CONSISTENCY:
            figure = (
                ""
                if entry.consistency is None
                else _("Consistency: {decibels} PSNR").format(decibels=problems.decibels(entry.consistency))
            )
            return "\n".join(part for part in (figure, CONSISTENCY_TOOLTIP) if part)
        if column is Column.STATE:
            lines = [f"{entry.problem.message} {entry.problem.hint}".strip()] if entry.problem else []
            lines += entry.notes
            if entry.has_result:
                lines.append(str(entry.output))
            if entry.own is not None:
                lines.append(_("{own_words}. Kept, whatever the options become").format(own_words=entry.own_words))
            if entry.has_result and entry.made_with is not None:
                lines.append(
                    _("Made with {settings_words}").format(settings_words=settings_words(entry.made_with, LOOK))
                )
            return "\n".join(lines) or None
        return None

    def _picture(self, entry: Entry) -> object:
        thumbnail = self._thumbnails.get(entry.path)
        if thumbnail is not None and entry.size is None and thumbnail.size is not None:
            entry.size = thumbnail.size
        return thumbnail

    def _on_thumbnail(self, path: Path) -> None:
        row = self.row_of(path)
        if row is not None:
            self._picture(self._entries[row])
            self.dataChanged.emit(self.index(row, Column.PICTURE), self.index(row, Column.SIZE))


def shown_name(path: Path) -> str:
    """A file's name on one line, whatever it is made of."""
    return "".join(character if character.isprintable() else "�" for character in path.name)


def dimensions(size: Size | None) -> str:
    """`640 × 480`."""
    return "" if size is None else f"{size[0]} × {size[1]}"


def _runs_backwards(rows: Iterable[int]) -> Iterable[tuple[int, int]]:
    """(first, last) of each run of neighbours, the lowest in the table first, so that those above keep their places."""
    ordered = sorted(set(rows), reverse=True)
    start = 0
    for at in range(1, len(ordered) + 1):
        if at == len(ordered) or ordered[at] != ordered[at - 1] - 1:
            yield ordered[at - 1], ordered[start]
            start = at


_STATES = tuple(State)
_KEYS: dict[int, Callable[[Entry], Any]] = {
    -1: attrgetter("number"),
    Column.PICTURE: attrgetter("name", "number"),
    Column.SIZE: lambda entry: entry.size[0] * entry.size[1] if entry.size else 0,
    Column.STATE: lambda entry: (_STATES.index(entry.state), entry.problem is None),
    Column.CONSISTENCY: lambda entry: math.inf if entry.consistency is None else entry.consistency,
}
"""What rows are sorted by."""
