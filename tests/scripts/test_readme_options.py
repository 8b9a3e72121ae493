"""README's table of options is that of the declarations."""

from scripts.readme_options import README, with_table


def test_the_table_is_what_the_declarations_say():
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run: python scripts/readme_options.py"
