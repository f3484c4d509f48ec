"""The clips of a data set that an evaluation is asked about."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

import numpy as np
import torch

from genieredux.checking import nearest
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.clips import Clips, cut_clips
from genieredux.evaluation.config import EvalConfig
from genieredux.models.world.protocol import World


def describe_data(dataset: Dataset) -> dict[str, str]:
    """name, path, and checksum: of the ids and contents of all its episodes, whatever their order and files."""
    episodes = sorted(zip(dataset.ids, dataset.index["checksum"].to_pylist(), strict=True))
    checksum = sha256("\n".join(f"{name} {content}" for name, content in episodes).encode()).hexdigest()
    return {"name": dataset.spec.name, "path": dataset.path, "checksum": checksum}


def splits_to_test(dataset: Dataset, split: str) -> list[str]:
    """The split called `split`, or those called `split.*`. Raises UserError where there is none."""
    names = sorted(set(dataset.index["split"].to_pylist()))
    chosen = [name for name in names if name == split or name.startswith(f"{split}.")]
    if not chosen:
        raise UserError(
            f"{dataset.path} has no episode of a split '{split}'; did you mean eval.split={nearest(split, names)}? "
            f"(it has: {', '.join(names)})"
        )
    return chosen


def sets_to_test(dataset: Dataset, split: str, config: EvalConfig, num_clips: int) -> dict[str, Clips]:
    """At most num_clips clips of each test split, one every `config.seq_step` frames. Raises UserError."""
    length = config.num_frames or config.clip_length
    return _cut(dataset, split, config, length, num_clips, config.seq_step)


def drift_sets(dataset: Dataset, split: str, config: EvalConfig) -> dict[str, Clips]:
    """The long clips of each test split, side by side. Raises UserError where no episode is so long."""
    length = config.prompt_frames + config.drift_frames
    why = f", for eval.drift_frames={config.drift_frames}"
    return _cut(dataset, split, config, length, config.drift_clips, length, why)


def _cut(
    dataset: Dataset, split: str, config: EvalConfig, length: int, most: int, step: int, why: str = ","
) -> dict[str, Clips]:
    return {
        name: cut_clips(
            dataset.select(split=name), length, most, step, config.seed, f"{dataset.path}, split {name}{why}"
        )
        for name in splits_to_test(dataset, split)
    }


@torch.no_grad()
def by_codes(world: World, sets: Mapping[str, Clips]) -> dict[str, Clips]:
    """The same clips with the latent actions that the world reads off their frames for actions.

    Raises UserError where it has no latent action model.
    """

    def codes(clips: Clips) -> Clips:
        read = [world.actions_of(clips.batch(start, start + 16)[0]) for start in range(0, len(clips), 16)]
        known = [batch.cpu().numpy() for batch in read if batch is not None]
        if len(known) < len(read):
            raise UserError("eval.latent_actions=true, but this world has no latent actions; leave it out")
        return replace(clips, actions=np.concatenate(known))

    return {name: codes(clips) for name, clips in sets.items()}


def check_actions(world: World, dataset: Dataset) -> None:
    """Raise UserError unless the world was trained on the actions of the data set, in their order."""
    if world.takes == "codes":
        raise UserError(
            "this world's latent actions were never counted against true ones (its data set had none); measure it "
            "with eval.latent_actions=true"
        )
    if tuple(world.action_names) != tuple(dataset.spec.action_names):
        raise UserError(
            f"the world's actions ({', '.join(world.action_names)}) are not those of {dataset.path} "
            f"({', '.join(dataset.spec.action_names)}); evaluate it on a data set with its actions"
        )
