"""Which windows make up batch k: a pure function of (seed, k, rank), so resuming means nothing more than
going on at step k.

An epoch is one pass over every window of every episode in a random order; the ranks take turns in that order,
so within an epoch no window comes twice, on whatever rank. Knows only lengths: neither frames nor tokens.
"""

from collections.abc import Sequence

import numpy as np

from genieredux.episodes.permutation import Permutation
from genieredux.errors import UserError


class WindowSampler:
    """Batches of windows, (episode, first frame) each, drawn without replacement within an epoch.

    lengths: frames of each episode; those shorter than `num_frames` give no window. stride: windows start at
    multiples of it (1: everywhere; num_frames: side by side, as a token cache of clips wants). rank,
    world_size: this process and how many there are; all together draw batch_size * world_size windows a step.
    Costs nothing per window: millions are as cheap as ten. Raises UserError where no episode is long enough,
    or an argument is out of range.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        num_frames: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        stride: int = 1,
    ) -> None:
        if num_frames < 1 or batch_size < 1 or stride < 1 or not 0 <= rank < world_size:
            raise UserError(
                f"windows: num_frames={num_frames}, batch_size={batch_size}, stride={stride} must be 1 or more, and "
                f"rank={rank} below world_size={world_size}"
            )
        frames = np.asarray(lengths, dtype=np.int64)
        counts = np.maximum((frames - num_frames) // stride + 1, 0)
        self._ends = np.cumsum(counts)
        self.num_windows = int(self._ends[-1]) if len(frames) else 0
        if self.num_windows == 0:
            longest = int(frames.max()) if len(frames) else 0
            raise UserError(
                f"windows: no episode has {num_frames} frames, the longest has {longest}; ask for shorter windows or "
                "collect longer episodes"
            )
        self.num_frames, self.batch_size, self.seed, self.stride = num_frames, batch_size, seed, stride
        self.rank, self.world_size = rank, world_size
        self._permutations: dict[int, Permutation] = {}

    def batch(self, step: int) -> list[tuple[int, int]]:
        """The windows of step `step` (0, 1, ...) on this rank: `batch_size` pairs (episode, first frame)."""
        episodes, starts = self.batch_arrays(step)
        return list(zip(episodes.tolist(), starts.tolist(), strict=True))

    def batch_arrays(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """As `batch`, but as two int64 arrays (batch_size,)."""
        first = (step * self.world_size + self.rank) * self.batch_size
        epochs, positions = np.divmod(np.arange(first, first + self.batch_size), self.num_windows)
        windows = np.empty(self.batch_size, dtype=np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            windows[here] = self._permutation(int(epoch))(positions[here])
        return self.locate(windows)

    def locate(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Episode and first frame of windows numbered 0..num_windows-1 in the order they were played."""
        episodes = np.searchsorted(self._ends, windows, side="right")
        before = np.where(episodes > 0, self._ends[episodes - 1], 0)
        return episodes, (windows - before) * self.stride

    def _permutation(self, epoch: int) -> Permutation:
        known = self._permutations.get(epoch)
        if known is None:
            entropy = np.random.SeedSequence([abs(self.seed), int(self.seed < 0), epoch])
            known = Permutation(self.num_windows, int(entropy.generate_state(1, np.uint64)[0]))
            self._permutations = {epoch: known, **dict(list(self._permutations.items())[:2])}
        return known
