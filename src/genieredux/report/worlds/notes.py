"""Traps: what makes two runs hard to compare, in sentences. It reads what made them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genieredux.evaluation.rows import TOKENIZER_ONLY
from genieredux.report.worlds.folder import Run
from genieredux.report.worlds.values import metrics_of, set_names, with_set

SAME_FRAMES = "The same frames and actions, shown to each of the models."
OTHER_FRAMES = "Several models on one page, which did not all see the same frames: what that means stands below."
_SAMPLING = ("method", "steps", "temperature", "choice", "window", "dream_length")
_PROTOCOL = {
    "prompt_frames": "prompt frames",
    "horizon": "frames predicted",
    "seq_step": "frames from clip to clip",
    "num_clips": "clips asked for",
    "compare_at": "horizon of ΔPSNR",
    "seed": "seed",
    "sampling_seeds": "number of sampling seeds",
    "interval": "level of the intervals",
    "drift_frames": "frames of drift",
    "drift_clips": "clips of drift asked for",
}


def traps(runs: Sequence[Run]) -> list[str]:
    """Sentences, the weightiest first; none where runs can be set side by side."""
    if len(runs) < 2:
        return []
    checks: tuple[Callable[[Sequence[Run]], list[str]], ...] = (_data, _clips, _protocol, _kinds, _sampling, _networks)
    return [line for check in checks for line in check(runs)]


def summary(runs: Sequence[Run]) -> str:
    """What a page of several runs may claim: the same frames only where the clips of all say so."""
    same = all(
        len(here := with_set(runs, name)) == len(runs)
        and all(name in run.numbers for run in here)
        and not _differ(sorted(run.numbers[name].hashes) for run in here)
        for name in set_names(runs)
    )
    return SAME_FRAMES if same else OTHER_FRAMES


def few_samples(runs: Sequence[Run]) -> list[str]:
    """Where a pooled metric rests on fewer samples than it says it needs."""
    lines = []
    for metric, about in metrics_of(runs).items():
        few = dict.fromkeys(
            f"{pooled.samples} ({name})"
            for run in runs
            for name, of_set in run.sets.items()
            if (pooled := of_set.pooled.get(metric)) and pooled.rows and pooled.samples < (about.few_below or 0)
        )
        if few:
            lines.append(
                f"{about.label} rests on {', '.join(few)} samples, below the {about.few_below} that it needs: it is "
                f"biased upwards, and ranks runs of as many samples at best."
            )
    return lines


def _data(runs: Sequence[Run]) -> list[str]:
    def named(run: Run) -> str:
        checksum = run.word("dataset", "checksum")
        return f"{run.word('dataset', 'name') or '?'}{f' ({checksum[:12]})' if checksum else ''}"

    same = [{word for run in runs if (word := run.word("dataset", key))} for key in ("checksum", "name")]
    if not any(len(values) > 1 for values in same):
        return []
    return [f"The data sets differ: {_each(runs, named)}. Numbers on other data are no comparison of models."]


def _clips(runs: Sequence[Run]) -> list[str]:
    lines = []
    for name in set_names(runs):
        here = with_set(runs, name)
        if len(here) < len(runs):
            without = ", ".join(run.name for run in runs if name not in run.sets)
            lines.append(f"Test set {name} is missing in {without}.")
        hashes = [frozenset(run.numbers[name].hashes) for run in here if name in run.numbers]
        if len(set(hashes)) > 1:
            common = len(frozenset.intersection(*hashes))
            sizes = ", ".join(str(len(of)) for of in hashes)
            lines.append(
                f"The clips of {name} are not the same ({common} of {sizes} are common): "
                f"tables and curves speak of other clips for each run; the paired differences use common ones alone."
            )
    return lines


def _protocol(runs: Sequence[Run]) -> list[str]:
    parts = _parts_that_differ(runs, [run.made("config") for run in runs], _PROTOCOL)
    return [f"The protocol differs: {'; '.join(parts)}."] if parts else []


def _kinds(runs: Sequence[Run]) -> list[str]:
    lines = []
    if _differ(run.kind for run in runs):
        kinds = _each(runs, lambda run: run.kind)
        lines.append(f"They are models of different kinds: {kinds}; only rows of the same name compare.")
    if _differ(run.action_names for run in runs if run.action_names):
        lines.append(f"Their actions differ: {_each(runs, lambda run: ' '.join(run.action_names))}.")
    for name in set_names(runs):
        here = [run for run in runs if name in run.numbers]
        ceilings = [of for run in here if (of := run.sets[name].metrics.get("psnr", {}).get(TOKENIZER_ONLY))]
        if not _differ(run.numbers[name].hashes for run in here) and _differ(of.mean for of in ceilings):
            lines.append(
                "Their ceilings (truth redrawn) differ: look at each dream beside its own; entropies and rates of wrong"
                " tokens are of other codes."
            )
            break
    return lines


def _sampling(runs: Sequence[Run]) -> list[str]:
    lines = []
    dreaming = [run for run in runs if run.made("sampling")]
    parts = _parts_that_differ(dreaming, [run.made("sampling") for run in dreaming], {key: key for key in _SAMPLING})
    if parts:
        lines.append(f"Frames are drawn differently: {'; '.join(parts)}. More steps alone move every number.")
    odd = _parts_that_differ(
        runs, [run.results.made_by for run in runs], {"precision": "precision", "device": "device"}
    )
    if odd:
        lines.append(f"They ran with another {' and '.join(odd)}: last digits may differ for that alone.")
    return lines


def _networks(runs: Sequence[Run]) -> list[str]:
    lines = []
    tables = [run.made("metrics") for run in runs]
    for metric in dict.fromkeys(name for table in tables for name in table):
        measured = [(run, one) for run, table in zip(runs, tables, strict=True) if (one := _measured(table, metric))]
        if measured and len(measured) < len(runs):
            has = [run for run, _ in measured]
            lines.append(f"{metric} was not measured in {', '.join(run.name for run in runs if run not in has)}.")
        if _differ(_identity(one) for _, one in measured):
            lines.append(f"{metric} was measured with different networks or settings: its numbers do not compare.")
    return lines


def _measured(table: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """What a metric looked through; {} where it was not measured."""
    one = table.get(metric)
    return one if isinstance(one, Mapping) and "missing" not in one else {}


def _identity(one: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes the numbers of a network: not where its file lies, nor how long it took to train."""
    ignored = ("file", "seconds", "held_out", "source")
    return tuple(sorted((key, str(value)) for key, value in one.items() if key not in ignored))


def _parts_that_differ(runs: Sequence[Run], of: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> list[str]:
    """`what (run: value, run: value)` for each key of `words` in which the mappings differ."""
    columns = {text: [values.get(key) for values in of] for key, text in words.items()}
    return [f"{text} ({_listed(runs, values)})" for text, values in columns.items() if _differ(values)]


def _differ(values: Any) -> bool:
    return len({str(value) for value in values}) > 1


def _each(runs: Sequence[Run], of: Callable[[Run], Any]) -> str:
    return _listed(runs, [of(run) for run in runs])


def _listed(runs: Sequence[Run], values: Sequence[Any]) -> str:
    return ", ".join(f"{run.name}: {value}" for run, value in zip(runs, values, strict=True))
