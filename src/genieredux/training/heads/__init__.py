"""Training heads: what a transition earns and whether it ends the episode, learned from a data set for a world."""

from genieredux.training.heads.config import HeadsEval, HeadsJob
from genieredux.training.heads.job import Trained, measure_heads, train_heads

__all__ = ["HeadsEval", "HeadsJob", "Trained", "measure_heads", "train_heads"]
