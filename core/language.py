"""The language that the program speaks: every text that people read goes through here. Plain.

English is what the texts in the code are written in, what they are looked up by, and what is shown where a translation
is missing. Translations are `resources/languages/NAME.po`, read as they are; CONTRIBUTING.md says how one is added.

A process chooses its language once, with `use`, before it imports modules with texts: many are looked up where they are
declared. What it starts inherits the choice by the environment. Who imports `core` as a library hears English unless it
calls `use` first. Logs, file formats and the lines of `--json` are no texts for people, and stay English.
"""

from __future__ import annotations

import locale
import os
import re
import string
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from gettext import c2py
from typing import Any

from core.paths import RESOURCES

FOLDER = RESOURCES / "languages"
ENGLISH = "en"
LANGUAGES = {
    ENGLISH: "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "pt_BR": "Português (Brasil)",
    "ja": "日本語",
    "zh_CN": "简体中文",
}
"""What can be chosen: the name of the `.po` file, and what the language calls itself."""
VARIABLE = "SRGAN_LANGUAGE"
"""The environment variable that goes before everything the system says."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a language writes numbers, and what it puts between words that the program joins."""

    decimal: str = "."
    thousands: str = ","
    fewest_grouped: int = 4
    """Numbers with fewer digits before the decimal sign are not grouped."""
    comma: str = ", "
    colon: str = ": "
    sentences: str = " "


STYLES = {
    "de": Style(decimal=",", thousands="."),
    "es": Style(decimal=",", thousands=".", fewest_grouped=5),
    "fr": Style(decimal=",", thousands="\u202f", colon="\u00a0: "),
    "pt_BR": Style(decimal=",", thousands="."),
    "ja": Style(comma="、", colon="：", sentences=""),
    "zh_CN": Style(comma="、", colon="：", sentences=""),
}
"""How languages write that do not write as English does, by CLDR."""

