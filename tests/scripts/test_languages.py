"""Every text has its translation in every language, and each holds what its text holds."""

import ast
from pathlib import Path

import pytest

from core.language import ENGLISH, FOLDER, LANGUAGES, CatalogueEntry
from scripts import languages

TRANSLATED = [name for name in LANGUAGES if name != ENGLISH]


@pytest.fixture(scope="module")
def known() -> dict[str, languages.Text]:
    return languages.texts()


@pytest.mark.parametrize("name", TRANSLATED)
def test_no_text_is_left_out_and_none_says_something_else(name: str, known: dict[str, languages.Text]) -> None:
    assert languages.wrong(name, known) == []


def test_the_template_is_up_to_date(known: dict[str, languages.Text]) -> None:
    assert languages.TEMPLATE.read_text(encoding="utf-8") == languages.template(known)


def test_every_file_belongs_to_a_language() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.po")) == sorted(TRANSLATED)


@pytest.mark.parametrize(
    ("source", "translation", "fault"),
    [
        ("Open {name}", "Öffnen", "placeholders"),
        ("{n:,} files", "{n} Dateien", "placeholders"),
        ("Open {name}", "{name öffnen", "braces"),
        ("Start", "&Starten", "Alt"),
        ("two\nlines", "zwei Zeilen", "line breaks"),
        (" and more", "und mehr", "blanks"),
        ("Use --preset", "Nehmen Sie --voreinstellung", "options"),
        ("See `srgan devices`", "Siehe srgan devices", "code"),
        ("Opening…", "Wird geöffnet", "ellipsis"),
        ("Open", "", "not translated"),
    ],
)
def test_what_a_translation_can_get_wrong_is_found(source: str, translation: str, fault: str) -> None:
    found = list(languages.faults(CatalogueEntry(source, translations={0: translation}), 2))
    assert len(found) == 1
    assert fault in found[0]


def test_a_good_translation_has_no_fault() -> None:
    assert list(languages.faults(CatalogueEntry("&Open “{name}”…", translations={0: "„{name}“ ö&ffnen…"}), 2)) == []
    assert list(languages.faults(CatalogueEntry("&Start", translations={0: "Starten"}), 2)) == []
    pages = CatalogueEntry("{n} page", "{n} pages", translations={0: "{n} Seite", 1: "{n} Seiten"})
    assert list(languages.faults(pages, 2)) == []
    assert list(languages.faults(pages, 1)) != []


def test_what_cannot_be_collected_is_refused() -> None:
    with pytest.raises(ValueError, match="literal"):
        list(languages.collected("a.py", "_(words)"))


# What is shown as it is: names, numbers with their units, texts in files.
SHOWN_BY = {
    *("setText", "setToolTip", "setWindowTitle", "setAccessibleName", "setPlaceholderText", "setInformativeText"),
    *("QPushButton", "QLabel", "QCheckBox", "QAction", "titled", "quiet", "say"),
    *("UserError", "UnreadableError", "GraphError", "Problem", "Notice"),
}


def test_no_sentence_is_shown_without_being_looked_up() -> None:
    missed = []
    root = FOLDER.parent.parent
    for path in (*root.glob("core/**/*.py"), *root.glob("srgan_desktop/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in SHOWN_BY:
                missed += [f"{path}:{each.lineno}" for each in node.args if is_sentence(each)]
    assert missed == []


def is_sentence(node: ast.expr) -> bool:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(
        part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ).strip()
    return " " in text and any(character.isalpha() for character in text) and not text.startswith("SRGAN Desktop")


def test_the_script_writes_a_new_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: dict[str, languages.Text]
) -> None:
    monkeypatch.setattr(languages, "FOLDER", tmp_path)
    assert languages.main(["--new", "nb"]) == 0
    _comments, heading, found = languages.read(tmp_path / "nb.po")
    assert "Language: nb" in heading
    assert len(found) == len(known)
