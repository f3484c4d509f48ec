"""How true and how controllable a world is: metrics, intervals, pictures, report. It knows no training and
no player.
"""

from genieredux.evaluation.clips import Clips, cut_clips
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.evaluate import evaluate
from genieredux.evaluation.results import Evaluation

__all__ = ["Clips", "EvalConfig", "Evaluation", "cut_clips", "evaluate"]