_CONTEXT = "\x04"
"""Stands between a text's context and the text, as in gettext."""
_PART = re.compile(
    r'^[ \t]*(?:(#.*)|(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d+)\])?((?:\s*"(?:[^"\\\n]|\\.)*")+))[ \t]*$',
    re.MULTILINE,
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(slots=True)
class CatalogueEntry:
    """One text of a `.po` file."""

    text: str = ""
    """In English."""
    plural: str = ""
    """In English, for other numbers than one; empty where there is no number."""
    context: str | None = None
    """Tells equal texts of different meaning apart."""
    translations: dict[int, str] = field(default_factory=dict)
    """By the number of the form, which is 0 alone where there is no number."""
    comments: list[str] = field(default_factory=list)
    """Lines that begin with `#`."""

    @property
    def key(self) -> str:
        """What it is looked up by."""
        return self.text if self.context is None else self.context + _CONTEXT + self.text

    @property
    def unsure(self) -> bool:
        """Whether a tool guessed the translation and nobody has looked at it."""
        return any(line.startswith("#,") and "fuzzy" in line for line in self.comments)


@dataclass(slots=True)
class _Catalogue:
    """What is looked up."""

    language: str = ENGLISH
    texts: dict[str, str] = field(default_factory=dict)
    numbered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    form: Callable[[int], int] = field(default=lambda number: int(number != 1))
    style: Style = field(default_factory=Style)


class _Pattern(str):
    """A translation with places to fill in: numbers come into them as the language writes them."""

    __slots__ = ()

    def format(self, *args: object, **kwargs: object) -> str:
        return _FILLER.vformat(self, args, kwargs)


class _Filler(string.Formatter):
    """`str.format`, with numbers in the style of the language in use."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return shown_number(value, format_spec)
        return str(format(value, format_spec))


_FILLER = _Filler()
_catalogue = _Catalogue()


def gettext(text: str) -> str:
    """The text in the language in use.

    Args:
        text: in English, and a literal, as `scripts/languages.py` collects it from the code. What varies stands in it
            as `{name}`, and is filled in by `.format(name=...)` after the look-up.
    """
    return _catalogue.texts.get(text, text)


def pgettext(context: str, text: str) -> str:
    """A text that means something else elsewhere: `context` says where this one stands."""
    return _catalogue.texts.get(context + _CONTEXT + text, text)


def ngettext(singular: str, plural: str, number: int) -> str:
    """The form of a text that goes with a number; both forms are literals in English."""
    forms = _catalogue.numbered.get(singular)
    if forms is None:
        return singular if number == 1 else plural
    return forms[_catalogue.form(number)]


def shown_number(value: float, spec: str = "") -> str:
    """A number as the language in use writes it; within a text that is looked up, `.format` does so by itself.

    Args:
        value: the number.
        spec: how, as in `format`: `,.1f`.
    """
    style, text = _catalogue.style, format(value, spec)
    if style.decimal == "." and style.thousands == ",":
        return text
    whole, point, rest = text.partition(".")
    few = sum(map(str.isdigit, whole)) < style.fewest_grouped
    return whole.replace(",", "" if few else style.thousands) + point.replace(".", style.decimal) + rest


def percent(fraction: float, spec: str = ".0f") -> str:
    """`14 %` of 0.14; `spec` as of `shown_number`."""
    return f"{shown_number(100 * fraction, spec)} %"


def listed(words: Iterable[str]) -> str:
    """Words one after another, with what the language in use puts between them."""
    return _catalogue.style.comma.join(words)


def headed(label: str, words: str) -> str:
    """A label, a colon and what it is about."""
    return f"{label}{_catalogue.style.colon}{words}"


def sentences(texts: Iterable[str]) -> str:
    """Sentences one after another; empty ones are passed over."""
    return _catalogue.style.sentences.join(filter(None, texts))


def in_sentence(label: str) -> str:
    """A label as it is written within a sentence: small, except where the language writes nouns with a capital."""
    return label if _catalogue.language == "de" else label.lower()


def without_letter(label: str) -> str:
    """A label without the letter for Alt, which `&` marks; where it stands in brackets, these go with it."""
    return re.sub(r"\(&\w\)|&", "", label)


def current() -> str:
    """The language in use, as `LANGUAGES` names it."""
    return _catalogue.language


def tag() -> str:
    """The language in use as web pages name it: `pt-BR`."""
    return _catalogue.language.replace("_", "-")


def use(language: str) -> None:
    """Speak a language from now on, here and in the processes that this one starts.

    Args:
        language: one of `LANGUAGES`; English for any other, or where its file cannot be read.
    """
    global _catalogue
    try:
        _catalogue = _load(language)
    except (OSError, ValueError):
        _catalogue = _Catalogue()
    os.environ[VARIABLE] = _catalogue.language


def preferred(system: Iterable[str] = ()) -> str:
    """The language that the environment asks for, else the first of the system's that there is, else English.

    Args:
        system: what else the system says, as `de`, `de-AT` or `zh-Hans-CN`, the preferred one first. The window gets
            it from Qt; without it the environment is asked as gettext does, and Windows for the user's language.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked:
        return match(asked) or ENGLISH
    for name in (*system, *_of_environment()):
        found = match(name)
        if found:
            return found
    return ENGLISH


def match(name: str) -> str:
    """The one of `LANGUAGES` that a system's name means (`de_AT.UTF-8`, `pt-BR`); empty where there is none."""
    parts = re.split(r"[-_]", re.split(r"[.@]", name)[0])
    language, rest = parts[0].lower(), {part.lower() for part in parts[1:]}
    if language == "zh":
        # Traditional characters are another script.
        return "" if rest & {"hant", "tw", "hk", "mo"} else "zh_CN"
    if language in ("c", "posix"):
        return ENGLISH
    return next((each for each in LANGUAGES if each.split("_")[0] == language), "")


def entries(text: str) -> Iterator[CatalogueEntry]:
    """The entries of a `.po` file in their order, the heading among them, which translates the empty text.

    Raises:
        ValueError: something in it is none.
    """
    entry, translated, end = CatalogueEntry(), False, 0
    for part in _PART.finditer(text):
        if text[end : part.start()].strip():
            raise ValueError(f"not as .po files are written: {text[end : part.start()].strip()[:80]}")
        end = part.end()
        comment, keyword, form, quoted = part.groups()
        if translated and keyword != "msgstr":
            yield entry
            entry, translated = CatalogueEntry(), False
        if comment is not None:
            entry.comments.append(comment)
            continue
        words = _unquoted(quoted)
        if keyword == "msgid":
            entry.text = words
        elif keyword == "msgid_plural":
            entry.plural = words
        elif keyword == "msgctxt":
            entry.context = words
        else:
            entry.translations[int(form or 0)] = words
            translated = True
    if text[end:].strip():
        raise ValueError(f"not as .po files are written: {text[end:].strip()[:80]}")
    if translated:
        yield entry


def plural_form(heading: str) -> tuple[int, Callable[[int], int]]:
    """How many forms a language has, and which of them goes with a number, from the heading of its file.

    Raises:
        ValueError: it does not say so.
    """
    found = re.search(r"Plural-Forms:\s*nplurals\s*=\s*(\d+)\s*;\s*plural\s*=\s*([^;\n]+)", heading)
    if found is None:
        raise ValueError("the heading has no Plural-Forms")
    return int(found[1]), c2py(found[2])


def _unquoted(quoted: str) -> str:
    return _unescaped("".join(_STRING.findall(quoted)))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text


def _load(language: str) -> _Catalogue:
    if language not in LANGUAGES or language == ENGLISH:
        return _Catalogue()
    loaded = _Catalogue(language, style=STYLES.get(language, Style()))
    count = 0
    for block in (FOLDER / f"{language}.po").read_text(encoding="utf-8").split("\n\n"):
        head, _msgid, rest = block.rstrip("\n").partition('msgid "')
        text, _msgstr, translation = rest.partition('"\nmsgstr "')
        plain = text and len(translation) > 1 and "\n" not in text + translation
        if plain and "msgctxt" not in head and "fuzzy" not in head:
            # One line without a plural: nearly all are, and this way they are read ten times as fast.
            loaded.texts[_unescaped(text)] = _pattern(_unescaped(translation[:-1]))
            continue
        for entry in entries(block):
            count = _take(loaded, entry, count)
    return loaded


def _take(loaded: _Catalogue, entry: CatalogueEntry, count: int) -> int:
    """Put an entry where it is looked up; answers with how many forms the language has, as far as that is known."""
    forms = entry.translations
    if entry.unsure or not all(forms.values()):
        return count
    if not entry.text:
        count, loaded.form = plural_form(forms[0])
    elif not entry.plural:
        loaded.texts[entry.key] = _pattern(forms[0])
    elif sorted(forms) == list(range(count)):
        loaded.numbered[entry.key] = tuple(_pattern(forms[each]) for each in range(count))
    return count


def _pattern(translation: str) -> str:
    # Only these, as a text without is handed on to Qt as it is.
    return _Pattern(translation) if "{" in translation else translation


def _of_environment() -> Iterator[str]:
    """What gettext would ask, in its order; on Windows, where none of it is set, the language of the user's desktop."""
    names = [name for name in (os.environ.get(each, "") for each in ("LC_ALL", "LC_MESSAGES", "LANG")) if name]
    if names and match(names[0]) == ENGLISH and re.split(r"[.@]", names[0])[0] in ("C", "POSIX"):
        # Who asks for no language at all gets no translation, whatever LANGUAGE says.
        return
    yield from filter(None, os.environ.get("LANGUAGE", "").split(":"))
    yield from names[:1]
    if sys.platform == "win32" and not names:
        import ctypes

        yield locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
