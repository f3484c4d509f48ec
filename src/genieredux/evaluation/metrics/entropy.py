"""How unsure the world was of its tokens, in nats."""

from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Openable
from genieredux.evaluation.rows import ENTROPY, MODEL
from genieredux.evaluation.subjects.drawn import Drawn


class Entropy(Openable):
    """Mean over the tokens of a frame."""

    about = About("entropy", "Entropy", "nats", needs=(ENTROPY,), first_seed_only=True)

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        assert drawn.entropy is not None  # it is in `needs`
        return {MODEL: drawn.entropy.float().mean((2, 3))}
