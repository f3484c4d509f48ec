"""What a page of the docs says in code blocks, for tests that do it letter for letter."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str, section: str = "") -> list[str]:
    """The code blocks of a page (a path from the checkout), or those below one of its headings."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if section:
        found = re.search(rf"^(#+) {re.escape(section)}\n(.*?)(?=^\1 |\Z)", text, re.M | re.S)
        assert found, f"{page} has no section '{section}'"
        text = found.group(2)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
