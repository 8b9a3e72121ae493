"""Collect the program's texts, and hold the translations to them.

    python scripts/languages.py           write resources/languages/messages.pot anew, and bring all NAME.po in line
    python scripts/languages.py --check   say what is missing or wrong, and change nothing
    python scripts/languages.py --new nb  begin a language

Texts are what stands in the code as `_("...")`, `ngettext("...", "...", n)` and `pgettext("...", "...")`, the helps of
the commands, and what shipped models and recipes say of themselves.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import string
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core import language, paths
from core.language import FOLDER, LANGUAGES, CatalogueEntry, entries, plural_form

ROOT = paths.RESOURCES.parent
TEMPLATE = FOLDER / "messages.pot"
PLACES = ("core", "srgan_desktop")
HEADING = (
    "Project-Id-Version: srgan-desktop\n"
    "Language: {language}\n"
    "MIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=UTF-8\n"
    "Content-Transfer-Encoding: 8bit\n"
    "Plural-Forms: {plural}\n"
)


@dataclass(slots=True)
class Text:
    """A text of the program, and where it stands."""

    text: str
    plural: str = ""
    context: str | None = None
    files: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What it is looked up by."""
        return CatalogueEntry(self.text, self.plural, self.context).key


def texts() -> dict[str, Text]:
    """All texts by their keys, in the order of the files.

    Raises:
        ValueError: something is looked up in a way that cannot be collected, or is said with and without a number.
    """
    found: dict[str, Text] = {}
    for text in (*_of_code(), *_of_data()):
        known = found.setdefault(text.key, text)
        if known.plural != text.plural:
            raise ValueError(f"{text.files[0]}: “{text.text}” stands elsewhere with another plural, or none")
        known.files += [each for each in text.files if each not in known.files]
    return found


def faults(entry: CatalogueEntry, forms: int) -> Iterator[str]:
    """What is wrong with a translation; nothing where it is good."""
    wanted = range(forms if entry.plural else 1)
    if entry.unsure:
        yield "is marked fuzzy"
    if sorted(entry.translations) != list(wanted) or not all(entry.translations.values()):
        yield "is not translated"
        return
    for number, translation in entry.translations.items():
        source = entry.plural if entry.plural and (number or forms == 1) else entry.text
        yield from _differences(source, translation)


def _differences(source: str, translation: str) -> Iterator[str]:
    try:
        if placeholders(source) != placeholders(translation):
            yield f"has other placeholders: {translation}"
    except ValueError as error:
        yield f"has broken braces ({error}): {translation}"
    for name, pattern in _KEPT.items():
        if Counter(re.findall(pattern, source)) != Counter(re.findall(pattern, translation)):
            yield f"differs in its {name}: {translation}"
    if len(re.findall(_LETTER, translation)) > len(re.findall(_LETTER, source)):
        yield f"has a letter for Alt (&) more: {translation}"
    if source.strip(" ") != source or translation.strip(" ") != translation:
        before, after = (re.fullmatch(r"( *).*?( *)", each, re.DOTALL) for each in (source, translation))
        assert before is not None
        assert after is not None
        if before.groups() != after.groups():
            yield f"begins or ends with other blanks: {translation!r}"


_KEPT = {
    "line breaks": r"\n",
    "options": r"(?<![\w-])--[a-z][a-z-]*",
    "code": r"`[^`]*`",
    "ellipsis": r"…",
}
"""What a translation has as often as its source."""
_LETTER = r"&(?=\w)"
"""What a translation may go without, where its letters lead elsewhere on the same page."""


def placeholders(text: str) -> Counter[tuple[str, str | None, str | None]]:
    """(name, how it is written, conversion) of each `{name}`.

    Raises:
        ValueError: its braces do not match.
    """
    return Counter(
        (name, written, conversion)
        for _before, name, written, conversion in string.Formatter().parse(text)
        if name is not None
    )


def read(path: Path) -> tuple[list[str], str, dict[str, CatalogueEntry]]:
    """(comments at the head, heading, entries by key) of a `.po` file.

    Raises:
        OSError, ValueError: it cannot be read, or is none.
    """
    head, *rest = entries(path.read_text(encoding="utf-8"))
    return head.comments, head.translations[0], {entry.key: entry for entry in rest}


def written(comments: Iterable[str], heading: str, found: Iterable[tuple[Text, dict[int, str]]]) -> str:
    """A `.po` file."""
    blocks = ["\n".join((*comments, 'msgid ""', 'msgstr ""', *(_quoted(line) for line in _lines(heading))))]
    for text, translations in found:
        lines = [f"#: {file}" for file in text.files]
        if any("{" in each for each in (text.text, text.plural)):
            lines.append("#, python-brace-format")
        if text.context is not None:
            lines += _said("msgctxt", text.context)
        lines += _said("msgid", text.text)
        if text.plural:
            lines += _said("msgid_plural", text.plural)
            for number in sorted(translations) or (0, 1):
                lines += _said(f"msgstr[{number}]", translations.get(number, ""))
        else:
            lines += _said("msgstr", translations.get(0, ""))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def wrong(name: str, known: dict[str, Text]) -> list[str]:
    """What is missing or wrong in a language."""
    path = FOLDER / f"{name}.po"
    try:
        _comments, heading, there = read(path)
        forms, _form = plural_form(heading)
    except (OSError, ValueError, KeyError) as error:
        return [f"{path.name}: {error}"]
    said = [f"{path.name}: “{key}” is in no file any more" for key in there if key not in known]
    for key, text in known.items():
        entry = there.get(key, CatalogueEntry(text.text, text.plural, text.context))
        if entry.plural != text.plural:
            said.append(f"{path.name}: “{key}” has another plural by now")
        said += [f"{path.name}: “{key}” {fault}" for fault in faults(entry, forms)]
    return said


