"""What the model is better by than doing nothing: PSNR minus that of each baseline, paired by clip."""

from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Openable
from genieredux.evaluation.metrics.psnr import quality
from genieredux.evaluation.rows import MODEL, RANDOM_FRAME, REPEAT_LAST
from genieredux.evaluation.subjects.drawn import Drawn


class Gain(Openable):
    """Rows: the baseline that is subtracted."""

    about = About("gain", "Gain over repeating", "dB", 2, "higher", signed=True, needs=(MODEL, REPEAT_LAST))

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        model = quality(drawn, MODEL).double()
        return {row: model - quality(drawn, row).double() for row in (REPEAT_LAST, RANDOM_FRAME) if row in drawn}
