"""The pages: made ones are up to date, links lead somewhere, and every command that is shown can be given."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from emosense.cli.main import app

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PROGRAM = "emosense-batch"
# Typer brings the base of all complaints about a command line under this name alone.
Complaint: Any = typer.BadParameter.__base__

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


def test_the_page_of_the_commands_is_what_its_generator_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_cli", REPOSITORY / "docs" / "make_cli.py")
    assert spec is not None
    assert spec.loader is not None
    make_cli = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_cli)
    assert make_cli.PAGE.read_text(encoding="utf-8") == make_cli.page(), "run: python docs/make_cli.py"


def test_the_page_of_the_commands_has_every_command() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {"label", "features", "train", "evaluate", "models"} <= commands.keys()
    for name, command in commands.items():
        inner = [f"{name} {word}" for word in getattr(command, "commands", {})] or [name]
        assert all(f"\n## {each}\n" in page for each in inner)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The local links of a page that lead nowhere."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name) if name else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            broken.append(target)
    return broken


@each_page
def test_every_local_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here we are\n[a](#here-we-are) [b](gone.md) [c](#gone) [d](https://example.org/gone)")
    assert broken_links(page) == ["gone.md", "#gone"]


def code(text: str) -> Iterator[tuple[str, bool]]:
    """Lines of code in blocks, with continued ones joined, and then spans, with whether they are spans."""
    prose = []
    for block in re.split(r"^```.*$", text, flags=re.MULTILINE)[1::2]:
        yield from ((line, False) for line in block.replace("\\\n", " ").splitlines())
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ").splitlines():
        if line.startswith("    "):
            yield line, False
        else:
            prose.append(line)
    for span in re.findall(r"`([^`]+)`", " ".join(prose)):
        yield span, True


def command_lines(text: str) -> list[tuple[list[str], bool]]:
    """The arguments of every `emosense-batch` and job in a page, and whether it is a mention in prose."""
    found = []
    for line, is_span in code(text):
        for part in re.split(r"&&|\||;|<", line):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            for index, word in enumerate(words):
                if word.rsplit("/", 1)[-1] == PROGRAM:
                    found.append((words[index + 1 :], is_span))
                elif re.fullmatch(r"(/app/)?jobs/\w+\.py", word):
                    found.append(([*job_words(Path(word).name), *words[index + 1 :]], is_span))
    return found


def job_words(name: str) -> list[str]:
    """The words that a job puts before its arguments."""
    for node in ast.walk(ast.parse((REPOSITORY / "jobs" / name).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "main":
            words: list[str] = ast.literal_eval(node.args[0])
            return words
    raise AssertionError(f"jobs/{name} names no command")


def complaint(words: list[str], is_span: bool) -> str | None:
    """What the command line says against these arguments, None if it takes them."""
    command: Any = typer.main.get_command(app)
    context, rest = None, words
    # `emosense-batch ...` and `emosense-batch COMMAND` stand for any command.
    if rest[:1] in ([], ["..."], ["COMMAND"], ["--version"], ["--help"]):
        return None
    try:
        while hasattr(command, "commands"):
            context = command.context_class(command, parent=context, info_name=PROGRAM)
            if not rest:
                return None
            name, command, rest = command.resolve_command(context, rest)
        command.make_context(name, rest, parent=context)
    except Complaint as err:
        # Prose names a command or an option without all that it needs.
        return None if is_span and err.format_message().startswith("Missing") else err.format_message()
    return None


@each_page
def test_every_command_that_is_shown_can_be_given(page: Path) -> None:
    complaints = [
        (shlex.join(words), said)
        for words, is_span in command_lines(page.read_text(encoding="utf-8"))
        if page.name != "cli.md" and (said := complaint(words, is_span))
    ]
    assert complaints == []


def test_the_commands_of_the_readme_are_found() -> None:
    lines = [words for words, _ in command_lines((REPOSITORY / "README.md").read_text())]
    assert ["label", "recordings/", "-o", "labels.csv"] in lines
    assert {words[0] for words in lines if words} >= {"label", "train", "evaluate", "features"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("    $ emosense-batch label in -o out.csv --windw 3", "No such option: --windw"),
        ("```sh\nemosense-batch label in \\\n    --engine spark\n```", "'spark' is not one of"),
        ("`emosense-batch lable in`", "No such command 'lable'"),
        ("    emosense-batch label -o out.csv", "Missing argument"),
        ("    ray job submit -- python jobs/label.py in --outptu x", "No such option: --outptu"),
        ("    find . | emosense-batch label - --limit none", "Invalid value for '--limit'"),
    ],
)
def test_a_command_that_cannot_be_given_is_seen(line: str, fault: str) -> None:
    ((words, is_span),) = command_lines(line)
    assert fault in str(complaint(words, is_span))


@pytest.mark.parametrize(
    "line", ["`emosense-batch label`", "`emosense-batch models`", "    emosense-batch label a b -q"]
)
def test_a_mention_and_a_whole_command_are_fine(line: str) -> None:
    ((words, is_span),) = command_lines(line)
    assert complaint(words, is_span) is None
