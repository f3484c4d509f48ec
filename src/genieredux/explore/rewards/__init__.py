"""What an explorer may be rewarded for: a name, and the class behind it, one file each.

A reward is made by a class `(config, watcher) -> Reward` (protocol.py). It is imported when it is asked for.
"""

from importlib import import_module

from genieredux.checking import one_of
from genieredux.explore.rewards.protocol import Reward, RewardConfig, Watcher

KINDS = {
    "entropy": "genieredux.explore.rewards.entropy:AheadEntropy",
    "next_entropy": "genieredux.explore.rewards.entropy:NextEntropy",
    "unseen": "genieredux.explore.rewards.unseen:Unseen",
    "round_trip": "genieredux.explore.rewards.doubt:RoundTrip",
    "seed_variance": "genieredux.explore.rewards.doubt:SeedVariance",
    "disagreement": "genieredux.explore.rewards.disagreement:Disagreement",
    "progress": "genieredux.explore.rewards.progress:Progress",
    "random_features": "genieredux.explore.rewards.features:RandomFeatures",
    "vae": "genieredux.explore.rewards.features:VaeFeatures",
    "rnd": "genieredux.explore.rewards.rnd:RandomDistillation",
}
"""reward.kind -> "module:Class"."""

__all__ = ["KINDS", "Reward", "RewardConfig", "Watcher", "make_reward"]


def make_reward(config: RewardConfig, watcher: Watcher) -> Reward:
    """The reward that config.kind names. Raises UserError at another name."""
    one_of("reward.kind", config.kind, KINDS)
    module, _, name = KINDS[config.kind].partition(":")
    made: Reward = getattr(import_module(module), name)(config, watcher)
    return made
