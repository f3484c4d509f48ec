"""How wrong a world probably is, by what evaluation measured of it: among tokens that it was as unsure of, such was the
squared error of their pixels. It knows results of an evaluation and no world.

A frame is likely wrong where an error is to be expected that is larger than that of not dreaming at all: of repeating
the last given frame, as measured on the same clips.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model


@dataclass(frozen=True)
class Doubt:
    """Squared errors by entropy: the bins of `calibration` in the results of an evaluation.

    entropy: (n,) nats, rising: what tokens of a bin said on average. mse: (n,), of pixels in [0, 1]. limit: the mean of
    frames that repeat the last given one. correlation: of a frame's mean entropy with its PSNR, as measured.
    """

    entropy: NDArray[np.float64]
    mse: NDArray[np.float64]
    limit: float
    correlation: float

    def of(self, entropy: NDArray[np.float32]) -> float:
        """The error to expect of a frame whose tokens have these entropies (h, w); linear between the bins."""
        return float(np.interp(entropy, self.entropy, self.mse).mean())

    @classmethod
    def read(cls, path: Path, fingerprint: str | None = None) -> "Doubt":
        """From a results.json, whose test sets count by their tokens. fingerprint: of the world, where it must be the
        one that was measured. Raises UserError where nothing of the kind was measured, or of another world."""
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            measured = results["made_by"]["model"]["fingerprint"]
            sets = [value for value in results.values() if isinstance(value, Mapping) and "calibration" in value]
            bins = sorted((row for one in sets for row in _bins(one)), key=lambda row: row[0])
            repeats = [10 ** (-decibel / 10) for one in sets for decibel in one["psnr"]["repeat_last"]["mean"]]
            frames = [one["calibration"]["frame"]["psnr"]["pearson"]["mean"] for one in sets]
            told = [0.0 if mean is None else mean for mean in frames]  # None: the entropy is always the same
            limit, correlation = float(np.mean(repeats)), float(np.mean(told))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} has no calibration that can be read ({type(error).__name__}: {error}); give the "
                "results.json of an evaluation of this world"
            ) from error
        if not bins or not np.isfinite([*sum(bins, ()), limit, correlation]).all():
            raise UserError(f"{path} has no calibration; evaluate the world: `genieredux genie_redux eval`")
        if fingerprint is not None and measured != fingerprint:
            raise UserError(f"{path} was measured of another world; give the results.json of this one")
        return cls(np.array([entropy for entropy, _, _ in bins]), _rising(bins), limit, correlation)


def doubt_beside(world: Path) -> Doubt | None:
    """What was measured of a world and lies beside its file: `<name>.calibration.json`, else results.json."""
    for path in (world.with_suffix(".calibration.json"), world.with_name("results.json")):
        if path.is_file():
            try:
                return Doubt.read(path, load_model(world).model.fingerprint)
            except UserError:
                continue
    return None


def _bins(of_set: Mapping[str, Any]) -> list[tuple[float, float, float]]:
    """(entropy, mse, tokens) of each bin that has tokens."""
    rows = of_set["calibration"]["bins"]
    return [(float(row["entropy"]), float(row["mse"]["mean"]), float(row["tokens"])) for row in rows if row["tokens"]]


def _rising(bins: list[tuple[float, float, float]]) -> NDArray[np.float64]:
    """The errors of neighbouring bins averaged where they fall, so that more doubt never means less error."""
    blocks: list[tuple[float, float, int]] = []  # mse, tokens, bins
    for _, mse, tokens in bins:
        blocks.append((mse, tokens, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m, i), (b, n, j) = blocks[-2:]
            blocks[-2:] = [((a * m + b * n) / (m + n), m + n, i + j)]
    return np.concatenate([np.full(count, mse) for mse, _, count in blocks])
