"""The parts of a report as plain values that a template can lay out. It reads results and writes no file."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from omegaconf import OmegaConf

from genieredux.evaluation import charts, media
from genieredux.evaluation.bootstrap import Estimate
from genieredux.evaluation.control import ControlGrid
from genieredux.evaluation.results import (
    GENIE,
    LAST_ACTION,
    MODEL,
    REPEAT_LAST,
    ROWS,
    TOKENIZER_ONLY,
    ByHorizon,
    Evaluation,
    KeptClips,
)

ROW_NAMES = {MODEL: "World model", REPEAT_LAST: "Repeat the last frame", TOKENIZER_ONLY: "Tokenizer only"}
ROW_STYLE = {MODEL: (0, ""), REPEAT_LAST: (1, "5 4"), TOKENIZER_ONLY: (2, "2 3")}  # tone, dash
DEFINITION_NAMES = {GENIE: "All actions random", LAST_ACTION: "Only the last action different"}
_NOT_CURVES = ("step", "time", "elapsed_s", "steps_per_s", "frames_per_s", "tokens_per_s")
_FIRST_CURVES = ("loss", "total", "psnr", "accuracy", "perplexity")
_MOST_CURVES = 3


def number(value: float | None, digits: int, signed: bool = False) -> str:
    """A number for a table; a dash for what is not one."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def interval(estimate: Estimate, digits: int = 2, signed: bool = False) -> str:
    """`low to high`, or nothing where there is no interval."""
    if not math.isfinite(float(estimate.low)):
        return ""
    return f"{number(float(estimate.low), digits, signed)} to {number(float(estimate.high), digits, signed)}"


def tiles(evaluation: Evaluation) -> list[dict[str, str]]:
    """The headline: for every test set its average gain and delta PSNR; the reconstruction of the first."""
    found = []
    t = evaluation.config.compare_at
    for name, result in evaluation.sets.items():
        found.append(
            {
                "value": f"{number(float(result.gain_average.mean), 2, signed=True)} dB",
                "label": "over repeating the last frame",
                "note": f"{name}, mean of horizons 1–{evaluation.config.horizon}",
                "interval": interval(result.gain_average, signed=True),
            }
        )
    for name, result in evaluation.sets.items():
        delta = result.delta_psnr[GENIE].at(t)
        found.append(
            {
                "value": f"{number(float(delta.mean), 2, signed=True)} dB",
                "label": "thanks to the true actions",
                "note": f"{name}, ΔPSNR at t = {t}",
                "interval": interval(delta, signed=True),
            }
        )
    name, result = next(iter(evaluation.sets.items()))
    ceiling = result.psnr[TOKENIZER_ONLY].estimate
    found.append(
        {
            "value": f"{number(float(ceiling.mean.mean()), 2)} dB",
            "label": "reconstruction, the ceiling",
            "note": f"{name}, tokenizer only",
            "interval": "",
        }
    )
    return found


def tables(evaluation: Evaluation, notes: Mapping[str, str]) -> list[dict[str, Any]]:
    """PSNR and SSIM of every row by horizon, and the paired gain, one table for each test set."""
    found = []
    for name, result in evaluation.sets.items():
        found.append(
            {
                "name": name,
                "note": notes.get(name, ""),
                "clips": result.clips,
                "episodes": result.episodes,
                "horizons": list(result.gain.horizon),
                "psnr": [(ROW_NAMES[row], _cells(result.psnr[row], 2)) for row in ROWS],
                "ssim": [(ROW_NAMES[row], _cells(result.ssim[row], 3)) for row in ROWS],
                "gain": _cells(result.gain, 2, signed=True),
                "capped": {ROW_NAMES[row]: count for row, count in result.capped_frames.items() if count},
            }
        )
    return found


