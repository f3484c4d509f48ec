"""What an evaluation left, and what it found in a few lines for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.evaluation.about import About
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.results import Evaluation
from genieredux.evaluation.rows import TRUTH
from genieredux.models.sampling import Sampling

_RULES = {"kept": "a token that is decided stays", "published": "every step decides all tokens anew"}
_SHORT = {"model": "", "repeat_last": "repeat last", "tokenizer_only": "truth redrawn"}


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation left. results: its numbers; film: moving pictures, where there are any; lines: what it found,
    for a person.
    """

    folder: Path
    results: Path
    film: Path | None
    lines: tuple[str, ...]


def headline(evaluation: Evaluation, config: EvalConfig, sampling: Sampling | None = None) -> tuple[str, ...]:
    """Of every metric its one number, by row; then how a world drew its tokens."""
    lines = []
    for name, result in evaluation.sets.items():
        plain = result.plain
        said = [_of_metric(about, plain, config) for about in evaluation.about if about.name in plain]
        if use := plain.get("codebook"):
            said.append(f"{use['used']} of {use['size']} codes used, perplexity {use['perplexity']:.1f}")
        if mapping := plain.get("mapping"):
            said.append(f"codes name {100 * mapping['accuracy']:.0f} % of the true actions")
        lines.append(
            f"{name} ({plain['clips']} clips of {plain['episodes']} episodes): {', '.join(filter(None, said))}"
        )
        if spread := plain["sampling_seeds"]["spread"]:
            several = (f"{key}.{row} ±{value:.3f}" for key, rows in spread.items() for row, value in rows.items())
            lines.append(f"  over {len(config.seeds)} sampling seeds: {', '.join(several)}")
    return (*lines, _drawn(sampling)) if sampling else tuple(lines)


def _drawn(sampling: Sampling) -> str:
    """`drawn: 25 steps at temperature 1, choice mode, 2 frames together; every step decides all tokens anew`."""
    together = f"{sampling.dream_length} frames together" if sampling.dream_length > 1 else "frame by frame"
    together = "all frames together" if sampling.method == "one_go" else together
    steps = f"{sampling.steps} step{'s' if sampling.steps > 1 else ''} at temperature {sampling.temperature:g}"
    rule = f"{_RULES[sampling.decided]} (eval.decided={sampling.decided})"
    return f"drawn: {steps}, choice {sampling.choice}, {together}; {rule}"


def _of_metric(about: About, plain: Mapping[str, Any], config: EvalConfig) -> str:
    """`PSNR 20.44 dB (repeat last 17.33, truth redrawn 28.61)`."""
    if about.pooled:
        numbers = {row: by["all"] for row, by in plain[about.name]["rows"].items()}
    elif about.at == "compare_at":
        numbers = {row: by["mean"][config.compare_at - 1] for row, by in plain[about.name].items()}
    else:
        numbers = {row: by["average"]["mean"] for row, by in plain[about.name].items()}
    numbers = {row: value for row, value in numbers.items() if row != TRUTH and np.isfinite(value)}
    if not numbers:
        return ""
    texts = {row: f"{value:{'+' if about.signed else ''}.{about.digits}f}" for row, value in numbers.items()}
    first, *others = texts
    unit = f" {about.unit}" if about.unit else ""
    at = f" t={config.compare_at}" if about.at == "compare_at" else ""
    lead = f"{about.label}{at} {_named(first)}{texts[first]}{unit}"
    return f"{lead} ({', '.join(f'{_named(row)}{texts[row]}' for row in others)})" if others else lead


def _named(row: str) -> str:
    short = _SHORT.get(row, row)
    return f"{short} " if short else ""
