"""README, CONTRIBUTING and docs: short lines, links that lead somewhere, names that exist, plain words."""

import pkgutil
import re
import subprocess
from pathlib import Path

import click
import numpy as np
import pytest

from vestige.audit.cli.main import cli

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {"docs/methods.md"}
RESULTS = ROOT / "docs" / "results"


def pages(*patterns: str) -> list[str]:
    found = sorted(path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern))
    assert found
    return found


WRITTEN = [page for page in pages("*.md", "docs/*.md", "examples/**/README.md") if page not in GENERATED]
"""The pages that people write; those of ``docs/results`` are measurements."""
ALL = [*WRITTEN, *GENERATED, *pages("docs/results/*.md", "tests/fuzz/*.md")]
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
PLAIN = (
    r"told|asked(?! to )|asking|held (?:against|to)|besides?|in force|vouch\w*|whoever|strangers?|likeness"
    r"|annex\w*|knobs?"
)
"""House words for which there are plain ones."""


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """The page without blocks of code; its lines keep their numbers."""
    return FENCE.sub(lambda block: "\n" * block[0].count("\n"), text(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page, as GitHub derives them from its headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WRITTEN)
def test_lines_are_short(page: str) -> None:
    long = [
        f"{page}:{number}: {len(line)}"
        for number, line in enumerate(prose(page).splitlines(), 1)
        if len(line) >= 100 and not line.startswith("|") and "://" not in line
    ]
    assert long == []


def test_the_first_screen_of_the_readme_fits_80_columns_and_shows_what_a_newcomer_needs() -> None:
    screen = text("README.md").splitlines()[:40]
    assert max(map(len, screen)) <= 80
    shown = "\n".join(screen)
    for part in ("pip install -c constraints.txt .", "pip install dist/vestige-", "$ vestige audit", "FAIL, LEAK"):
        assert part in shown, part
    assert "docs/figures/" in shown


@pytest.mark.parametrize("page", ALL)
def test_links_lead_somewhere(page: str) -> None:
    whole = prose(page)
    targets = re.findall(r"\]\(([^)\s]+)\)", whole) + re.findall(r"^\[[^\]]+\]: (\S+)", whole, re.MULTILINE)
    targets += re.findall(r'src="([^"]+)"', whole)
    for target in targets:
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        assert place.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(place), f"{page}: {target}"


@pytest.mark.parametrize("page", WRITTEN)
def test_words_are_plain(page: str) -> None:
    words = re.sub(r"`[^`]*`|\]\([^)]*\)", "", prose(page))
    found = [
        f"{page}:{number}: {match[0]}"
        for number, line in enumerate(words.splitlines(), 1)
        for match in re.finditer(rf"\b({PLAIN})\b", line, re.IGNORECASE)
    ]
    assert found == []


@pytest.mark.parametrize("page", ALL)
def test_nothing_is_installed_by_a_name_that_is_on_no_index(page: str) -> None:
    """The person who registers the name could run code on the machines of all who follow such a line."""
    assert not re.search(r"pip install [^\n`]*(?<![/\w-])['\"]?vestige(?! @|-)\b", text(page))


@pytest.mark.parametrize("page", WRITTEN)
def test_files_and_folders_that_a_page_names_exist(page: str) -> None:
    named = re.findall(
        r"`((?:audit|attacks|learners|unlearners|vestige|tests|docs|examples|benchmarks)/[\w./-]*)`", text(page)
    )
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", WRITTEN)
def test_modules_and_names_that_a_page_names_exist(page: str) -> None:
    for name in set(re.findall(r"`(vestige(?:\.\w+)+)`", text(page))):
        assert pkgutil.resolve_name(name) is not None, name


def shown_commands(page: str) -> list[list[str]]:
    """The words of every command line of ``vestige`` in the page's blocks of code, remarks aside."""
    blocks = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE))
    lines = blocks.replace("\\\n", " ").splitlines()
    starts = (re.match(r"(?:\$ )?vestige (.*)", re.sub(r"\s#.*", "", line)) for line in lines)
    return [match[1].split() for match in starts if match]


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_and_options_that_a_page_shows_exist(page: str) -> None:
    for words in shown_commands(page):
        command: click.Command = cli
        for word in words:
            if isinstance(command, click.Group):
                command = command.get_command(click.Context(command), word) or command
        assert not isinstance(command, click.Group), words
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        unknown = [word for word in words if word.startswith("--") and word not in options]
        assert not unknown, f"{page}: vestige {' '.join(words)}"


def test_the_python_of_the_page_on_outputs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = text("docs/outputs.md")
    for name, content in re.findall(r"`(\w+\.csv)`\n\n```csv\n(.*?)```", page, re.DOTALL):
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code, {})
    with np.load("outputs.npz") as outputs:
        assert outputs["candidate"].tolist() == [[2.5, -1], [0.5, 0.75]]


def test_no_tracked_file_names_the_old_option() -> None:
    listed = subprocess.run(
        ["git", "grep", "-lE", "[-]-annex", "--", "*.md", "examples"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(listed.stdout.split()) <= {"CHANGELOG.md"}
