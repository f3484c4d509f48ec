"""A short note per game in words: what is odd about its data, and how bad that is.

Every limit has a name and a reason, in `THRESHOLDS`; where a reason names games, they were measured: 32 Atari games
and Airstriker, five actions drawn uniformly, held for 4 frames, 500 actions an episode, 64x64.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genieredux.episodes.quality.game import GameMeasures, measure
from genieredux.episodes.quality.sample import Budget
from genieredux.episodes.reader import Dataset

GOOD, LOOK, POOR = LEVELS = ("good", "look", "poor")
"""good: nothing odd. look: usable, but know this first. poor: a model would learn little or something wrong."""

_BRIEF_FRAMES, _BRIEF_LINES = 1024, 10


@dataclass(frozen=True)
class Threshold:
    """A limit of one measure, and why it lies there."""

    value: float
    reason: str


THRESHOLDS: Mapping[str, Threshold] = {
    "blank_poor": Threshold(
        0.5, "share of one-coloured frames; a wrong ROM plays black frames and nothing else, and no emulator says so"
    ),
    "blank_look": Threshold(0.05, "share of one-coloured frames; none of the 33 measured games shows a single one"),
    "frozen": Threshold(
        0.9,
        "share of steps without a change; the stillest measured game, CrazyClimber, has 0.55 (0.70 in 200)",
    ),
    "idle": Threshold(1 / 3, "share of steps without a change; the median of the measured games is 0.01"),
    "still_frames": Threshold(
        32, "equal frames in a row: two training windows of 16 in which nothing happens; 30 of 33 games stay below 22"
    ),
    "distinct_poor": Threshold(
        0.2, "share of distinct frames in an episode; the weakest measured game, CrazyClimber, has 0.29 to 0.33"
    ),
    "distinct_look": Threshold(
        2 / 3,
        "share of distinct frames in an episode; the median is 0.93, and a gap follows the weakest games",
    ),
    "small_change": Threshold(
        0.15,
        "median change of a step, in levels of 255; Pong, Bowling and Qbert lie below, 24 of 33 games above 0.17, none "
        "between 0.131 and 0.177; repeating the last frame already scores a high PSNR there",
    ),
    "alike_poor": Threshold(
        0.9, "share of frames that another episode has too: an emulator plays the same when the actions do nothing"
    ),
    "alike_look": Threshold(
        0.5, "share of frames that another episode has too; at most 0.35 in full episodes (Freeway)"
    ),
    "short_poor": Threshold(0.5, "share of episodes below 16 frames, which hold no training window"),
    "short_look": Threshold(0.05, "share of episodes below 16 frames"),
    "early": Threshold(0.5, "median length by the longest possible; of the measured games only Breakout ends so early"),
    "rare_action": Threshold(0.25, "share of an action by its fair share, 1 / number of actions"),
    "traceless": Threshold(2000, "transitions; with fewer, no trace of an action may only mean too little data"),
}
"""Name -> limit. Shares are 0..1."""


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed. level `good`: worth saying, nothing to worry about."""

    code: str
    level: str
    text: str


@dataclass(frozen=True)
class QualityNote:
    """What is to be known of a game before learning from it."""

    game: str
    measures: GameMeasures
    findings: tuple[Finding, ...]

    @property
    def level(self) -> str:
        """The worst level of the findings: good, look or poor."""
        return max((finding.level for finding in self.findings), key=LEVELS.index, default=GOOD)

    @property
    def text(self) -> str:
        """The findings that matter as one line; empty where the level is good."""
        return "; ".join(finding.text for finding in self.findings if finding.level != GOOD)

    @property
    def remarks(self) -> str:
        """The other findings as one line."""
        return "; ".join(finding.text for finding in self.findings if finding.level == GOOD)

    def to_json(self) -> dict[str, Any]:
        """Plain values, the measures included."""
        found = [vars(finding) for finding in self.findings]
        return {"level": self.level, "note": self.text, "findings": found, **self.measures.to_json()}


def note(dataset: Dataset, game: str, budget: Budget | None = None) -> QualityNote:
    """Measure one game of a data set and judge it.

    Reads at most `budget.frames` frames. Raises `UserError` where the data set has no such game or a file is damaged.
    """
    return judge(measure(dataset.select(game=game), budget), step_limit(dataset))


def step_limit(dataset: Dataset) -> int | None:
    """Actions after which the data set's episodes were cut; None where nobody wrote it down."""
    connector = dataset.spec.created_by.get("connector")
    limit = connector.get("generator_config", {}).get("n_steps_max") if isinstance(connector, Mapping) else None
    return limit if isinstance(limit, int) else None


def judge(measures: GameMeasures, steps: int | None = None) -> QualityNote:
    """The note that follows from the numbers alone. steps: actions after which episodes were cut, if known."""
    findings = (*_picture(measures), *_episodes(measures, steps), *_actions(measures), *_truth(measures))
    return QualityNote(measures.game, measures, tuple(sorted(findings, key=lambda one: -LEVELS.index(one.level))))


