"""Codes of a latent action model counted against the true actions of its data, so that a world of latent actions can
be steered by buttons and its codes judged (models/latent/mapping.py).

Encoding the clips is most of a validation's work, so they are counted at validations alone. Knows no loop.
"""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from genieredux.episodes import Dataset, DatasetSpec, WindowSampler
from genieredux.frames import to_float
from genieredux.models.latent.actions import LatentActionModel
from genieredux.models.latent.mapping import ActionMapping, count_codes
from genieredux.training.assembled import Sample
from genieredux.training.config import TrainConfig

logger = logging.getLogger(__name__)

CLIPS = 128
"""Training clips on which codes are counted against true actions, and as many held-out ones to judge the mapping."""
AT_ONCE = 16
"""Clips that are read, and encoded, together."""
COLLAPSED = 1.5
"""A perplexity of codes below this means that one code is used for nearly everything."""


class Episodes(Protocol):
    """Where clips and their true actions come from."""

    @property
    def spec(self) -> DatasetSpec: ...

    @property
    def split(self) -> tuple[Dataset, Dataset]:
        """Training and validation episodes."""
        ...


class CodeCounts:
    """What the codes of `lam` mean at the last validation, for the log and for checkpoints."""

    def __init__(self, lam: LatentActionModel, data: Episodes, cfg: TrainConfig) -> None:
        self._lam, self._data, self._cfg = lam, data, cfg
        self._counted: dict[str, Any] = {}

    def look(self, model: nn.Module, step: int) -> Sample:
        """After each validation: how many codes are used and what they tell of the true actions; a warning if nothing.

        Where the data know no true actions there is nothing to count and no value.
        """
        if not self._data.spec.action_names:
            return Sample()
        training, held_out = self._data.split
        mapping, unseen = self._count(training), self._count(held_out).counts
        self._counted = _as_metadata(mapping, step)
        share = unseen.sum(1) / unseen.sum()
        perplexity = float(np.exp(-(share[share > 0] * np.log(share[share > 0])).sum()))
        if perplexity < COLLAPSED:
            logger.warning(
                "step %d: the latent actions have collapsed (perplexity %.2f of %d codes): the codes say nothing; "
                "lam.quantizer=ema, a lower optimizer.learning_rate or (categorical codes) a larger lam.balance helps",
                step,
                perplexity,
                self._lam.num_codes,
            )
        values = {
            "code_perplexity": perplexity,
            "action_accuracy": mapping.accuracy(unseen),
            "action_chance": float(unseen.sum(0).max() / unseen.sum()),
            "action_information": mapping.information(unseen),
        }
        return Sample(values)

    def about(self, step: int, before: Mapping[str, Any]) -> dict[str, Any]:
        """What a checkpoint of `step` says besides its weights: codes for action names, and how true actions map to
        them, as counted at the last validation (`action_mapping_step`).

        before: what the checkpoint before it said, in this execution of the run or the one that it goes on from. Only
        where no validation was yet are codes counted for a checkpoint.
        """
        spec = self._data.spec
        names = list(spec.action_names or ())
        about: dict[str, Any] = {
            "action_names": list(self._lam.code_names),
            "true_action_names": names,
            "image_size": spec.image_size,
            "dataset": spec.name,
        }
        if names and not self._counted:
            kept = {name: before[name] for name in ("action_mapping", "action_mapping_step") if name in before}
            self._counted = kept if len(kept) == 2 else _as_metadata(self._count(self._data.split[0]), step)
        return about | self._counted

    def _count(self, dataset: Dataset) -> ActionMapping:
        modes = {module: module.training for module in self._lam.modules()}
        self._lam.eval()
        try:
            with torch.no_grad():
                cfg = self._cfg
                at_once = min(AT_ONCE, cfg.batch_size) if cfg.activation_checkpointing else AT_ONCE
                return count_actions(self._lam, dataset, cfg.num_frames, CLIPS, cfg.seed, at_once)
        finally:
            for module, mode in modes.items():
                module.training = mode


def count_actions(
    lam: LatentActionModel, dataset: Dataset, num_frames: int, clips: int, seed: int, at_once: int = AT_ONCE
) -> ActionMapping:
    """The codes of random clips of a data set against their true actions. Raises UserError if it knows none.

    at_once: clips that are encoded together, where memory is short.
    """
    dataset.spec.require_actions("counting latent codes against actions")
    device = next(lam.parameters()).device
    sampler = WindowSampler(dataset.lengths, num_frames, AT_ONCE, seed)
    codes, actions = [], []
    for k in range(-(-clips // AT_ONCE)):
        frames, taken = dataset.windows(*sampler.batch_arrays(k), num_frames)
        codes += [lam.actions(part.to(device)).cpu().numpy() for part in to_float(frames).split(at_once)]
        actions.append(taken)
    names = dataset.spec.action_names or ()
    return count_codes(np.concatenate(codes), np.concatenate(actions), lam.num_codes, names)


def _as_metadata(mapping: ActionMapping, step: int) -> dict[str, Any]:
    return {"action_mapping": mapping.to_json(), "action_mapping_step": step}
