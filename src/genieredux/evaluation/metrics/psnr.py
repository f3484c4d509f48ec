"""Peak signal-to-noise ratio of each predicted row."""

from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import OfRows
from genieredux.evaluation.subjects.drawn import Drawn
from genieredux.frames import PSNR_CAP_DB, capped, psnr


class Psnr(OfRows):
    """In dB, cut at 60."""

    about = About("psnr", "PSNR", "dB", 2, "higher", cap=PSNR_CAP_DB)
    keepable = True

    def compare(self, frames: Tensor, truth: Tensor) -> Tensor:
        """See `genieredux.frames`."""
        return capped(psnr(frames, truth))


def quality(drawn: Drawn, row: str) -> Tensor:
    """The PSNR of a row, (B, N) in dB, for what rests on it."""
    return Psnr().of_row(drawn, row)
