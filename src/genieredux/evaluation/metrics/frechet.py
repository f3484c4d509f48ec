"""Fréchet distances of what was predicted from the truth, over whatever features: what FID, FVD and others share."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Pool, Pooled
from genieredux.evaluation.moments import frechet_distance, frechet_floor
from genieredux.evaluation.rows import TRUTH
from genieredux.evaluation.statistics_cache import StatisticsCache
from genieredux.evaluation.subjects.drawn import Drawn


class FrechetMetric(Pooled):
    """Gathers features of every predicted row and of the truth. id: of the features, for their cache."""

    about: About
    by_frame: ClassVar[bool] = False
    """Whether features are of frames, (B, N, D), so that each horizon has a distance of its own; else (B, W, D)."""
    id: str
    cache: StatisticsCache | None = None

    @property
    def key(self) -> str:  # type: ignore[override]
        """Its name."""
        return self.about.name

    def features(self, prompt: Tensor, frames: Tensor) -> Tensor:
        """prompt (B, P, C, H, W) and what follows, (B, N, C, H, W), in [0, 1] -> float32 (B, ..., D) on the CPU."""
        raise NotImplementedError

    def look(self, drawn: Drawn) -> dict[str, np.ndarray]:
        """row or `truth` -> features."""

        def of(row: str) -> Tensor:
            return self.features(drawn.prompt, drawn.frames(row))

        if self.cache is None:
            truth = of(TRUTH)
        else:
            truth = self.cache.features(drawn.batch.frames, f"{self.id}-{drawn.batch.prompt_frames}", lambda: of(TRUTH))
        return {TRUTH: truth.numpy(), **{row: of(row).numpy() for row in drawn.predicted}}

    def pool(self, parts: Sequence[Mapping[str, np.ndarray]], of: Pool) -> dict[str, Any]:
        """See `frechet`."""
        features = {row: np.concatenate([part[row] for part in parts]) for row in parts[0]}
        return frechet(features, of.clips.episodes, self.by_frame)


def frechet(features: Mapping[str, np.ndarray], episodes: np.ndarray, by_frame: bool) -> dict[str, Any]:
    """{rows: {row: {all, by_horizon?}}, floor, samples}; features (N, H, D) of frames or windows, (N, D) of clips."""
    truth = torch.from_numpy(features[TRUTH])
    flat = truth.flatten(0, -2)
    per_clip = len(flat) // len(truth)
    rows: dict[str, Any] = {}
    if len(truth) >= 2:
        for row, values in features.items():
            if row == TRUTH:
                continue
            given = torch.from_numpy(values)
            rows[row] = {"all": frechet_distance(flat, given.flatten(0, -2))}
            if by_frame:
                rows[row]["by_horizon"] = [frechet_distance(truth[:, t], given[:, t]) for t in range(per_clip)]
    halves_have_two = len(set(episodes.tolist())) >= (2 if per_clip > 1 else 4)
    floor = frechet_floor(flat, np.repeat(episodes, per_clip)) if halves_have_two else None
    return {"rows": rows, "floor": floor, "samples": len(flat)}
