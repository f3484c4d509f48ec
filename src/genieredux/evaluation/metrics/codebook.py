"""How much of its codebook a tokenizer or latent action model uses."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genieredux.evaluation.metrics.metric import Pool, Pooled, Setting
from genieredux.evaluation.rows import CODES
from genieredux.evaluation.subjects.drawn import Drawn


class Codebook(Pooled):
    """Counts the codes of the true clips."""

    key = "codebook"
    needs = (CODES,)

    def __init__(self, size: int) -> None:
        self._size = size

    @classmethod
    def open(cls, setting: Setting) -> "Codebook":
        """See Openable."""
        return cls(getattr(setting.subject, "num_codes", 0))

    def look(self, drawn: Drawn) -> np.ndarray:
        """The codes."""
        assert drawn.codes is not None  # it is in `needs`
        return drawn.codes.cpu().numpy()

    def pool(self, parts: Sequence[np.ndarray], of: Pool) -> dict[str, Any]:
        """See `codebook_use`."""
        return codebook_use(np.concatenate(parts), self._size)


def codebook_use(codes: np.ndarray, size: int) -> dict[str, Any]:
    """{size, used, share_used, perplexity}: how many codes there are, how many were seen, and as how many equally
    frequent ones they count (e to the entropy). codes: int, of any shape.
    """
    share = np.bincount(codes.reshape(-1), minlength=size) / max(codes.size, 1)
    seen = share[share > 0]
    perplexity = float(np.exp(-(seen * np.log(seen)).sum()))
    return {"size": size, "used": len(seen), "share_used": len(seen) / size, "perplexity": perplexity}
