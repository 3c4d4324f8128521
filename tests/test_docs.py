"""The pages: generated ones are up to date, links lead somewhere, commands can be given, and what is named exists."""

from __future__ import annotations

import ast
import importlib.util
import json
import pydoc
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml
from test_layers import LEVELS

import emosense
from emosense.cli.main import app

REPOSITORY = Path(__file__).parents[1]
TOP = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES = [*TOP, *sorted((REPOSITORY / "docs").rglob("*.md"))]
PROGRAM = "emosense-batch"
# Typer has the base class of all usage errors only under this name.
Complaint: Any = typer.BadParameter.__base__

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


def docs_module(name: str) -> ModuleType:
    """A program of docs/."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_commands_is_what_its_generator_makes() -> None:
    make_cli = docs_module("make_cli")
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
    for block in re.split(r"^ *```.*$", text, flags=re.MULTILINE)[1::2]:
        yield from ((line, False) for line in block.replace("\\\n", " ").splitlines())
    for line in re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ").splitlines():
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


# The structure


def architecture() -> str:
    return (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_picture_of_the_rooms_has_every_room_on_its_level() -> None:
    picture = architecture().split("```text\n")[1].split("```")[0]
    drawn: dict[int, set[str]] = {}
    for line in picture.splitlines()[1:]:
        # A line is: level (if it is the first of its level), rooms, what they take, what they give.
        if match := re.match(r" +(?:(\d+) +)?(\w+(?:, \w+)*)(?:  |$)", line):
            level = int(match[1]) if match[1] else max(drawn, key=list(drawn).index)
            drawn.setdefault(level, set()).update(match[2].split(", "))
    assert drawn == {level: set(rooms) for level, rooms in enumerate(LEVELS)}


def defined(path: Path) -> set[str]:
    """The functions, classes and methods of a module."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return names


@each_page
def test_every_source_file_that_a_page_names_exists(page: Path) -> None:
    """Changelogs tell of the past; recipes name files that the reader writes ("This is `name.py`")."""
    if page.name == "CHANGELOG.md":
        return
    text = page.read_text(encoding="utf-8")
    named = (
        set(re.findall(r"`([\w./]+\.py)[`:]", text)) - set(re.findall(r"This is\s+`(\w+\.py)`", text)) - {"numpy.py"}
    )
    places = (REPOSITORY, REPOSITORY / "emosense", REPOSITORY / "benchmarks")
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_every_step_of_the_data_is_a_function_of_its_file() -> None:
    steps = re.findall(r"^\| \d+ \|.*\| `([\w/]+\.py)` \| `([\w.]+)` \|$", architecture(), re.MULTILINE)
    assert len(steps) == 7 + 4
    assert [step for step in steps if step[1] not in defined(REPOSITORY / "emosense" / step[0])] == []


def test_every_name_on_the_page_of_the_python_api_can_be_imported() -> None:
    named = re.findall(r"^::: ([\w.]+)$", (REPOSITORY / "docs" / "api.md").read_text(), re.MULTILINE)
    assert set(emosense.__all__) - {"__version__"} <= {name.rsplit(".", 1)[1] for name in named}
    for name in named:
        assert pydoc.locate(name) is not None, name


# Environment variables

# Constants of the sources that look like variables: subtypes of libsndfile.
NO_VARIABLES = {"PCM_16", "PCM_24", "MPEG_LAYER_III"}
VARIABLE = r"[A-Z][A-Z0-9]*(?:_[A-Za-z0-9]+)+"


def variables_of_sources() -> set[str]:
    """Every variable that the package, the image, the cluster file or the tests' own settings name."""
    found = set()
    for path in sorted((REPOSITORY / "emosense").rglob("*.py")):
        constants = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
        found |= {text for text in constants if isinstance(text, str) and re.fullmatch(VARIABLE, text)}
    for path in (REPOSITORY / "tests").rglob("*.py"):
        found |= set(re.findall(r"environ(?:\.get\(|\[)\"(EMOSENSE_\w+)\"", path.read_text()))
    instructions = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    for line in re.findall(r"^ENV (.*)$", instructions, re.MULTILINE):
        found |= {pair.split("=")[0] for pair in line.split()}
    for path in (REPOSITORY / "cluster.yaml", *filter(Path.is_file, (REPOSITORY / "deploy").iterdir())):
        text = path.read_text()
        found |= set(re.findall(r"\b(RAY_\w+)=", text)) | set(re.findall(rf"\$\{{?({VARIABLE})", text))
    return found - NO_VARIABLES


def test_every_environment_variable_is_in_the_table_and_every_row_is_read() -> None:
    page = (REPOSITORY / "docs" / "environment.md").read_text(encoding="utf-8")
    by_python = page.split("## Read by Python\n")[1].split("\n## ")[0]

    def rows(text: str) -> set[str]:
        cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
        return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}

    assert rows(page) - rows(by_python) == variables_of_sources()


# The glossary


def glossary_pages() -> list[Path]:
    pages: list[Path] = docs_module("glossary_links").pages()
    return pages


@pytest.mark.parametrize("page", glossary_pages(), ids=lambda page: page.name)
def test_a_page_links_each_term_where_it_first_uses_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert docs_module("glossary_links").missing_links(text, page) == {}, "run: python docs/glossary_links.py"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The UAR is high. UAR is good.", "The [UAR](glossary.md#uar) is high. UAR is good."),
        (
            "`UAR` | UARs\n\n# UAR\n\nTwo folds.",
            "`UAR` | [UARs](glossary.md#uar)\n\n# UAR\n\nTwo [folds](glossary.md#fold).",
        ),
        ("    UAR\n\n```\nUAR\n```\n\n| UAR |\n", "    UAR\n\n```\nUAR\n```\n\n| UAR |\n"),
        ("A fold. A [fold](glossary.md#fold).", "A [fold](glossary.md#fold). A fold."),
        ("Its confidence\ninterval.", "Its [confidence\ninterval](glossary.md#confidence-interval)."),
        ("uar, manifold, fold-2", "uar, manifold, fold-2"),
    ],
)
def test_a_missing_link_is_added_at_the_first_use(text: str, expected: str) -> None:
    page = REPOSITORY / "docs" / "page.md"
    glossary = docs_module("glossary_links")
    assert glossary.with_links(text, page) == expected
    assert glossary.missing_links(expected, page) == {}


# The site


def test_the_navigation_of_the_site_has_every_page_once() -> None:
    mkdocs = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())
    listed = re.findall(r"[\w/-]+\.md", json.dumps(mkdocs["nav"]))
    docs = {page.relative_to(REPOSITORY / "docs").as_posix() for page in (REPOSITORY / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(docs | set(docs_module("site_pages").PAGES.values()))


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("README.md", "[r](docs/results.md#uar)", "[r](results.md#uar)"),
        ("README.md", "[c](CONTRIBUTING.md)", "[c](contributing.md)"),
        ("docs/cli.md", "[r](../README.md#label)", "[r](index.md#label)"),
        ("docs/benchmarks/memory.md", "[p](../performance.md)", "[p](../performance.md)"),
        ("docs/rows.md", "[card](../emosense/models/default/MODEL_CARD.md)", "[card](model-default.md)"),
        ("docs/rows.md", "[l](../LICENSE)", "l (`LICENSE`)"),
        ("docs/rows.md", "[x](https://example.org/a.md)", "[x](https://example.org/a.md)"),
        ("docs/rows.md", "[x](#speakers)", "[x](#speakers)"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(source: str, link: str, expected: str) -> None:
    assert docs_module("site_pages").site_links(link, source) == expected
