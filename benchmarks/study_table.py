"""The tables that docs/results.md shows of a study (benchmarks/study.py).

Worlds are compared clip by clip with the experiment that the others differ from: the same clips, the same noise, and
the mean over the seeds that both have; intervals (95 %) come from drawing episodes again.
"""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from genieredux.evaluation.bootstrap import EpisodeBootstrap, Estimate

SETS = ("test.random", "test.held")
BASE = "base"
AT = 3
"""Index of the papers' horizon of ΔPSNR, t = 4."""
RESAMPLES, LEVEL = 2000, 0.95
Values = dict[str, np.ndarray]


def tables(study: Any, questions: dict[str, Sequence[Any]]) -> str:
    """Markdown: one table per question and kind of model, one row per experiment that has a result."""
    parts = []
    for question, experiments in questions.items():
        of_kind: dict[str, list[dict[str, str]]] = {}
        for experiment in experiments:
            if found := list(study.results(experiment.name)):
                row = {"experiment": experiment.name, "seeds": str(len(found))}
                columns = {"tokenizer": _tokenizer, "latent_action_model": _latent}.get(experiment.model)
                row |= columns(found) if columns else _world(study, experiment.name, found)
                kind = experiment.model if columns else "world"
                of_kind.setdefault(kind, []).append(row)
        parts += [_markdown(question, rows) for rows in of_kind.values()]
    return "\n\n".join(parts) + "\n"


def _markdown(title: str, rows: list[dict[str, str]]) -> str:
    head = list(rows[0])
    lines = [f"### {title}", "", _line(head), _line(["---"] * len(head))]
    return "\n".join(lines + [_line([row.get(key, "") for key in head]) for row in rows])


def _tokenizer(found: list[dict[str, Any]]) -> dict[str, str]:
    sets = [one["evaluation"]["actions"][SETS[0]] for one in found]
    return {
        "PSNR dB": _mean([statistics.mean(of["psnr"]["tokenizer_only"]) for of in sets]),
        "codes used": _mean([of["codebook"]["used"] for of in sets], 0),
        "perplexity": _mean([of["codebook"]["perplexity"] for of in sets], 0),
    }


def _latent(found: list[dict[str, Any]]) -> dict[str, str]:
    random, held = ([one["evaluation"]["actions"][name] for one in found] for name in SETS)
    row = {
        "PSNR dB": _mean([statistics.mean(of["psnr"]["model"]) for of in random]),
        "repeat previous": _mean([statistics.mean(of["psnr"]["repeat_previous"]) for of in random]),
    }
    for name, sets in (("random", random), ("held", held)):
        lost = [statistics.mean(of["metrics"]["delta_psnr"]["other_code"]["mean"]) for of in sets]
        row[f"{name}: dB lost by another code"] = _mean(lost)
    row["perplexity of 7"] = _mean([of["codebook"]["perplexity"] for of in random], 1)
    for name, sets in (("random", random), ("held", held)):
        named = _mean([of["mapping"]["accuracy"] for of in sets])
        row[f"{name}: names the button"] = f"{named}; commonest {_mean([of['mapping']['majority'] for of in sets])}"
    return row


def _world(study: Any, name: str, found: list[dict[str, Any]]) -> dict[str, str]:
    steered = "codes" if all("codes" in one["evaluation"] for one in found) else "actions"
    row = {"nats": _mean([one["validation"].get("next_frame", one["validation"]["loss"]) for one in found], 3)}
    seeds = [int(one["seed"]) for one in found]
    both = [seed for seed in seeds if study.result(BASE, seed).exists()]
    for short, of in ((name.removeprefix("test."), name) for name in SETS):
        mine = [_clips(study, name, seed, steered, of) for seed in seeds]
        row[f"{short}: gain"] = _mean([float(one["gain"].mean()) for one in mine])
        row[f"{short}: against base"] = ""
        if name != BASE and both:
            pairs = [(mine[seeds.index(seed)], _clips(study, BASE, seed, "actions", of)) for seed in both]
            difference = np.mean([(one["gain"] - base["gain"]).mean(axis=1) for one, base in pairs], axis=0)
            row[f"{short}: against base"] = _interval(mine[0], difference, signed=True)
        row[f"{short}: ΔPSNR"] = _interval(mine[0], np.mean([one["delta"][:, AT] for one in mine], axis=0))
    row["GFLOP/update"] = f"{_flops(study, found[0]) / 1e9:.0f}"
    return row


def _clips(study: Any, name: str, seed: int, steered: str, set_name: str) -> Values:
    """Of a world's clips, in their order: gain over repeating the last frame (N, 10), delta (N, 10), episode (N,)."""
    folder: Path = study.root / "evaluation" / f"{name}-{seed}-{steered == 'codes'}"
    (path,) = folder.rglob("clips.parquet")
    rows = [row for row in pq.read_table(path).to_pylist() if row["set"] == set_name]
    rows.sort(key=lambda row: row["clip"])
    gain = np.array([row["psnr.model"] for row in rows]) - np.array([row["psnr.repeat_last"] for row in rows])
    delta = np.array([row["delta_psnr.genie"] for row in rows])
    return {"gain": gain, "delta": delta, "episode": np.array([row["episode"] for row in rows])}


def _interval(clips: Values, values: np.ndarray, signed: bool = False) -> str:
    estimate: Estimate = EpisodeBootstrap(clips["episode"], RESAMPLES, LEVEL, 0).estimate(values)
    sign = "+" if signed else ""
    return f"{estimate.mean:{sign}.2f} [{estimate.low:{sign}.2f}, {estimate.high:{sign}.2f}]"


def _flops(study: Any, one: dict[str, Any]) -> float:
    """Of an update, as its log counted them."""
    folder: Path = study.root / "checkpoints" / one["model"] / f"{one['experiment']}-{one['seed']}"
    events = [json.loads(text) for text in (folder / "log.jsonl").read_text().splitlines()]
    return float(next(event["flops_per_step"] for event in events if "flops_per_step" in event))


def _mean(values: Sequence[float], digits: int = 2) -> str:
    """Mean, and the spread over seeds where there are several."""
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f} … {max(values):.{digits}f})"
    return text


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
