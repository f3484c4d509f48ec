"""What a run is made of: the checkpoints and the data set that a job names, opened when they are asked for.

Knows no kind of model.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from genieredux.episodes import Dataset, DatasetSpec
from genieredux.errors import UserError
from genieredux.models.build import build_model, restore
from genieredux.models.checkpoint import CheckpointData, Section, load_model
from genieredux.models.types import Batch
from genieredux.training.clips import ClipSource, DataSource, Place, make_samplers
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.tokens import LoadedTokenizer, open_tokens, window_stride
from genieredux.training.machine.crew import crew
from genieredux.training.machine.devices import make_fabric
from genieredux.training.sources import open_dataset, split_for_training

LOOKS = 16
"""Updates whose batches a new model looks at before its first step."""


class Opened:
    """The files of a job. Processes are started (`fabric`) when batches or the device are asked for, which is after
    everything else was checked."""

    def __init__(self, cfg: JobConfig, processes: ExitStack | None = None) -> None:
        """processes: in which the others of several run the same job; None: this program is run again for each."""
        self.cfg = cfg
        self._processes = processes

    @cached_property
    def dataset(self) -> Dataset:
        return open_dataset(self.cfg.train)

    @property
    def spec(self) -> DatasetSpec:
        """Of the data set."""
        return self.dataset.spec

    @property
    def where(self) -> str:
        """The data set, for people."""
        return self.dataset.path

    @cached_property
    def split(self) -> tuple[Dataset, Dataset]:
        """Training and validation episodes."""
        return split_for_training(self.dataset, self.cfg.train.num_frames)

    @cached_property
    def fabric(self) -> Fabric:
        if self._processes is not None:
            count = self.cfg.train.num_processes
            self._processes.enter_context(crew(count, "genieredux.training.run:follow", self.cfg))
        return make_fabric(self.cfg.train)

    def start(self, path: str | None, kind: str | tuple[str, ...]) -> CheckpointData | None:
        """The file that a model begins with, of this kind, or of one of these."""
        return load_model(path, expect=kind) if path else None

    def tokenizer(self, start: CheckpointData | None) -> LoadedTokenizer:
        """The frozen tokenizer that tokenizer_fpath names, else the one inside `start`. Raises UserError where there is
        none, or it is for frames of another size."""
        tokenizer = load_tokenizer(self._tokenizer_section(start))
        made_for, size = tokenizer.section.config.get("image_size", self.spec.image_size), self.spec.image_size
        if made_for != size:
            raise UserError(
                f"the tokenizer is for frames of {made_for}x{made_for}, but those of {self.where} are "
                f"{size}x{size}; train a tokenizer on this data set first"
            )
        return tokenizer

    def clips(self, *, frames: bool, tokenizer: LoadedTokenizer | None = None) -> tuple[DataSource, DataSource]:
        """Training and validation batches: of frames, of tokens, or of both. Tokens are made first where they lack."""
        train, parts = self.cfg.train, self.split
        place = Place(self.fabric.global_rank, self.fabric.world_size)
        lengths = parts[0].lengths, parts[1].lengths
        if tokenizer is None:
            samplers = make_samplers(*lengths, train, train.seed, place)
            return ClipSource(samplers[0], parts[0]), ClipSource(samplers[1], parts[1])
        make_samplers(*lengths, train, train.seed, place)  # what cannot be sampled is not encoded either
        caches = open_tokens(self.dataset, parts, tokenizer, train, self.fabric)
        stride = window_stride(tokenizer.model, caches[0].spec.clip_frames)
        samplers = make_samplers(*lengths, train, train.seed, place, stride)
        shown = parts if frames else (None, None)
        return ClipSource(samplers[0], shown[0], caches[0]), ClipSource(samplers[1], shown[1], caches[1])

    def shown(self) -> DataSource:
        """Held-out frames for pictures, the same whatever the number of processes."""
        train, (training, held_out) = self.cfg.train, self.split
        return ClipSource(make_samplers(training.lengths, held_out.lengths, train, train.seed)[1], held_out)

    def first_batches(self) -> Iterator[Batch]:
        """The frames and actions that the first LOOKS updates learn from, the same however a batch is cut."""
        train, (training, held_out) = self.cfg.train, self.split
        source = ClipSource(make_samplers(training.lengths, held_out.lengths, train, train.seed)[0], training)
        for k in range(LOOKS * self.fabric.world_size * train.grad_accum):
            yield source.batch(k).to(torch.device("cpu"))

    def describe(self) -> dict[str, Any]:
        """What a checkpoint says of the data it was trained on."""
        spec = self.spec
        return {"action_names": list(spec.action_names), "image_size": spec.image_size, "dataset": spec.name}

    def _tokenizer_section(self, start: CheckpointData | None) -> Section:
        if self.cfg.tokenizer_fpath:
            return load_model(self.cfg.tokenizer_fpath, expect="tokenizer").model
        if start is not None:
            return start.section("tokenizer")
        raise UserError(
            f"{self.cfg.kind} needs a trained tokenizer; give "
            f"tokenizer_fpath={self.cfg.checkpoints_dpath}/tokenizer/<run name>/model-<step>.pt"
        )


def load_tokenizer(section: Section) -> LoadedTokenizer:
    """The tokenizer of a file, frozen and in evaluation mode."""
    return LoadedTokenizer(restore(section, "the tokenizer", shared=True), section)


def build_seeded(cfg: JobConfig, config: Mapping[str, Any], **parts: Any) -> nn.Module:
    """A model of the job's kind whose first weights are those of train.seed, the same on every process."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.train.seed)
        return build_model(cfg.kind, config, **parts)


def show_first(model: nn.Module, materials: Opened) -> None:
    """Let a new model look at some batches before its first step; one that wants to has `look_first`."""
    look_first = getattr(model, "look_first", None)
    if look_first is not None:
        look_first(materials.first_batches())


def fitting_image(config: Mapping[str, Any], materials: Opened, group: str) -> dict[str, Any]:
    """A configuration (of `group`) with the data set's image size. Raises UserError if it asks for another."""
    size = materials.spec.image_size
    asked = config.get("image_size", size)
    if asked != size:
        raise UserError(
            f"{group}.image_size is {asked}, but the frames of {materials.where} are {size}x{size}; leave it out"
        )
    return {**config, "image_size": size}
