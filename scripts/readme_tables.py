"""Write README's tables of options and formats from their declarations: python scripts/readme_tables.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.contract.settings import OUTPUT, SETTINGS, WATCH, Setting
from core.images import FORMATS

README = Path(__file__).parent.parent / "README.md"


def options() -> list[str]:
    """One row for each option, in the order of the window."""
    rows = ["| option | command line | what it does |", "|---|---|---|"]
    for name, declared in SETTINGS.items():
        # As in the window: where results go stands before what is there already, watching behind what is searched.
        if name == "existing":
            rows.append(_option(OUTPUT))
        rows.append(_option(declared))
        if name == "recursive":
            rows.append(_option(WATCH))
    return rows


def _option(declared: Setting[Any]) -> str:
    long = declared.option if declared.default is not True else f"--no-{declared.option[2:]}"
    names = f"`{long}`" + (f", `-{declared.letter}`" if declared.letter else "")
    return f"| {declared.plain_label} | {names} | {declared.tooltip} |"


def formats() -> list[str]:
    """One row for each format, in the order of the dialogs."""
    rows = ["| format | file names | read | written | most bits a channel |", "|---|---|---|---|---|"]
    for row in FORMATS.values():
        names = " ".join(f"`{suffix}`" for suffix in (*row.suffixes, *row.also))
        read = f"with `{row.needs}`" if row.needs else "yes"
        bits = "floats" if row.light else str(row.bits)
        rows.append(f"| {row.label} | {names} | {read} | {'yes' if row.can_write else ''} | {bits} |")
    return rows


TABLES = {"options": options, "formats": formats}
"""Each stands between two marks with its name."""


def with_tables(readme: str) -> str:
    """The README with its tables as they should be."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: written by scripts/readme_tables.py -->\n", f"<!-- end of {name} -->\n"
        before, rest = readme.split(begin)
        _old, after = rest.split(end)
        readme = before + begin + "\n".join(table()) + "\n" + end + after
    return readme


def main() -> None:
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
