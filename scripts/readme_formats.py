"""Write README's list of formats from their table: python scripts/readme_formats.py."""

from __future__ import annotations

from pathlib import Path

from core.images import FORMATS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- formats: written by scripts/readme_formats.py -->\n", "<!-- end of formats -->\n"


def table() -> str:
    """One row for each format, in the order of the dialogs."""
    rows = ["| format | file names | read | written | most bits a channel |", "|---|---|---|---|---|"]
    for row in FORMATS.values():
        names = " ".join(f"`{suffix}`" for suffix in (*row.suffixes, *row.also))
        read = f"with `{row.needs}`" if row.needs else "yes"
        bits = "floats" if row.light else str(row.bits)
        rows.append(f"| {row.label} | {names} | {read} | {'yes' if row.can_write else ''} | {bits} |")
    return "\n".join(rows) + "\n"


def with_table(readme: str) -> str:
    """The README with its list as it should be."""
    before, rest = readme.split(BEGIN)
    _old, after = rest.split(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
