"""What an evaluation left, and what it found in a few lines for a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.results import SetResult


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation left. results: its numbers; film: moving pictures, where there are any; lines: what it found,
    for a person.
    """

    folder: Path
    results: Path
    film: Path | None
    lines: tuple[str, ...]


def headline(sets: Mapping[str, SetResult], config: EvalConfig) -> tuple[str, ...]:
    """Means over all horizons, and delta PSNR at its own."""
    lines = []
    for name, result in sets.items():
        lines.append(
            f"{name} ({result.clips} clips of {result.episodes} episodes): " + ", ".join(_parts(result, config))
        )
        spread = result.sampling_seeds["spread"]
        if spread["psnr"] is not None:
            several = ", ".join(f"{key} ±{value:.3f}" for key, value in spread.items())
            lines.append(f"  over {len(config.seeds)} sampling seeds: {several}")
    return tuple(lines)


def _parts(result: SetResult, config: EvalConfig) -> list[str]:
    psnr = {row: float(by.estimate.mean.mean()) for row, by in result.psnr.items()}
    t = config.compare_at
    return [
        f"PSNR {psnr['model']:.2f} dB (repeat last {psnr['repeat_last']:.2f}, tokenizer {psnr['tokenizer_only']:.2f})",
        f"SSIM {float(result.ssim['model'].estimate.mean.mean()):.3f}",
        *(f"ΔPSNR t={t} {key} {float(by.at(t).mean):+.2f}" for key, by in result.delta_psnr.items()),
        *(f"{key} {float(rows['model'].estimate.mean.mean()):.3f}" for key, rows in result.metrics.items()),
        *(f"{key} {found['rows']['model']['all']:.1f}" for key, found in result.frechet.items() if found["rows"]),
    ]
