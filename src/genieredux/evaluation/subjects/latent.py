"""A latent action model by itself: how well its code and the frames before draw the next frame, and whether the code
matters.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from genieredux.evaluation.rows import CODES, COUNTERFACTUAL, MODEL, OTHER_CODE, REPEAT_PREVIOUS, TRUTH
from genieredux.evaluation.subjects.drawn import Batch, Drawn, require_numbers
from genieredux.nn.precision import autocast

_PURPOSE = 11  # of the seeds that choose other codes


class LatentActions:
    """Rows: `model`, frame t+1 drawn from the true frames before it and its own code; `other_code`, from another code,
    drawn at random; `repeat_previous`, frame t again.
    """

    main, baseline = MODEL, REPEAT_PREVIOUS
    static = frozenset({REPEAT_PREVIOUS, TRUTH})
    offers = frozenset({MODEL, OTHER_CODE, REPEAT_PREVIOUS, CODES, COUNTERFACTUAL})

    def __init__(self, model: Any, device: str, precision: str) -> None:
        self._model, self._device, self._precision = model.to(device), torch.device(device), precision

    @property
    def num_codes(self) -> int:
        """Of its codebook."""
        return int(self._model.num_codes)

    @torch.no_grad()
    def codes(self, frames: Tensor) -> Tensor:
        """frames: float (B, T, C, H, W) in [0, 1] -> int64 (B, T-1)."""
        with autocast(self._precision, self._device):
            codes: Tensor = self._model.actions(frames.to(self._device))
        return codes

    @torch.inference_mode()
    def draw(self, batch: Batch, seed: int, number: int = 0) -> Drawn:
        """See Subject."""
        first = batch.prompt_frames - 1
        frames = batch.as_floats.to(self._device)
        codes = self.codes(frames)
        others = (codes + self._shifts(batch, codes.shape, seed).to(self._device)) % self.num_codes
        with autocast(self._precision, self._device):
            drawn, changed = (
                require_numbers("The latent action model draws pixels", self._model.reconstruct(frames, ids).float())
                for ids in (codes, others)
            )
        rows = {
            MODEL: drawn.cpu()[:, first:],
            OTHER_CODE: changed.cpu()[:, first:],
            REPEAT_PREVIOUS: batch.as_floats[:, first:-1],
        }
        return Drawn(batch, rows, (MODEL, OTHER_CODE, REPEAT_PREVIOUS), static=self.static, codes=codes, number=number)

    def _shifts(self, batch: Batch, shape: torch.Size, seed: int) -> Tensor:
        """How far each other code is from its own, 1 .. num_codes - 1, seeded per clip."""
        top = max(self.num_codes, 2)
        rows = [np.random.default_rng((seed, clip, _PURPOSE)).integers(1, top, shape[1:]) for clip in batch.indices]
        return torch.from_numpy(np.stack(rows))
