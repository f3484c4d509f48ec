"""What a run is made of where not all of it is there, and nothing may be written: for a look at what it would take.

Frames are those of the data set where it is there, else noise; tokens are drawn, as any cost the same; a tokenizer that
nobody named is an untrained one.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from genieredux.episodes import Dataset, DatasetSpec
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import CheckpointData, Section, load_model, plain
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.types import Batch
from genieredux.training.clips import ClipSource, DataSource, make_samplers
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.materials import Opened
from genieredux.training.kinds.tokens import LoadedTokenizer
from genieredux.training.sources import open_dataset

SIZE = 64
"""Pixels of a side, and five actions: the published data sets', where there is nothing to ask."""
ACTIONS = tuple(str(k) for k in range(5))


class Imagined(Opened):
    """As `Opened`, on one device and without writing. notes: what had to be imagined."""

    def __init__(self, cfg: JobConfig) -> None:
        super().__init__(cfg)
        self.notes: list[str] = []
        self.loaded: nn.Module | None = None
        """The tokenizer, when it was asked for."""

    @cached_property
    def device(self) -> torch.device:
        """Raises UserError where train.accelerator asks for a GPU that is not there."""
        accelerator, there = self.cfg.train.accelerator, torch.cuda.is_available()
        if accelerator in ("gpu", "cuda") and not there:
            raise UserError(f"train.accelerator is {accelerator} and there is no GPU here; set train.accelerator=cpu")
        return torch.device("cuda" if there and accelerator != "cpu" else "cpu")

    @cached_property
    def there(self) -> Dataset | None:
        """The data set, if it can be opened."""
        try:
            return open_dataset(self.cfg.train)
        except UserError as error:
            self.notes.append(f"{error} (measured on noise of the same size)")
            return None

    @property
    def spec(self) -> DatasetSpec:
        return self.there.spec if self.there is not None else DatasetSpec("imagined", self._size, ACTIONS)

    def tokenizer(self, start: CheckpointData | None) -> LoadedTokenizer:
        named = self.cfg.tokenizer_fpath
        if (named and Path(named).is_file()) or (not named and start is not None and "tokenizer" in start.sections):
            tokenizer = super().tokenizer(start)
        else:
            self.notes.append("no tokenizer is given: measured with an untrained one of the published shape")
            model = build_model("tokenizer", {**self.cfg.tokenizer, "image_size": self.spec.image_size})
            section = Section("tokenizer", plain(model.config), dict(model.state_dict()))
            tokenizer = LoadedTokenizer(model.eval().requires_grad_(False), section)
        self.loaded = tokenizer.model
        return tokenizer

    def clips(self, *, frames: bool, tokenizer: LoadedTokenizer | None = None) -> tuple[DataSource, DataSource]:
        train, pictures = self.cfg.train, None
        if frames and self.there is not None:
            training, held_out = self.split
            pictures = ClipSource(make_samplers(training.lengths, held_out.lengths, train, train.seed)[0], training)
        size = self.spec.image_size if frames else None
        model = None if tokenizer is None else cast(Tokenizer, tokenizer.model)
        drawn = Noise((train.batch_size, train.num_frames), size, model, pictures)
        return drawn, drawn

    def shown(self) -> DataSource:
        return self.clips(frames=True)[1]

    @property
    def where(self) -> str:
        return self.there.path if self.there is not None else "the imagined data set"

    @property
    def _size(self) -> int:
        """Pixels of a side that the job's settings or files ask for."""
        cfg = self.cfg
        asked: list[Any] = [cfg.tokenizer.get("image_size"), cfg.lam.get("image_size")]
        for path in (cfg.tokenizer_fpath, cfg.model_fpath, cfg.lam_fpath):
            if path and Path(path).is_file():
                data = load_model(path)
                asked += [data.config.get("image_size")]
                asked += [section.config.get("image_size") for section in data.sections.values()]
        return int(next((size for size in asked if size), SIZE))


@dataclass(frozen=True)
class Noise:
    """Batches of clips (B, T): frames (of a data set, or noise of `size` pixels), drawn tokens, and the action 0."""

    clips: tuple[int, int]
    size: int | None
    tokenizer: Tokenizer | None
    frames: ClipSource | None

    def batch(self, k: int) -> Batch:
        generator = torch.Generator().manual_seed(k)
        batch = Batch(actions=torch.zeros(self.clips[0], self.clips[1] - 1, dtype=torch.long))
        if self.frames is not None:
            batch.frames = self.frames.batch(k).frames
        elif self.size is not None:
            shape = (*self.clips, 3, self.size, self.size)
            batch.frames = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        if self.tokenizer is not None:
            codes, grid = len(self.tokenizer.code_vectors()), self.tokenizer.grid
            batch.tokens = torch.randint(codes, (*self.clips, *grid), generator=generator)
        return batch
