"""Traps: what makes two runs hard to compare, in sentences. It reads what made them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genieredux.evaluation.page.run import Run

FEW_SAMPLES = {"FID": 2048, "FVD": 400}
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


def few_samples(runs: Sequence[Run]) -> list[str]:
    """Where FID and FVD rest on fewer samples than their features have dimensions."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for name, of_set in run.sets.items():
            for metric, values in (of_set.get("frechet") or {}).items():
                if values["rows"] and values["samples"] < FEW_SAMPLES.get(metric, 0):
                    found.setdefault(metric, []).append(f"{values['samples']} ({name})")
    return [
        f"{metric} rests on {', '.join(dict.fromkeys(of))} samples, below the {FEW_SAMPLES[metric]} dimensions of its "
        f"features: it is biased upwards, and ranks runs of as many samples at best."
        for metric, of in found.items()
    ]


def missing_metrics(run: Run) -> dict[str, str]:
    """Why each metric that needs a network is not there."""
    networks = run.made_by.get("networks") or {}
    return {
        name: about["missing"] for name, about in networks.items() if isinstance(about, dict) and "missing" in about
    }


def _data(runs: Sequence[Run]) -> list[str]:
    def named(run: Run) -> str:
        data = run.made_by.get("dataset") or {}
        checksum = data.get("checksum")
        return f"{data.get('name', '?')}{f' ({checksum[:12]})' if checksum else ''}"

    sources = [run.made_by.get("dataset") or {} for run in runs]
    same = [{data[key] for data in sources if data.get(key)} for key in ("checksum", "name")]
    if not any(len(values) > 1 for values in same):
        return []
    return [f"The data sets differ: {_each(runs, named)}. Numbers on other data are no comparison of models."]


def _clips(runs: Sequence[Run]) -> list[str]:
    lines = []
    names = dict.fromkeys(name for run in runs for name in run.sets)
    for name in names:
        here = [run for run in runs if name in run.sets]
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
    found = []
    for key, words in _PROTOCOL.items():
        if _differ(run.protocol.get(key) for run in runs):
            found.append(f"{words} ({_listed(runs, [run.protocol.get(key) for run in runs])})")
    return [f"The protocol differs: {'; '.join(found)}."] if found else []


def _kinds(runs: Sequence[Run]) -> list[str]:
    lines = []

    def kind(run: Run) -> Any:
        return "tokenizer" if "tokenizer" in str((run.made_by.get("model") or {}).get("kind")) else _alone(run)

    if _differ(kind(run) for run in runs):
        lines.append(f"They are models of different kinds: {_each(runs, kind)}; only rows of the same name compare.")
    if _differ(run.action_names for run in runs if run.action_names):
        lines.append(f"Their actions differ: {_each(runs, lambda run: ' '.join(run.action_names))}.")
    for name in dict.fromkeys(name for run in runs for name in run.sets):
        here = [run for run in runs if name in run.numbers]
        ceilings = [run.sets[name]["psnr"].get("tokenizer_only") for run in here]
        if not _differ(run.numbers[name].hashes for run in here) and _differ(of for of in ceilings if of):
            lines.append(
                "Their tokenizers differ: look at each dream beside its own ceiling; entropies and rates of wrong "
                "tokens are of other codes."
            )
            break
    return lines


def _alone(run: Run) -> str:
    return "latent action model" if "latent" in str((run.made_by.get("model") or {}).get("kind")) else "world"


def _sampling(runs: Sequence[Run]) -> list[str]:
    lines = []
    dreaming = [run for run in runs if run.sampling]
    parts = [
        f"{key} ({_listed(dreaming, [run.sampling.get(key) for run in dreaming])})"
        for key in _SAMPLING
        if _differ(run.sampling.get(key) for run in dreaming)
    ]
    if parts:
        lines.append(f"Frames are drawn differently: {'; '.join(parts)}. More steps alone move every number.")
    places = {key: [run.made_by.get(key) for run in runs] for key in ("precision", "device")}
    odd = [f"{key} ({_listed(runs, values)})" for key, values in places.items() if _differ(values)]
    if odd:
        lines.append(f"They ran with another {' and '.join(odd)}: last digits may differ for that alone.")
    return lines


def _networks(runs: Sequence[Run]) -> list[str]:
    lines = []
    tables = [run.made_by.get("networks") or {} for run in runs]
    for metric in dict.fromkeys(name for table in tables for name in table):
        has = [
            run for run, table in zip(runs, tables, strict=True) if "missing" not in table.get(metric, {"missing": ""})
        ]
        if not has:
            continue
        if len(has) < len(runs):
            without = ", ".join(run.name for run in runs if run not in has)
            lines.append(f"{metric} was not measured in {without}.")
        ids = [_identity((run.made_by.get("networks") or {})[metric]) for run in has]
        if _differ(ids):
            lines.append(f"{metric} was measured with different networks or settings: its numbers do not compare.")
    return lines


def _identity(about: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes the numbers of a network: not where its file lies, nor how long it took to train."""
    ignored = ("file", "seconds", "held_out", "source")
    return tuple(sorted((key, str(value)) for key, value in about.items() if key not in ignored))


def _differ(values: Any) -> bool:
    return len({str(value) for value in values}) > 1


def _each(runs: Sequence[Run], of: Callable[[Run], Any]) -> str:
    return _listed(runs, [of(run) for run in runs])


def _listed(runs: Sequence[Run], values: Sequence[Any]) -> str:
    return ", ".join(f"{run.name}: {value}" for run, value in zip(runs, values, strict=True))
