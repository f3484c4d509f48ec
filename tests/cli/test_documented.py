"""The commands that README and docs show can be copied as they stand."""

import re
import shlex
from pathlib import Path

import pytest

from genieredux.cli.verbs import VERBS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_SETTINGS = ("generate", "genie_redux", "agent57", "auto_explore", "demo", "heads", "doctor")
"""Verbs that take key=value words alone, after their mode."""


def commands(page: Path) -> list[list[str]]:
    """The words of every command in the page's blocks that begins with the program's name, however many lines it has;
    those that leave something out are no commands."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        lines = block.splitlines()
        while lines:
            line = re.sub(r"\s+#\s.*", "", lines.pop(0)).strip()
            if not line.startswith("genieredux ") or "..." in line or "…" in line:
                continue
            while (line.count("'") % 2 or line.count('"') % 2) and lines:
                line += " " + lines.pop(0).strip()
            found.append(shlex.split(line))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_made_of_a_verb_and_settings(page: Path) -> None:
    for line in commands(page):
        verb, *words = line[1:]
        assert verb in VERBS or verb.startswith("--"), line
        if verb in OF_SETTINGS:
            rest = [word for word in words[1:] if not word.startswith("-")]
            assert all("=" in word or word.startswith("~") for word in rest), line


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 50