def curves(evaluation: Evaluation) -> list[dict[str, Any]]:
    """PSNR and SSIM by horizon with intervals, two charts for each test set."""
    found = []
    for name, result in evaluation.sets.items():
        for metric, rows, label in (("PSNR", result.psnr, "PSNR, dB"), ("SSIM", result.ssim, "SSIM")):
            lines = [_line(ROW_NAMES[row], rows[row], *ROW_STYLE[row]) for row in ROWS]
            chart = charts.line_chart(lines, "frames after the prompt", label)
            found.append(_figure(f"{metric}, {name}", chart, lines))
    return found


def delta_table(evaluation: Evaluation) -> list[dict[str, str]]:
    """Both definitions of delta PSNR at the compared horizon, for each test set."""
    found = []
    for name, result in evaluation.sets.items():
        for definition, by in result.delta_psnr.items():
            estimate = by.at(evaluation.config.compare_at)
            found.append(
                {
                    "set": name,
                    "definition": DEFINITION_NAMES[definition],
                    "key": definition,
                    "mean": number(float(estimate.mean), 2, signed=True),
                    "interval": interval(estimate, signed=True) or "–",
                }
            )
    return found


def delta_curves(evaluation: Evaluation) -> dict[str, Any]:
    """Delta PSNR (Genie's definition) by horizon, every test set in one chart."""
    lines = [
        _line(name, result.delta_psnr[GENIE], tone)
        for tone, (name, result) in zip((0, 3, 2, 4, 1), evaluation.sets.items(), strict=False)
    ]
    chart = charts.line_chart(lines, "frames after the prompt", "ΔPSNR, dB", zero=True)
    return _figure("ΔPSNR by horizon, all actions random", chart, lines)


def clips(evaluation: Evaluation, action_names: Sequence[str], budget: int) -> list[dict[str, Any]]:
    """Truth, dream, error and uncertainty of the kept clips of each set, as many as `budget` characters
    hold.
    """
    kept = {name: result.kept for name, result in evaluation.sets.items() if result.kept is not None}
    share = budget // max(len(kept), 1)
    found = []
    for name, of_set in kept.items():
        cards: list[dict[str, Any]] = []
        for k in range(len(of_set.index)):
            card = _card(of_set, k, evaluation.config.prompt_frames, action_names)
            if weight([*cards, card]) > share:
                break
            cards.append(card)
        found.append({"name": name, "cards": cards, "left_out": len(of_set.index) - len(cards)})
    return found


