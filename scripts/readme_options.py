"""Write README's table of options from their declarations: python scripts/readme_options.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.contract.settings import OUTPUT, SETTINGS, WATCH, Setting

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- options: written by scripts/readme_options.py -->\n", "<!-- end of options -->\n"


def table() -> str:
    """One row for each option, in the order of the window."""
    rows = ["| option | command line | what it does |", "|---|---|---|"]
    for name, declared in SETTINGS.items():
        # As in the window: where results go stands before what is there already, watching behind what is searched.
        if name == "existing":
            rows.append(_row(OUTPUT))
        rows.append(_row(declared))
        if name == "recursive":
            rows.append(_row(WATCH))
    return "\n".join(rows) + "\n"


def _row(declared: Setting[Any]) -> str:
    long = declared.option if declared.default is not True else f"--no-{declared.option[2:]}"
    options = f"`{long}`" + (f", `-{declared.letter}`" if declared.letter else "")
    return f"| {declared.plain_label} | {options} | {declared.tooltip} |"


def with_table(readme: str) -> str:
    """The README with its table as it should be."""
    before, rest = readme.split(BEGIN)
    _old, after = rest.split(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
