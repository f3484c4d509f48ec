"""The tables that docs/results.md shows of a study (benchmarks/study.py)."""

import statistics
from collections.abc import Sequence
from typing import Any

SETS = ("test.random", "test.held")


def tables(study: Any, questions: dict[str, Sequence[Any]]) -> str:
    """Markdown: one table per question, one row per experiment that has a result, means over its seeds."""
    parts = []
    for question, experiments in questions.items():
        rows = [row for experiment in experiments if (row := _row(experiment, list(study.results(experiment.name))))]
        if not rows:
            continue
        head = list(rows[0])
        lines = [f"### {question}", "", _line(head), _line(["---"] * len(head))]
        lines += [_line([row.get(key, "") for key in head]) for row in rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(experiment: Any, found: list[dict[str, Any]]) -> dict[str, str] | None:
    if not found:
        return None
    row = {"experiment": experiment.name, "seeds": str(len(found))}
    if experiment.model == "tokenizer":
        return row | _tokenizer(found)
    if experiment.model == "latent_action_model":
        return row | _latent(found)
    return row | _world(found)


def _tokenizer(found: list[dict[str, Any]]) -> dict[str, str]:
    sets = [one["evaluation"]["actions"][SETS[0]] for one in found]
    return {
        "PSNR dB": _mean([_average(of["psnr"]["model"]) for of in sets]),
        "perplexity": _mean([of["codebook"]["perplexity"] for of in sets], 0),
    }


def _latent(found: list[dict[str, Any]]) -> dict[str, str]:
    sets = [one["evaluation"]["actions"][SETS[0]] for one in found]
    return {
        "PSNR dB": _mean([_average(of["psnr"]["model"]) for of in sets]),
        "other code, dB less": _mean([_average(of["metrics"]["delta_psnr"]["other_code"]["mean"]) for of in sets]),
        "perplexity": _mean([of["codebook"]["perplexity"] for of in sets], 1),
        "names the action": _mean([of["mapping"]["accuracy"] for of in sets]),
        "majority": _mean([of["mapping"]["majority"] for of in sets]),
    }


def _world(found: list[dict[str, Any]]) -> dict[str, str]:
    row = {
        "validation nats": _mean([one["validation"].get("next_frame", one["validation"]["loss"]) for one in found], 3)
    }
    steered = "codes" if all("codes" in one["evaluation"] for one in found) else "actions"
    for name in SETS:
        sets = [one["evaluation"][steered][name] for one in found]
        gains = [
            [model - repeat for model, repeat in zip(of["psnr"]["model"], of["psnr"]["repeat_last"], strict=True)]
            for of in sets
        ]
        short = name.removeprefix("test.")
        row[f"{short}: gain h1"] = _mean([gain[0] for gain in gains])
        row[f"{short}: gain h4"] = _mean([gain[3] for gain in gains])
        row[f"{short}: gain h10"] = _mean([gain[-1] for gain in gains])
        row[f"{short}: ΔPSNR"] = _delta(sets)
    row["s/update"] = _mean([1 / one["steps_per_s"] for one in found if one["steps_per_s"]])
    return row


def _delta(sets: list[dict[str, Any]]) -> str:
    """ΔPSNR at the papers' horizon: the mean over seeds, and the widest half interval over episodes."""
    at = [of["delta_psnr"]["genie"] for of in sets]
    means = [of["mean"][of["horizons"].index(4)] if "horizons" in of else of["mean"][3] for of in at]
    lows = [of["low"][of["horizons"].index(4)] if "horizons" in of else of["low"][3] for of in at]
    half = max(mean - low for mean, low in zip(means, lows, strict=True))
    return f"{statistics.mean(means):.2f} ± {half:.2f}"


def _average(values: Sequence[float]) -> float:
    return statistics.mean(values)


def _mean(values: Sequence[float], digits: int = 2) -> str:
    """Mean, and the spread over seeds where there are several."""
    if not values:
        return ""
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f} … {max(values):.{digits}f})"
    return text


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
