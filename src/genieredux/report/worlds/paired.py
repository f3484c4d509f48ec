"""How runs differ from one of them, the baseline, on the clips that both saw. It knows the numbers of clips only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genieredux.errors import UserError
from genieredux.evaluation.bootstrap import Estimate
from genieredux.evaluation.compare import Comparison, compare
from genieredux.evaluation.rows import MODEL, TOKENIZER_ONLY
from genieredux.report.worlds.folder import Run
from genieredux.report.worlds.values import bootstrap_settings


@dataclass(frozen=True)
class Paired:
    """One run against the baseline. by_set: what was compared; why_not: a sentence where nothing, or not all, was."""

    run: Run
    baseline: Run
    by_set: Mapping[str, Comparison]
    why_not: tuple[str, ...]

    def headlines(self) -> dict[str, tuple[str, Estimate, str]]:
        """By test set (row, average difference of PSNR in dB, on how many clips); none where neither row is common."""
        found = {}
        for name, comparison in self.by_set.items():
            rows = comparison.differences.get("psnr", {})
            row = next((row for row in (MODEL, TOKENIZER_ONLY) if row in rows), None)
            if row:
                size = f"{comparison.clips} clips of {comparison.episodes} episodes"
                found[name] = (row, rows[row].average, size)
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": self.run.name,
            "baseline": self.baseline.name,
            "sets": {name: found.to_json() for name, found in self.by_set.items()},
            "not_compared": list(self.why_not),
        }


def pair(runs: Sequence[Run], baseline: Run) -> list[Paired]:
    """Every other run against the baseline."""
    return [_pair(run, baseline) for run in runs if run is not baseline]


def _pair(run: Run, baseline: Run) -> Paired:
    for one in (run, baseline):
        if not one.numbers:
            return Paired(run, baseline, {}, (f"{one.name} has no clips.parquet, so clips cannot be paired",))
    if (run.prompt_frames, _horizon(run)) != (baseline.prompt_frames, _horizon(baseline)):
        why = (
            f"{run.name} predicts {_horizon(run)} frames from {run.prompt_frames}, {baseline.name} "
            f"{_horizon(baseline)} from {baseline.prompt_frames}: no clip is the same"
        )
        return Paired(run, baseline, {}, (why,))
    by_set, why_not = {}, []
    for name in dict.fromkeys([*baseline.numbers, *run.numbers]):
        if name not in run.numbers or name not in baseline.numbers:
            lacking = run if name not in run.numbers else baseline
            why_not.append(f"{lacking.name} was not measured on {name}")
            continue
        try:
            settings = bootstrap_settings(baseline)
            by_set[name] = compare({name: baseline.numbers[name]}, {name: run.numbers[name]}, *settings)[name]
        except UserError:
            why_not.append(f"{run.name} and {baseline.name} have no clip of {name} in common")
            continue
        found = by_set[name]
        if found.only_first or found.only_second:
            why_not.append(
                f"{name}: {found.clips} clips are in both; {found.only_first} of {baseline.name} and "
                f"{found.only_second} of {run.name} are not, and stay out of the differences"
            )
    return Paired(run, baseline, by_set, tuple(why_not))


def _horizon(run: Run) -> int:
    return next(iter(run.numbers.values())).actions.shape[1]
