"""The catalogue: how a language is chosen, how its file is read, and what is shown where it has nothing to say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import language
from core.language import entries, match, ngettext, plural_form, preferred

ASKED = ("SRGAN_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
HEADING = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n'


@pytest.fixture(autouse=True)
def _english_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SRGAN_LANGUAGE", "en")
    yield
    language.use("en")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    return tmp_path


def from_environment(monkeypatch: pytest.MonkeyPatch, **given: str) -> str:
    for name in ASKED:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return preferred()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("de", "de"),
        ("de_AT.UTF-8", "de"),
        ("pt-BR", "pt_BR"),
        ("pt_PT@euro", "pt_BR"),
        ("zh-Hans-CN", "zh_CN"),
        ("zh_SG", "zh_CN"),
        ("zh_TW.UTF-8", ""),
        ("zh-Hant-HK", ""),
        ("en_GB", "en"),
        ("C.UTF-8", "en"),
        ("sw", ""),
        ("", ""),
    ],
)
def test_a_systems_name_leads_to_a_language(name: str, wanted: str) -> None:
    assert match(name) == wanted


def test_the_environment_is_asked_as_gettext_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_environment(monkeypatch, LANG="fr_FR.UTF-8") == "fr"
    assert from_environment(monkeypatch, LANG="fr_FR.UTF-8", LC_MESSAGES="es_ES.UTF-8") == "es"
    assert from_environment(monkeypatch, LANG="fr_FR.UTF-8", LC_ALL="de_DE.UTF-8", LC_MESSAGES="es_ES") == "de"
    assert from_environment(monkeypatch, LANG="fr_FR.UTF-8", LANGUAGE="sw:ja:es") == "ja"
    assert from_environment(monkeypatch, LANG="C.UTF-8", LANGUAGE="ja") == "en"
    assert from_environment(monkeypatch, LANG="sw_KE.UTF-8") == "en"


def test_the_programs_own_variable_goes_before_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_environment(monkeypatch, LANG="fr_FR.UTF-8", SRGAN_LANGUAGE="de") == "de"
    assert from_environment(monkeypatch, LANG="fr_FR.UTF-8", SRGAN_LANGUAGE="nonsense") == "en"
    monkeypatch.setenv("SRGAN_LANGUAGE", "es")
    assert preferred(["ja"]) == "es"


def test_a_desktop_says_which_it_likes_best(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ASKED:
        monkeypatch.delenv(name, raising=False)
    assert preferred(["sw-KE", "pt-BR", "de"]) == "pt_BR"
    assert preferred(["sw-KE"]) == "en"


def test_texts_are_looked_up_and_english_where_there_is_none(folder: Path) -> None:
    (folder / "de.po").write_text(
        HEADING + '\n#: a.py\n#, python-brace-format\nmsgid "Open “{name}”"\nmsgstr "„{name}“ öffnen"\n'
        '\nmsgid ""\n"Two\\n"\n"lines"\nmsgstr ""\n"Zwei\\n"\n"Zeilen"\n'
        '\nmsgid "Say \\"this\\" \\\\"\nmsgstr "Sag \\"dies\\" \\\\"\n'
        '\nmsgid "Later"\nmsgstr ""\n'
        '\n#, fuzzy\nmsgid "Perhaps"\nmsgstr "Vielleicht"\n'
        '\nmsgctxt "of a picture"\nmsgid "Size"\nmsgstr "Bildgröße"\n',
        encoding="utf-8",
    )
    language.use("de")
    assert language.current() == "de"
    assert language.gettext("Open “{name}”") == "„{name}“ öffnen"
    assert language.gettext("Two\nlines") == "Zwei\nZeilen"
    assert language.gettext('Say "this" \\') == 'Sag "dies" \\'
    assert language.gettext("Later") == "Later"
    assert language.gettext("Perhaps") == "Perhaps"
    assert language.gettext("Not there") == "Not there"
    assert language.gettext("") == ""
    assert language.gettext("Size") == "Size"
    assert language.pgettext("of a picture", "Size") == "Bildgröße"
    assert language.pgettext("of a file", "Size") == "Size"


def test_numbers_take_the_form_that_the_language_gives_them(folder: Path) -> None:
    (folder / "fr.po").write_text(
        HEADING + '\nmsgid "{n} file"\nmsgid_plural "{n} files"\nmsgstr[0] "{n} fichier"\nmsgstr[1] "{n} fichiers"\n',
        encoding="utf-8",
    )
    english = [ngettext("{n} file", "{n} files", number) for number in (0, 1, 2)]
    language.use("fr")
    assert english == ["{n} files", "{n} file", "{n} files"]
    assert [ngettext("{n} file", "{n} files", number) for number in (0, 1, 2)] == [
        "{n} fichier",
        "{n} fichier",
        "{n} fichiers",
    ]
    assert ngettext("{n} page", "{n} pages", 2) == "{n} pages"


@pytest.mark.parametrize(
    "content", [None, "no .po file at all", 'msgid "a"\nmsgid_plural "b"\nmsgstr "c"\n', HEADING[:20]]
)
def test_a_file_that_cannot_be_read_leaves_english(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "de.po").write_text(content, encoding="utf-8")
    language.use("de")
    assert language.gettext("Close") == "Close"


def test_an_unknown_language_is_english() -> None:
    language.use("tlh")
    assert language.current() == "en"
    assert os.environ["SRGAN_LANGUAGE"] == "en"


def test_labels_within_a_sentence_are_small_where_the_language_writes_them_so() -> None:
    assert language.in_sentence("Tile size") == "tile size"
    language.use("de")
    assert language.in_sentence("Kachelgröße") == "Kachelgröße"


@pytest.mark.parametrize(
    ("name", "many", "half", "small"),
    [
        ("de", "1.234.567 Bilder", "1,2 Megapixel", "9.999 fehlgeschlagen"),
        ("fr", "1\u202f234\u202f567 images", "1,2 mégapixels", "9\u202f999 en échec"),
        ("es", "1.234.567 imágenes", "1,2 megapíxeles", "9999 fallidas"),
        ("pt_BR", "1.234.567 imagens", "1,2 megapixels", "9.999 com falha"),
        ("ja", "画像 1,234,567 枚", "1.2 メガピクセル", "失敗 9,999 枚"),
        ("en", "1,234,567 pictures", "1.2 megapixels", "9,999 failed"),
    ],
)
def test_numbers_are_written_as_the_language_does(name: str, many: str, half: str, small: str) -> None:
    language.use(name)
    count = 1_234_567
    assert ngettext("{count:,} picture", "{count:,} pictures", count).format(count=count) == many
    assert language.gettext("{pixels:.1f} megapixels").format(pixels=1.25) == half
    assert ngettext("{count:,} failed", "{count:,} failed", 9_999).format(count=9_999) == small


def test_numbers_outside_of_texts_too() -> None:
    assert language.shown_number(-1234.5, ",.1f") == "-1,234.5"
    assert language.shown_number(1e-9, ".2g") == "1e-09"
    language.use("de")
    assert language.shown_number(-1234.5, ",.1f") == "-1.234,5"
    assert language.shown_number(0.5, "+.2f") == "+0,50"
    assert language.shown_number(7) == "7"
    assert language.percent(0.137) == "14 %"


def test_what_is_filled_in_besides_numbers_stays_as_it_is(folder: Path) -> None:
    (folder / "de.po").write_text(
        HEADING + '\nmsgid "{a} {b!r} {{c}} {d.name}"\nmsgstr "{d.name} {b!r} {{c}} {a}"\n', encoding="utf-8"
    )
    language.use("de")
    filled = language.gettext("{a} {b!r} {{c}} {d.name}").format(a="1.5", b="2.5", d=Path("3.5"))
    assert filled == "3.5 '2.5' {c} 1.5"
    # Else it would come out of a model's `data` as something that Qt does not know.
    assert type(filled) is str


def test_joined_words_take_the_signs_of_the_language() -> None:
    assert language.listed(("a", "b")) == "a, b"
    assert language.headed("a", "b") == "a: b"
    assert language.sentences(("A.", "", "B.")) == "A. B."
    language.use("ja")
    assert language.listed(("a", "b")) == "a、b"
    assert language.headed("a", "b") == "a：b"
    assert language.sentences(("A。", "", "B。")) == "A。B。"
    language.use("fr")
    assert language.headed("a", "b") == "a\u00a0: b"


def test_a_file_is_read_as_other_programs_write_it() -> None:
    text = (
        "# Somebody, 2026.\n" + HEADING + '#~ msgid "gone"\n#~ msgstr "weg"\n'
        'msgid "a"\nmsgstr "b"\nmsgctxt "c"\nmsgid "a"\nmsgstr ""\n"d"\n  "e"\n'
    )
    found = list(entries(text))
    assert [(each.context, each.text, each.translations[0]) for each in found[1:]] == [
        (None, "a", "b"),
        ("c", "a", "de"),
    ]
    count, form = plural_form(found[0].translations[0])
    assert (count, form(1), form(2)) == (2, 0, 1)
    with pytest.raises(ValueError, match="not as"):
        list(entries('msgid "a"\nmsgstr unquoted\n'))


def command(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", *arguments],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    return done.stdout + done.stderr


def test_the_command_speaks_the_language_that_it_is_asked_for(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.png")
    assert "Bilder und Ordner hochskalieren" in command("--help", SRGAN_LANGUAGE="de")
    assert "Upscale pictures and folders" in command("--help", SRGAN_LANGUAGE="en")
    assert "gibt es nicht" in command("upscale", missing, SRGAN_LANGUAGE="de")
    # Programs read these lines, and they know English.
    assert "does not exist" in command("upscale", missing, "--json", SRGAN_LANGUAGE="de")
