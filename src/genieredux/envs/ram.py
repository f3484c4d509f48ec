"""Reward and end of every emulator frame, at a fraction of what the library's own bookkeeping costs.

stable-retro finds reward and end by copying the console's memory after each frame (`update_ram`), which takes up to a
third as long as the emulation itself. Where a game's scenario only looks at variables (no script, no condition on
their change), a frame on which none of those variables changed earns nothing and ends nothing, so the copy is made
only after frames on which one did. The answers are those of the library, frame by frame. Knows no picture.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HARMLESS = {"crop", "actions"}  # parts of a scenario that neither reward nor end anything
_REWARD_KEYS = {"reward", "penalty"}
_DONE_KEYS = {"op", "reference"}


class RamWatch:
    """Watches the variables that the scenario file at `scenario` looks at, through the library's `data` object."""

    def __init__(self, data: Any, scenario: Path) -> None:
        self._data = data
        self._names = _watched(json.loads(scenario.read_text(encoding="utf-8")), set(data.lookup_all()))
        self._seen: list[int] | None = None

    def begin(self) -> None:
        """An episode begins: what was seen before means nothing."""
        self._seen = None

    def frame(self) -> tuple[float, bool]:
        """After one emulator frame: what it earned, and whether it ended the game. Call it after every frame."""
        if self._names is not None:
            now = [self._data.lookup_value(name) for name in self._names]
            if now == self._seen:
                return 0.0, False
            self._seen = now
        self._data.update_ram()
        return float(self._data.current_reward()), bool(self._data.is_done())


def _watched(scenario: Mapping[str, Any], known: set[str]) -> tuple[str, ...] | None:
    """The variables on which reward and end depend; None where they depend on more than these, or it is not clear."""
    if set(scenario) - {"reward", "done"} - _HARMLESS:
        return None
    reward, done = scenario.get("reward", {}), scenario.get("done", {})
    names: set[str] = set()
    for part, keys, measurement in ((reward, _REWARD_KEYS, "delta"), *_conditions(done)):
        if set(part) - {"variables", "condition", "nodes"}:
            return None
        for name, rule in part.get("variables", {}).items():
            if set(rule) - keys - {"measurement"} or rule.get("measurement", measurement) != measurement:
                return None
            names.add(name)
    return tuple(sorted(names)) if names <= known and "nodes" not in reward else None


def _conditions(done: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], set[str], str]]:
    """The condition and all those nested in it."""
    found = [(done, _DONE_KEYS, "absolute")]
    for node in done.get("nodes", {}).values():
        found += _conditions(node)
    return found