def brief(dataset: Dataset, seconds: float = 10.0) -> list[str]:
    """Lines for a terminal on the games that deserve a look; none where all are good.

    Looks at 1,024 frames a game and begins no further game after so many seconds; says how many were left out.
    """
    began, lines, games = time.monotonic(), [], sorted(set(dataset.index["game"].to_pylist()))
    looked = 0
    for game in games:
        if looked and time.monotonic() - began > seconds:
            break
        made = note(dataset, game, Budget(_BRIEF_FRAMES))
        looked += 1
        if made.level != GOOD:
            lines.append(f"  {made.level}  {game}: {made.text}")
    more = [f"  and {len(lines) - _BRIEF_LINES} more"] if len(lines) > _BRIEF_LINES else []
    if not lines:
        return []
    head = f"{len(lines)} of {looked} games deserve a look before you train on them"
    head += f" ({len(games) - looked} were not looked at)" if looked < len(games) else ""
    return [f"{head}; `genieredux data report {dataset.path}` shows them:", *lines[:_BRIEF_LINES], *more]


def _picture(m: GameMeasures) -> Iterator[Finding]:
    """What the frames show: nothing, nothing new, or little."""
    black = m.black >= m.blank / 2
    if m.blank >= _value("blank_look"):
        level = POOR if m.blank >= _value("blank_poor") else LOOK
        hint = "; is it the right ROM? (`genieredux retroact verify`)" if level == POOR and black else ""
        yield Finding("blank", level, f"{_percent(m.blank)} of the frames are {'black' if black else 'blank'}{hint}")
        if level == POOR:
            return
    if m.idle is None or m.median_change is None:
        return
    run = m.longest_still + 1
    if m.idle >= _value("frozen"):
        yield Finding("frozen", POOR, f"frozen: nothing changes in {_percent(m.idle)} of the steps")
        return
    if m.distinct < _value("distinct_look"):
        level = POOR if m.distinct < _value("distinct_poor") else LOOK
        yield Finding("distinct", level, f"only {_percent(m.distinct)} of the frames of an episode are distinct")
    if m.idle >= _value("idle"):
        yield Finding("idle", LOOK, f"nothing changes in {_percent(m.idle)} of the steps")
    if run >= _value("still_frames"):
        yield Finding("still", LOOK, f"{run} equal frames in a row")
    if m.median_change < _value("small_change"):
        yield Finding("small_change", LOOK, f"little moves: {m.median_change:.2f} of 255 in a usual step")


def _episodes(m: GameMeasures, steps: int | None) -> Iterator[Finding]:
    """How long episodes are, how they end, and whether they differ."""
    alike = max(m.shared or 0.0, m.twins)
    if m.episodes > 1 and alike >= _value("alike_poor"):
        text = f"its episodes are all alike: {_percent(alike)} of what one shows, another shows too"
        yield Finding("alike", POOR, text)
    elif m.shared is not None and m.shared >= _value("alike_look"):
        yield Finding("alike", LOOK, f"{_percent(m.shared)} of the frames occur in another episode too")
    elif m.twins:
        yield Finding("twins", LOOK, f"{round(m.twins * m.episodes)} of {m.episodes} episodes are copies of another")
    short = m.short / m.episodes
    if short >= _value("short_look"):
        level = POOR if short >= _value("short_poor") else LOOK
        yield Finding("short", level, f"{m.short} of {m.episodes} episodes have fewer than 16 frames")
    elif steps is not None and m.lengths[1] < _value("early") * (steps + 1):
        yield Finding("early", LOOK, f"half of its episodes end within {m.lengths[1]:g} of {steps + 1} frames")
    if m.terminated > 0 and m.truncated == 0:
        yield Finding("ends", GOOD, "every episode ends by itself")


def _actions(m: GameMeasures) -> Iterator[Finding]:
    """Which actions were taken, and whether they show."""
    fair = 1 / max(len(m.actions), 1)
    rare = [name for name, share in m.actions.items() if share < _value("rare_action") * fair]
    if rare and m.transitions:
        yield Finding("rare_action", LOOK, f"hardly ever or never taken: {', '.join(rare)}")
    dead = [name for name, change in m.action_change.items() if change == 0]
    if dead and len(dead) < len(m.action_change):
        yield Finding("dead_action", LOOK, f"without any visible effect: {', '.join(dead)}")
    if any(len(group) == len(m.actions) for group in m.alike) and m.idle != 1:
        level = LOOK if m.transitions >= _value("traceless") else GOOD
        text = f"no action leaves a trace of its own in {m.transitions:,} steps"
        yield Finding("traceless", level, text)
    elif m.alike and m.idle != 1:
        yield Finding(
            "same_actions", GOOD, "not told apart by what is seen: " + "; ".join(" = ".join(group) for group in m.alike)
        )


def _truth(m: GameMeasures) -> Iterator[Finding]:
    """What rewards and ground truth say."""
    if m.rewarded == 0:
        yield Finding("unrewarded", GOOD, "no reward was ever earned")
    if m.constant:
        yield Finding("constant", GOOD, f"never changes: {', '.join(m.constant)}")


def _value(name: str) -> float:
    return THRESHOLDS[name].value


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
