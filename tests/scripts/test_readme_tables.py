from scripts.readme_tables import README, TABLES, with_tables


def test_readme_says_what_the_declarations_say() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python scripts/readme_tables.py"
    assert with_tables(text.replace("| PNG |", "| Ping |")) == text
    assert all(text.count(f"<!-- end of {name} -->") == 1 for name in TABLES)
