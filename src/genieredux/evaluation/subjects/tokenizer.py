"""A tokenizer by itself. The frames measured are those that a world would predict, so its numbers are the row
`tokenizer_only` of a world's.
"""

from typing import Any

import torch

from genieredux.evaluation.rows import CODES, REPEAT_LAST, TOKENIZER_ONLY, TRUTH
from genieredux.evaluation.subjects.drawn import Batch, Drawn, require_numbers
from genieredux.nn.precision import autocast


class TokenizerSubject:
    """Rows: `tokenizer_only`, the whole clip encoded and decoded, and `repeat_last`."""

    main, baseline = TOKENIZER_ONLY, REPEAT_LAST
    static = frozenset({TOKENIZER_ONLY, REPEAT_LAST, TRUTH})
    offers = frozenset({TOKENIZER_ONLY, REPEAT_LAST, CODES})

    def __init__(self, model: Any, device: str, precision: str) -> None:
        self._model, self._device, self._precision = model.to(device), torch.device(device), precision

    @property
    def num_codes(self) -> int:
        """Of its codebook."""
        return len(self._model.code_vectors())

    @torch.inference_mode()
    def draw(self, batch: Batch, seed: int, number: int = 0) -> Drawn:
        """See Subject; nothing is random."""
        del seed
        with autocast(self._precision, self._device):
            # as a world does: of clips longer than those of its training too
            tokens = self._model.new_stream().encode(batch.as_floats.to(self._device))
            decoded = self._model.new_stream().decode(tokens).float().cpu()[:, batch.prompt_frames :]
        rows = {TOKENIZER_ONLY: require_numbers("The tokenizer decodes pixels", decoded), REPEAT_LAST: batch.repeated}
        return Drawn(batch, rows, (TOKENIZER_ONLY, REPEAT_LAST), static=self.static, codes=tokens, number=number)
