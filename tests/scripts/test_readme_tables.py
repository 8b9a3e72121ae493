from __future__ import annotations

from pathlib import Path

import pytest

from scripts import readme_tables
from tests.scripts.conftest import Run


def test_readme_says_what_the_declarations_say(main: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = readme_tables.README.read_text(encoding="utf-8")
    assert readme_tables.with_tables(text) == text, "run: python scripts/readme_tables.py"
    assert all(text.count(f"<!-- end of {name} -->") == 1 for name in readme_tables.TABLES)
    old = tmp_path / "README.md"
    old.write_text(text.replace("| PNG |", "| Ping |"), encoding="utf-8")
    monkeypatch.setattr(readme_tables, "README", old)
    main(readme_tables)
    assert old.read_text(encoding="utf-8") == text