def hero(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The clip at the head of the page: the best kept one of the last set."""
    cards = [card for group in groups[-1:] for card in group["cards"]]
    return max(cards, key=lambda card: card["psnr"]) if cards else None


def control(grid: ControlGrid | None) -> dict[str, Any] | None:
    """A sprite for every prompt and action."""
    if grid is None:
        return None
    return {
        "actions": list(grid.action_names),
        "frames": grid.frames.shape[2],
        "prompt_frames": grid.prompt_frames,
        "rows": [[media.sprite(frames) for frames in row] for row in grid.frames],
    }


def training(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """A few charts for every trained model: what was logged in training and validation, by step."""
    found = []
    for name, lines in records.items():
        figures = [_training_figure(lines, key) for key in _curve_names(lines)]
        figures = [figure for figure in figures if figure["svg"]]
        if figures:
            found.append({"name": name, "figures": figures})
    return found


def seconds(by_stage: Mapping[str, float]) -> dict[str, Any] | None:
    """Bars of the stages and their sum."""
    if not by_stage:
        return None
    total = sum(by_stage.values())
    readable = f"{total:.0f} s" if total < 120 else f"{total / 60:.1f} min"
    return {"bars": Markup(charts.bars(dict(by_stage), "s")), "total": readable}


def machine(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Versions, hardware and commit as (name, value)."""
    found: list[tuple[str, str]] = []
    for key, value in environment.items():
        if isinstance(value, Mapping):
            found += [(str(inner), _plain(item)) for inner, item in value.items()]
        elif value is not None and key != "command":
            found.append((str(key), _plain(value)))
    return found


def config_text(config: Mapping[str, Any] | str) -> str:
    """YAML."""
    if isinstance(config, str):
        return config.strip()
    plain = json.loads(json.dumps(dict(config), default=str))
    return OmegaConf.to_yaml(OmegaConf.create(plain)).strip()


def weight(part: Any) -> int:
    """Characters that the pictures in nested lists and mappings take."""
    if isinstance(part, str):
        return len(part) if part.startswith("data:") else 0
    if isinstance(part, Mapping):
        return sum(weight(item) for item in part.values())
    if isinstance(part, list | tuple):
        return sum(weight(item) for item in part)
    return 0


def _card(kept: KeptClips, k: int, prompt_frames: int, action_names: Sequence[str]) -> dict[str, Any]:
    truth, model = kept.truth[k], kept.model[k]
    size = truth.shape[1]
    ceiling = max(float(np.quantile(kept.entropy, 0.995)), 0.1)
    black = np.zeros((prompt_frames, size, size, 3), np.uint8)
    unsure = np.concatenate([black, media.heat(kept.entropy[k], size, ceiling)])
    names = [action_names[a] if a < len(action_names) else str(a) for a in kept.actions[k].tolist()]
    finite = np.minimum(kept.psnr[k], 60.0)
    return {
        "index": int(kept.index[k]),
        "psnr": float(finite.mean()),
        "frames": len(truth),
        "prompt_frames": prompt_frames,
        "panels": [
            ("truth", media.sprite(truth)),
            ("dream", media.sprite(model)),
            ("error ×2", media.sprite(media.difference(model, truth))),
            ("unsure", media.sprite(unsure)),
        ],
        # The action that led to each frame: none to the first.
        "actions": json.dumps(["", *names]),
        "decibel": json.dumps([""] * prompt_frames + [f"{value:.1f} dB" for value in finite]),
    }


def _cells(by: ByHorizon, digits: int, signed: bool = False) -> list[dict[str, str]]:
    return [
        {"mean": number(float(one.mean), digits, signed), "spread": _spread(one, digits)}
        for one in (by.at(t) for t in by.horizon)
    ]


def _spread(estimate: Estimate, digits: int) -> str:
    half = float(estimate.high - estimate.low) / 2
    return f"± {number(half, digits)}" if math.isfinite(half) else ""


def _line(name: str, by: ByHorizon, tone: int, dash: str = "") -> charts.Line:
    estimate = by.estimate
    return charts.Line(
        name, by.horizon, estimate.mean.tolist(), estimate.low.tolist(), estimate.high.tolist(), tone, dash
    )


def _figure(title: str, chart: str, lines: Sequence[charts.Line]) -> dict[str, Any]:
    return {
        "title": title,
        "svg": Markup(chart),
        "legend": Markup(charts.legend(lines)) if len(lines) > 1 else "",
    }


def _curve_names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The logged numbers worth a chart: the well-known first, then those that were validated too."""
    names: dict[str, int] = {}
    for record in records:
        for key, value in record.items():
            if key in _NOT_CURVES or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if record.get("event") in ("train", "validate") and not key.startswith("peak_"):
                names[key] = max(names.get(key, 0), 1 + (record["event"] == "validate"))

    def rank(key: str) -> tuple[int, int]:
        return (_FIRST_CURVES.index(key) if key in _FIRST_CURVES else len(_FIRST_CURVES), -names[key])

    return sorted(names, key=rank)[:_MOST_CURVES]


def _training_figure(records: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    lines = []
    for event, tone, label in (("train", 1, "training"), ("validate", 0, "validation")):
        points = [
            (record["step"], record[key])
            for record in records
            if record.get("event") == event and key in record and "step" in record and record[key] is not None
        ]
        if len(points) > 1:
            x, y = zip(*sorted(points), strict=True)
            lines.append(charts.Line(label, x, y, tone=tone))
    title = key.replace("_", " ")
    return _figure(title, charts.line_chart(lines, "step", title), lines)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)
