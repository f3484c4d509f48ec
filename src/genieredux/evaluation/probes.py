"""The metrics that look through a network, as far as they are there: features for FID and FVD, perceptual distances,
and which action a transition shows. They look at one batch at a time and average nothing. They know no world.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

TRUTH, RANDOM_ACTIONS = "truth", "random_actions"


class FeatureNetwork(Protocol):
    """Frames (B, N, C, H, W) in [0, 1] to features (B, N, D) (fid.py), or clips to features (B, D) (fvd.py)."""

    id: str

    def __call__(self, frames: Tensor, /) -> Tensor:
        """Float32, on the CPU."""
        ...


class Distance(Protocol):
    """Two times frames (B, N, C, H, W) to how unlike they are, (B, N) (perceptual.py)."""

    name: str

    def __call__(self, predicted: Tensor, truth: Tensor, /) -> Tensor:
        """0 where identical."""
        ...


class ActionReader(Protocol):
    """Which action each transition shows (inverse_dynamics.py)."""

    def predict(self, frames: Tensor, /) -> Tensor:
        """frames (B, T, C, H, W) -> int64 (B, T-1)."""
        ...


class FeatureCache(Protocol):
    """Keeps the features of true frames (statistics_cache.py)."""

    def features(self, frames: np.ndarray, network_id: str, compute: Callable[[], Tensor], /) -> Tensor:
        """Those of frames uint8 by a network, computed where they are not kept."""
        ...


@dataclass(frozen=True)
class Seen:
    """One batch, as everybody may look at it. prompt (B, P, C, H, W), truth (B, N, C, H, W); rows: what was predicted,
    by row. true_frames: truth as uint8 (B, N, H, W, 3). actions: (B, P-1+N). random: the dream under Genie's random
    actions, and these; None where it was not dreamed.
    """

    prompt: Tensor
    truth: Tensor
    true_frames: np.ndarray
    rows: Mapping[str, Tensor]
    actions: Tensor
    random: Tensor | None
    random_actions: Tensor | None


@dataclass(frozen=True)
class Looked:
    """What was found. by_frame: metric -> row -> (B, N). features: metric -> row or `truth` -> (B, N, D) where frames
    are looked at, (B, D) where clips are. read: row -> int (B, N, 2), the action given and the one that is shown.
    """

    by_frame: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    features: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    read: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def join(cls, parts: list["Looked"]) -> "Looked":
        """Of all parts, one after the other."""

        def joined(name: str) -> dict[str, dict[str, np.ndarray]]:
            first = getattr(parts[0], name)
            return {
                metric: {row: np.concatenate([getattr(part, name)[metric][row] for part in parts]) for row in rows}
                for metric, rows in first.items()
            }

        read = {row: np.concatenate([part.read[row] for part in parts]) for row in parts[0].read}
        return cls(joined("by_frame"), joined("features"), read)


@dataclass(frozen=True)
class Probes:
    """Each may be absent. frames: for FID; clips: for FVD. cache: keeps the features of true frames."""

    frames: FeatureNetwork | None = None
    clips: FeatureNetwork | None = None
    distances: tuple[Distance, ...] = ()
    actions: ActionReader | None = None
    cache: FeatureCache | None = None

    def __bool__(self) -> bool:
        """Whether anything is looked at."""
        return any(probe is not None for probe in (self.frames, self.clips, self.actions)) or bool(self.distances)

    def look(self, seen: Seen) -> Looked:
        """Look at every row of a batch, and at the truth."""
        features = {
            metric: self._features(network, seen)
            for metric, network in (("FID", self.frames), ("FVD", self.clips))
            if network is not None
        }
        by_frame = {
            network.name: {row: network(frames, seen.truth).numpy() for row, frames in seen.rows.items()}
            for network in self.distances
        }
        read = _actions_shown(self.actions, seen) if self.actions is not None else {}
        if read:
            right = {row: (pairs[..., 0] == pairs[..., 1]).astype(np.float32) for row, pairs in read.items()}
            by_frame["action_accuracy"] = right
        return Looked(by_frame, features, read)

    def _features(self, network: FeatureNetwork, seen: Seen) -> dict[str, np.ndarray]:
        if self.cache is None:
            truth = network(seen.truth)
        else:
            truth = self.cache.features(seen.true_frames, network.id, lambda: network(seen.truth))
        return {TRUTH: truth.numpy(), **{row: network(frames).numpy() for row, frames in seen.rows.items()}}


def _actions_shown(reader: ActionReader, seen: Seen) -> dict[str, np.ndarray]:
    """The action that was given and the one that the transition shows, (B, N, 2), for every row, the truth and the
    random actions.
    """
    first = seen.prompt.shape[1] - 1

    def pairs(frames: Tensor, actions: Tensor) -> np.ndarray:
        shown = reader.predict(torch.cat([seen.prompt, frames], 1)).cpu()[:, first:]
        return torch.stack([actions.cpu()[:, first:], shown], -1).numpy().astype(np.int16)

    found = {row: pairs(frames, seen.actions) for row, frames in seen.rows.items()}
    found[TRUTH] = pairs(seen.truth, seen.actions)
    if seen.random is not None and seen.random_actions is not None:
        found[RANDOM_ACTIONS] = pairs(seen.random, seen.random_actions)
    return found
