from scripts.readme_formats import README, with_table


def test_the_list_of_formats_is_that_of_the_table() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run: python scripts/readme_formats.py"
