"""What an evaluation is asked about: clips of true frames and actions, cut from the test splits of a data set."""

from genieredux.evaluation.clips.clips import Clips, EpisodeSource, Origin, cut_clips

__all__ = ["Clips", "EpisodeSource", "Origin", "cut_clips"]
