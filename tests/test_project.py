"""The files around the code keep to their schemas and agree with each other; the wheel states its licences."""

from __future__ import annotations

import email
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from emosense._version import __version__

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
WORKFLOW = REPOSITORY / ".github" / "workflows" / "ci.yml"
TEMPLATES = REPOSITORY / ".github" / "ISSUE_TEMPLATE"
LICENCES = ("LICENSE", "LICENSES/CC-BY-NC-SA-4.0.txt", "LICENSES/MIT-Whisper.txt", "NOTICE")


def pyproject() -> dict[str, Any]:
    import tomllib

    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def module(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a module of this environment in the repository; the output is kept."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, **options)


def recipes(*targets: str) -> list[str]:
    """The commands that `make` runs for these targets, with the environment in its usual place."""
    command = ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/bin/ruff", *targets]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60)
    return [" ".join(line.split()) for line in done.stdout.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", [WORKFLOW]),
        ("dependabot", [REPOSITORY / ".github" / "dependabot.yml"]),
        ("github-issue-config", [TEMPLATES / "config.yml"]),
        ("github-issue-forms", [TEMPLATES / "bug.yml", TEMPLATES / "feature.yml"]),
        ("citation-file-format", [REPOSITORY / "CITATION.cff"]),
    ],
)
def test_a_file_keeps_to_its_published_schema(schema: str, files: list[Path]) -> None:
    done = module("check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files))
    assert done.returncode == 0, done.stdout


def test_a_slip_in_the_workflow_breaks_its_schema(tmp_path: Path) -> None:
    (tmp_path / "ci.yml").write_text(WORKFLOW.read_text().replace("runs-on:", "run-on:"))
    done = module("check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(tmp_path / "ci.yml"))
    assert done.returncode == 1
    assert "runs-on" in done.stdout


def test_every_issue_template_has_its_schema_checked() -> None:
    assert {path.name for path in TEMPLATES.iterdir()} == {"config.yml", "bug.yml", "feature.yml"}
    assert [path.name for path in WORKFLOW.parent.iterdir()] == ["ci.yml"]


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return loaded


def test_actions_are_pinned_to_commits_and_name_their_version() -> None:
    uses = re.findall(r"uses: (.*)", WORKFLOW.read_text())
    assert uses
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in uses)


def test_jobs_may_only_read_and_end_in_time() -> None:
    ci = workflow()
    assert ci["permissions"] == {"contents": "read"}
    assert all("permissions" not in job and job["timeout-minutes"] <= 90 for job in ci["jobs"].values())
    assert "cancel-in-progress" in ci["concurrency"]
    checkouts = [step for job in ci["jobs"].values() for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert len(checkouts) == len(ci["jobs"])
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_jobs_run_targets_of_the_makefile() -> None:
    commands = [step["run"] for job in workflow()["jobs"].values() for step in job["steps"] if "run" in step]
    assert {"make lint", "make types", "make test", "make lowest", "make try-wheel", "make docs"} <= set(commands)
    for command in set(commands):
        make, *targets = command.split()
        assert make == "make"
        assert recipes(*targets)


def test_the_tests_run_on_every_python_version_that_is_stated() -> None:
    prefix = "Programming Language :: Python :: 3."
    stated = [name.removeprefix(prefix) for name in pyproject()["project"]["classifiers"] if name.startswith(prefix)]
    tested = workflow()["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert tested == [f"3.{minor}" for minor in stated]
    assert pyproject()["project"]["requires-python"] == f">={tested[0]}"


def readme_command(mark: str) -> list[str]:
    """The parts of one of the two commands of README.md."""
    block = re.search(rf"<!-- {mark} -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert block
    return block[1].split(" && ")


def test_the_makefile_runs_the_commands_of_the_readme() -> None:
    assert recipes("setup", "check") == readme_command("test")
    assert recipes("label") == readme_command("label")[-1:]


def test_every_target_of_the_makefile_is_explained_and_is_no_file() -> None:
    text = (REPOSITORY / "Makefile").read_text().replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
    )
    assert [line.split()[0] for line in listed.stdout.splitlines()] == phony[1].split()


def test_pre_commit_runs_the_tools_of_the_environment() -> None:
    assert module("pre_commit", "validate-config").returncode == 0
    (local,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    entries = [hook["entry"].split() for hook in local["hooks"]]
    assert {Path(words[0]).name for words in entries} == {"ruff", "mypy", "python"}
    assert all(words[0].startswith(".venv/bin/") for words in entries)
    tests = [word for words in entries for word in words if word.startswith("tests/")]
    assert tests
    assert all((REPOSITORY / path).is_file() for path in tests)


def test_the_citation_and_the_changelog_name_the_version() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    headings = re.findall(r"^## (.*)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", headings[1])


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock", "requirements-lowest.lock"])
def test_a_lock_has_hashes_and_names_no_index(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) > 40
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    assert not re.search("index-url|find-links|://", text)


def bounds() -> dict[str, str]:
    """The lower bound of every direct requirement, extras included."""
    project = pyproject()["project"]
    lines = chain(project["dependencies"], *project["optional-dependencies"].values())
    stated = [(part, requirement.name) for requirement in map(Requirement, lines) for part in requirement.specifier]
    return {name: part.version for part, name in stated if part.operator == ">="}


def test_the_lowest_versions_that_are_tested_are_the_lowest_that_are_allowed() -> None:
    lock = (REPOSITORY / "requirements-lowest.lock").read_text()
    # A later Python may need a later version; that for the lowest Python stands first.
    pins: dict[str, str] = {}
    for name, version in re.findall(r"^([a-z0-9_.-]+)==([^\s;\\]+)", lock, re.MULTILINE):
        pins.setdefault(name, version)
    # The extras for other stores are not in the tests' environment.
    tested = {name: bound for name, bound in bounds().items() if name not in {"gcsfs", "adlfs"}}
    assert len(tested) > 20
    shorter = {name: pins[name] for name, bound in tested.items() if not (pins[name] + ".0.0").startswith(f"{bound}.")}
    assert shorter == {}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1577836800"}
    done = module("hatchling", "build", "-t", "wheel", "-d", str(folder), env=environment)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return zipfile.ZipFile(path)


def test_make_wheel_installs_nothing_that_only_tests_need(tmp_path: Path) -> None:
    command = ["make", "--dry-run", "wheel", f"VENV={tmp_path / 'none'}"]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert "pip wheel" in done.stdout
    assert "requirements" not in done.stdout


def test_the_wheel_has_a_man_page_and_completions_of_every_shell(wheel: zipfile.ZipFile) -> None:
    shared = {name.partition(".data/data/")[2]: name for name in wheel.namelist() if ".data/data/" in name}
    assert sorted(shared) == [
        "share/bash-completion/completions/emosense-batch",
        "share/fish/vendor_completions.d/emosense-batch.fish",
        "share/man/man1/emosense-batch.1",
        "share/zsh/site-functions/_emosense-batch",
    ]
    page = wheel.read(shared["share/man/man1/emosense-batch.1"]).decode()
    for section in ("NAME", "SYNOPSIS", "LABEL", "MODELS VERIFY", "EXIT STATUS"):
        assert f"\n.SH {section}\n" in page
    assert "\\fB\\-o\\fR, \\fB\\-\\-output\\fR" in page
    script = wheel.read(shared["share/bash-completion/completions/emosense-batch"]).decode()
    assert "_EMOSENSE_BATCH_COMPLETE=complete_bash" in script


def test_the_wheel_states_the_licences_of_code_and_weights_and_has_both_texts(wheel: zipfile.ZipFile) -> None:
    info = f"emosense-{__version__}.dist-info"
    metadata = email.message_from_string(wheel.read(f"{info}/METADATA").decode())
    assert metadata["License-Expression"] == "Apache-2.0 AND CC-BY-NC-SA-4.0 AND MIT"
    assert metadata.get_all("License-File") == list(LICENCES)
    record = wheel.read(f"{info}/RECORD").decode()
    for name in LICENCES:
        assert wheel.read(f"{info}/licenses/{name}") == (REPOSITORY / name).read_bytes()
        assert f"{info}/licenses/{name},sha256=" in record


def test_the_text_for_the_weights_is_whole() -> None:
    text = (REPOSITORY / LICENCES[1]).read_text()
    assert text.startswith("Attribution-NonCommercial-ShareAlike 4.0 International\n")
    assert re.findall(r"^Section (\d) -- ", text, re.MULTILINE) == list("12345678")
    assert text.endswith("Creative Commons may be contacted at creativecommons.org.\n")


def test_the_notice_names_every_folder_of_weights(wheel: zipfile.ZipFile) -> None:
    folders = {str(Path(name).parent) for name in wheel.namelist() if name.endswith(".onnx")}
    assert folders == {"emosense/models/default", "emosense/models/fast", "emosense/models/accurate"}
    notice = (REPOSITORY / "NOTICE").read_text()
    assert all(folder in notice for folder in folders)


def test_the_wheel_has_only_the_package_and_stays_small(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "emosense", f"emosense-{__version__}.data", f"emosense-{__version__}.dist-info",
    }  # fmt: skip
    assert "emosense/py.typed" in wheel.namelist()
    assert sum(item.compress_size for item in wheel.infolist()) < 30_000_000


def test_the_readme_states_how_large_an_installation_is() -> None:
    on_disk = {name: disk_mb(files) for name, files in installed_files("emosense").items()}
    (stated,) = re.findall(r"half a minute and (\d+) MB: (.*?)\. TensorFlow", README, re.DOTALL)
    assert float(stated[0]) == pytest.approx(sum(on_disk.values()), rel=0.03)
    for words, names in (
        ("Ray", ("ray",)), ("pyarrow", ("pyarrow",)), ("SciPy and NumPy", ("scipy", "numpy")),
        ("decoders (PyAV, libsndfile)", ("av", "soundfile", "soxr")), ("ONNX Runtime", ("onnxruntime",)),
        ("EmoSense with its models", ("emosense",)),
    ):  # fmt: skip
        (figure,) = re.findall(rf"{re.escape(words)} (\d+)", " ".join(stated[1].split()))
        assert float(figure) == pytest.approx(sum(on_disk[name] for name in names), rel=0.05), words


def installed_files(name: str, found: dict[str, list[Path]] | None = None) -> dict[str, list[Path]]:
    """The files of a package and of all that it needs, without its extras, by package."""
    found = {} if found is None else found
    distribution = importlib.metadata.distribution(name)
    found[canonicalize_name(name)] = [Path(str(file.locate())) for file in distribution.files or ()]
    if name == "emosense":  # here, its files are in the repository
        found[name] = [path for path in (REPOSITORY / "emosense").rglob("*") if path.is_file()]
    for requirement in map(Requirement, distribution.requires or ()):
        is_needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if is_needed and canonicalize_name(requirement.name) not in found:
            installed_files(requirement.name, found)
    return found


def disk_mb(files: Iterable[Path]) -> float:
    """What files take on a disk with blocks of 4 KiB; an installation by uv has no compiled modules."""
    sizes = [path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file()]
    return sum(-(-size // 4096) * 4096 for size in sizes) / 2**20
