"""How true and how controllable a world is. It knows no training, no player and no page.

clips/      what is asked: true frames and actions, cut from test splits
subjects/   what is measured, and the rows of frames that it draws: a world, a tokenizer, a latent action model,
            a long dream, a held action
metrics/    rows and truth to numbers, a file each (psnr.py, ssim.py, ...); __init__.py lists them and says how to
            add one; metric.py says what one is
measuring/  the one loop over clips, seeds, rows and metrics; means, intervals and parts of any metric
networks/   pretrained networks that some metrics look through; actions/ learns one that reads actions
job.py      `genie_redux eval` from a file of weights (opening.py) to a folder of results (writing.py), which
            numbers.py and upgrade.py read back; compare.py sets two of them side by side, clip by clip
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genieredux.evaluation.clips import Clips, cut_clips
    from genieredux.evaluation.config import EvalConfig
    from genieredux.evaluation.measuring.evaluate import evaluate
    from genieredux.evaluation.results import Evaluation

__all__ = ["Clips", "EvalConfig", "Evaluation", "cut_clips", "evaluate"]

_WHERE = {
    "Clips": "clips",
    "EvalConfig": "config",
    "Evaluation": "results",
    "cut_clips": "clips",
    "evaluate": "measuring.evaluate",
}


def __getattr__(name: str) -> Any:
    """Found when asked for: the configuration alone needs no torch."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
