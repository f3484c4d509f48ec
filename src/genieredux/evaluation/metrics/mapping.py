"""What true action each latent code stands for, counted on training clips, and how often it names it on test clips."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genieredux.evaluation.clips import Clips, cut_clips
from genieredux.evaluation.metrics.metric import Pool, Pooled, Setting
from genieredux.evaluation.rows import CODES, OTHER_CODE
from genieredux.evaluation.subjects.drawn import Drawn
from genieredux.models.latent.mapping import count_codes


class CodesToActions(Pooled):
    """{counted_on, transitions, accuracy, accuracy_interval, majority (what always naming the most frequent action
    gets), information, to_true, counts}; see models/latent/mapping.py. Counted on the split `train`, or on the even
    clips of the test set where there is none, and tested on the rest.
    """

    key = "mapping"
    needs = (CODES, OTHER_CODE)

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    @classmethod
    def open(cls, setting: Setting) -> "CodesToActions":
        """See Openable."""
        return cls(setting)

    def look(self, drawn: Drawn) -> np.ndarray:
        """The codes, int (B, T-1)."""
        assert drawn.codes is not None  # it is in `needs`
        return drawn.codes.cpu().numpy()

    def pool(self, parts: Sequence[np.ndarray], of: Pool) -> dict[str, Any]:
        """See the class."""
        codes = np.concatenate(parts)
        actions = of.clips.actions[:, : codes.shape[1]]
        even = np.arange(len(codes)) % 2 == 0
        if "train" in self._setting.dataset.index["split"].to_pylist():
            counted, counted_on, tested = self._training(of), "train", np.ones(len(codes), dtype=bool)
        else:
            counted, counted_on, tested = (codes[even], actions[even]), "even clips of the test set", ~even
        size, names = self._setting.subject.num_codes, of.action_names
        mapping = count_codes(*counted, size, names)
        counts = count_codes(codes[tested], actions[tested], size, names).counts
        right = (np.asarray(mapping.to_true)[codes[tested]] == actions[tested]).mean(1)
        return {
            "counted_on": counted_on,
            "transitions": int(counts.sum()),
            "accuracy": mapping.accuracy(counts),
            "accuracy_interval": of.bootstrap(np.flatnonzero(tested)).estimate(right).to_json(),
            "majority": float(counts.sum(0).max() / max(counts.sum(), 1)),
            "information": mapping.information(counts),
            "to_true": [names[action] for action in mapping.to_true],
            "counts": mapping.counts.tolist(),
        }

    def _training(self, of: Pool) -> tuple[np.ndarray, np.ndarray]:
        """Codes and true actions of training clips."""
        config, split = self._setting.config, self._setting.dataset.select(split="train")
        clips: Clips = cut_clips(split, config.clip_length, len(of.clips), config.seq_step, config.seed, "split train")
        starts = range(0, len(clips), config.batch_size)
        codes = [self._setting.subject.codes(clips.batch(s, s + config.batch_size)[0]) for s in starts]
        return np.concatenate([part.cpu().numpy() for part in codes]), clips.actions