def update(name: str, known: dict[str, Text]) -> None:
    """Bring a language in line with the texts: new ones come in untranslated, old ones go, the others stay."""
    path = FOLDER / f"{name}.po"
    comments, heading, there = read(path)
    pairs = (
        (
            text,
            {n: each for n, each in there[key].translations.items() if not there[key].unsure} if key in there else {},
        )
        for key, text in known.items()
    )
    path.write_text(written(comments, heading, pairs), encoding="utf-8")


def template(known: dict[str, Text]) -> str:
    """The file that a new language begins with."""
    heading = HEADING.format(language="", plural="nplurals=2; plural=(n != 1);")
    return written(["# Written by scripts/languages.py."], heading, ((text, {}) for text in known.values()))


def _of_code() -> Iterator[Text]:
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.py")):
            yield from collected(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


def collected(name: str, source: str) -> Iterator[Text]:
    """The texts of a module.

    Raises:
        ValueError: something is looked up that is no literal.
    """
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset)):
        if not isinstance(call.func, ast.Name) or call.func.id not in ("_", "gettext", "ngettext", "pgettext"):
            continue
        literals = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        match call.func.id, literals:
            case "ngettext", [singular, plural]:
                yield Text(singular, plural, files=[name])
            case "pgettext", [context, text]:
                yield Text(text, context=context, files=[name])
            case "_" | "gettext", [text]:
                yield Text(text, files=[name])
            case "_", [] if name in FROM_DATA:
                # What shipped files and declarations say, which `_of_data` collects.
                continue
            case _:
                raise ValueError(f"{name}:{call.lineno}: a text that is looked up has to be a literal")


FROM_DATA = {
    "core/commands/console.py",
    "core/models/card.py",
    "srgan_desktop/training/draft.py",
    "srgan_desktop/training/recipe_card.py",
}
"""Modules that look up what no literal says."""


def _of_data() -> Iterator[Text]:
    from core.commands import cluster, models, training, upscale
    from core.models.card import read_card
    from core.models.known import KNOWN
    from core.training.recipe import load_recipe, shipped_recipes
    from srgan_desktop.training.draft import FIELDS

    for module in (upscale, models, training, cluster):
        name = f"core/commands/{module.__name__.rpartition('.')[2]}.py"
        for function in vars(module).values():
            if (
                inspect.isfunction(function)
                and function.__module__ == module.__name__
                and "_command" in function.__name__
            ):
                yield Text(inspect.getdoc(function) or "", files=[name])
    for each in FIELDS:
        yield Text(each.title, files=["core/training/recipe.py"])
    for recipe in shipped_recipes():
        yield Text(load_recipe(recipe).description, files=[f"resources/recipes/{recipe}.toml"])
    for path in sorted(paths.SHIPPED_MODELS.glob("*.safetensors")):
        for line in read_card(path).description.splitlines():
            yield Text(line, files=[f"resources/models/{path.name}"])
    for known in KNOWN:
        yield Text(known.good_at, files=["core/models/known.py"])


def _said(keyword: str, text: str) -> list[str]:
    lines = _lines(text)
    if len(lines) == 1:
        return [f"{keyword} {_quoted(lines[0])}"]
    return [f'{keyword} ""', *map(_quoted, lines)]


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True) or [""]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def main(arguments: list[str]) -> int:
    """Do what is asked for; answers with the exit code."""
    parser = argparse.ArgumentParser(description="Collect the program's texts, and hold the translations to them.")
    parser.add_argument("--check", action="store_true", help="change nothing, and say what is wrong")
    parser.add_argument("--new", metavar="NAME", help="begin a language, as de or pt_BR")
    options = parser.parse_args(arguments)
    known = texts()
    if options.new:
        path = FOLDER / f"{options.new}.po"
        heading = HEADING.format(language=options.new, plural="nplurals=2; plural=(n != 1);")
        path.write_text(written(["# Glossary:"], heading, ((each, {}) for each in known.values())), encoding="utf-8")
        return 0
    languages = [name for name in LANGUAGES if name != language.ENGLISH]
    if not options.check:
        TEMPLATE.write_text(template(known), encoding="utf-8")
        for name in languages:
            if (FOLDER / f"{name}.po").is_file():
                update(name, known)
    said = [] if TEMPLATE.read_text(encoding="utf-8") == template(known) else [f"{TEMPLATE.name} is not up to date"]
    for name in languages:
        said += wrong(name, known)
    for line in said:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(known)} texts, {len(said)} faults\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
