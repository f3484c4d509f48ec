"""The jobs of training, from configuration to checkpoint: tokenizer, token cache, dynamics.

Each opens the data, builds the model, and hands both to `fit`. How a model is built from its configuration is
the caller's `build`; what games and command lines are is unknown here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from genieredux.config import FilePath
from genieredux.episodes import Dataset, TokenCache
from genieredux.errors import UserError
from genieredux.models.checkpoint import CheckpointData, Section, fingerprint, load_model, plain
from genieredux.nn.precision import autocast, choose_precision
from genieredux.runs import RunFolder
from genieredux.runs.progress import ProgressLine
from genieredux.training.config import OptimizerConfig, TrainConfig
from genieredux.training.decoder_only import refuse_decoder_only, tokens_fingerprint, train_decoder_only
from genieredux.training.devices import make_fabric
from genieredux.training.samples import dreamed, redrawn, together
from genieredux.training.sources import (
    choose_games,
    frame_sources,
    frames_to_tensor,
    split_for_training,
    token_sources,
    trainable,
)
from genieredux.training.starting import begun_from, check_actions, load_state, load_weights
from genieredux.training.trainer import FitResult, SampleHook, fit

MODEL_NAMES = {"genie_redux_guided_pretrain": "genie_redux_guided", "lam": "latent_action_model"}
"""Other names of kinds: one that the published commands use, and the short one."""


@dataclass
class JobConfig:
    """What to train on what."""

    model: str = "tokenizer"
    """What to train: tokenizer, latent_action_model (or lam), genie_redux or genie_redux_guided."""
    run_name: str = ""
    """The run folder is checkpoints_dpath/kind/run_name; empty: the model's name."""
    checkpoints_dpath: FilePath = "checkpoints"
    """The folder of all run folders."""
    tokenizer_fpath: FilePath | None = None
    """A trained tokenizer: what a dynamics is made for, or what a tokenizer begins with."""
    model_fpath: FilePath | None = None
    """A checkpoint to begin with; what `tokenizer`, `lam` and `dynamics` leave open is taken from it."""
    lam_fpath: FilePath | None = None
    """A trained latent action model, for genie_redux."""
    lam_weight: float = 1.0
    """Of the latent action model's own loss while genie_redux trains; 0 freezes it."""
    train: TrainConfig = field(default_factory=TrainConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    tokenizer: dict[str, Any] = field(default_factory=dict)
    """The settings of a tokenizer, by its architecture."""
    lam: dict[str, Any] = field(default_factory=dict)
    """The settings of a latent action model, by its architecture."""
    dynamics: dict[str, Any] = field(default_factory=dict)
    """The settings of a dynamics, by its architecture."""

    @property
    def kind(self) -> str:
        """The kind of model that `model` names."""
        return MODEL_NAMES.get(self.model, self.model)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.checkpoints_dpath) / self.kind / (self.run_name or self.model)


BuildModel = Callable[..., nn.Module]
"""(kind, plain configuration, **parts) to an untrained model; `parts` are models it needs (models/build.py)."""


@dataclass(frozen=True)
class LoadedTokenizer:
    """A frozen tokenizer in evaluation mode, what identifies it, and how it travels in other files."""

    model: nn.Module
    section: Section

    @property
    def id(self) -> str:
        """Names its token caches: the same weights on the way from frames to tokens, the same id."""
        return f"{self.section.kind}-{tokens_fingerprint(self.model, self.section)[:16]}"


def train_tokenizer(cfg: JobConfig, build: BuildModel, on_sample: SampleHook | None = None) -> FitResult:
    """Train (or with tokenizer_fpath or model_fpath fine-tune) a tokenizer on windows of frames."""
    dataset = open_dataset(cfg.train)
    path = cfg.model_fpath or cfg.tokenizer_fpath
    start = load_model(path, expect="tokenizer") if path else None
    config = begun_from(start.config if start else None, cfg.tokenizer, "tokenizer", str(path))
    fabric = make_fabric(cfg.train)
    training, held_out = split_for_training(dataset, cfg.train.num_frames)
    data, validation = frame_sources(training, held_out, cfg.train, fabric.global_rank, fabric.world_size)
    model = build_seeded(build, cfg, "tokenizer", fitting_image(config, dataset, "tokenizer"))
    if start:
        load_weights(model, start)
    if cfg.train.trainable == "decoder":
        train_decoder_only(model, start)
    return fit(
        model,
        data,
        cfg.train,
        run_folder(cfg, fabric),
        optimizer=cfg.optimizer,
        validation=validation,
        on_sample=together(redrawn(validation, cfg.train.samples), on_sample),
        metadata=metadata_of(dataset),
        fabric=fabric,
    )


def train_dynamics(cfg: JobConfig, build: BuildModel, on_sample: SampleHook | None = None) -> FitResult:
    """Train a dynamics model on the tokens of a frozen tokenizer, which are made first where they lack.

    The tokenizer comes from tokenizer_fpath, else out of model_fpath; there is no run without one.
    """
    refuse_decoder_only(cfg.train.trainable, cfg.kind)
    check_clips(cfg)
    start = load_model(cfg.model_fpath, expect=cfg.kind) if cfg.model_fpath else None
    tokenizer = load_tokenizer(tokenizer_section(cfg, start), build)
    dataset = open_dataset(cfg.train)
    if cfg.kind == "genie_redux_guided":
        dataset.spec.require_actions(cfg.kind)
        check_actions(start, dataset)
    check_size(tokenizer, dataset)
    fabric = make_fabric(cfg.train)
    parts, caches, stride = open_tokens(dataset, tokenizer, cfg.train, fabric)
    data, validation = token_sources(*caches, cfg.train, stride, fabric.global_rank, fabric.world_size)
    config = begun_from(start.config if start else None, cfg.dynamics, "dynamics", str(cfg.model_fpath))
    model = build_seeded(
        build, cfg, cfg.kind, config, tokenizer=tokenizer.model, action_names=dataset.spec.action_names
    )
    if start:
        load_weights(model, start)
        take_codes(model, tokenizer)
    _, seen = frame_sources(*parts, cfg.train)
    dreams = dreamed(seen, cfg.train.samples, tokenizer.model, dataset.spec.action_names)
    return fit(
        model,
        data,
        cfg.train,
        run_folder(cfg, fabric),
        optimizer=cfg.optimizer,
        validation=validation,
        on_sample=together(dreams, on_sample),
        sections=lambda: {"tokenizer": tokenizer.section},
        metadata=metadata_of(dataset),
        fabric=fabric,
    )


def open_tokens(
    dataset: Dataset, tokenizer: LoadedTokenizer, cfg: TrainConfig, fabric: Fabric
) -> tuple[tuple[Dataset, Dataset], tuple[TokenCache, TokenCache], int]:
    """(training, validation) episodes, their tokens, and the stride of windows; the first process makes what lacks."""
    if fabric.is_global_zero:
        build_token_cache(trainable(dataset), tokenizer, cfg, device=fabric.device)
    fabric.barrier()
    parts = split_for_training(dataset, cfg.num_frames)
    caches = TokenCache.open(parts[0], tokenizer.id), TokenCache.open(parts[1], tokenizer.id)
    return parts, caches, window_stride(tokenizer.model, caches[0].spec.clip_frames)


def open_dataset(cfg: TrainConfig) -> Dataset:
    """The data set that train.dataset_root_dpath, dataset_name and n_envs say."""
    if not cfg.dataset_name:
        raise UserError(f"train.dataset_name is empty; name a data set in {cfg.dataset_root_dpath}")
    return choose_games(Dataset.open(f"{cfg.dataset_root_dpath.rstrip('/')}/{cfg.dataset_name}"), cfg.n_envs)


def load_tokenizer(section: Section, build: BuildModel) -> LoadedTokenizer:
    """The tokenizer of a file, frozen and in evaluation mode."""
    model = build(section.kind, section.config)
    load_state(model, section.state_dict, "the tokenizer")
    return LoadedTokenizer(model.eval().requires_grad_(False), section)


def tokenizer_of(model: nn.Module) -> LoadedTokenizer:
    """A tokenizer that is already in memory, as `load_tokenizer` would give it."""
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    kind, config = str(model.kind), plain(model.config)
    section = Section(kind, config, state, fingerprint(kind, config, state))
    return LoadedTokenizer(model.eval().requires_grad_(False), section)


def build_token_cache(
    dataset: Dataset,
    tokenizer: LoadedTokenizer,
    cfg: TrainConfig,
    *,
    device: torch.device | None = None,
    batch_clips: int = 16,
    precision: str = "32",
) -> TokenCache:
    """Encode every episode once, in clips of train.num_frames; what is there already is not done again.

    precision: "32" gives the ids that playing gives; "bf16" is faster where the hardware has it and differs
    where two codes are almost equally near.
    """
    device = device or torch.device("cpu")
    model = tokenizer.model.to(device)
    precision = choose_precision(precision, device)

    encode_frames: Callable[[Tensor], Tensor] = model.encode  # type: ignore[assignment]

    def encode(frames: np.ndarray) -> np.ndarray:
        scaled = frames_to_tensor(frames).to(device).float().div_(255)
        with torch.inference_mode(), autocast(precision, device):
            tokens = encode_frames(scaled)
        return tokens.cpu().numpy()

    with ProgressLine("encode", int(dataset.lengths.sum()), unit="frame") as progress:
        return TokenCache.build(
            dataset, encode, tokenizer.id, cfg.num_frames, batch_clips, progress=progress.advance_to
        )


def window_stride(tokenizer: nn.Module, clip_frames: int) -> int:
    """Windows of cached tokens may start at multiples of this.

    A tokenizer that encodes each frame by itself (its attribute `framewise` is true) allows any frame; one
    that looks back allows the starts of the cached clips, where no token has history that playing would lack.
    """
    return 1 if getattr(tokenizer, "framewise", False) else clip_frames


def take_codes(model: nn.Module, tokenizer: LoadedTokenizer) -> None:
    """Give a dynamics that was begun from another the code vectors of the tokenizer it is trained with now: those of
    a tokenizer that was fine-tuned are others. Models without such vectors stay as they are.
    """
    codes = getattr(model, "codes", None)
    if codes is not None:
        codes.copy_(tokenizer.model.code_vectors())  # type: ignore[operator]


def tokenizer_section(cfg: JobConfig, start: CheckpointData | None) -> Section:
    """The tokenizer that a job asks for: tokenizer_fpath, else the one inside model_fpath. Raises UserError."""
    if cfg.tokenizer_fpath:
        return load_model(cfg.tokenizer_fpath, expect="tokenizer").model
    if start is not None:
        return start.section("tokenizer")
    raise UserError(
        f"{cfg.kind} needs a trained tokenizer; give tokenizer_fpath=checkpoints/tokenizer/<run name>/model-<step>.pt"
    )


def build_seeded(build: BuildModel, cfg: JobConfig, kind: str, config: Mapping[str, Any], **parts: Any) -> nn.Module:
    """A model whose first weights are those of train.seed, the same on every process."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.train.seed)
        return build(kind, config, **parts)


def fitting_image(config: Mapping[str, Any], dataset: Dataset, group: str) -> dict[str, Any]:
    """A configuration (of `group`) with the data set's image size. Raises UserError if it asks for another."""
    size = dataset.spec.image_size
    asked = config.get("image_size", size)
    if asked != size:
        raise UserError(
            f"{group}.image_size is {asked}, but the frames of {dataset.path} are {size}x{size}; leave it out"
        )
    return {**config, "image_size": size}


def check_clips(cfg: JobConfig) -> None:
    """Raises UserError where clips of one frame would have no next frame, which all but a tokenizer learn from."""
    if cfg.kind != "tokenizer" and cfg.train.num_frames < 2:
        raise UserError(
            f"train.num_frames is {cfg.train.num_frames}, but {cfg.kind} learns what follows a frame; "
            f"set it to 2 or more"
        )


def check_size(tokenizer: LoadedTokenizer, dataset: Dataset) -> None:
    """Raises UserError unless the tokenizer was made for frames of this size."""
    made_for = tokenizer.section.config.get("image_size", dataset.spec.image_size)
    if made_for != dataset.spec.image_size:
        raise UserError(
            f"the tokenizer is for frames of {made_for}x{made_for}, but those of {dataset.path} are "
            f"{dataset.spec.image_size}x{dataset.spec.image_size}; train a tokenizer on this data set first"
        )


def metadata_of(dataset: Dataset) -> dict[str, Any]:
    """What a checkpoint says of the data it was trained on."""
    spec = dataset.spec
    return {"action_names": list(spec.action_names), "image_size": spec.image_size, "dataset": spec.name}


def run_folder(cfg: JobConfig, fabric: Fabric) -> RunFolder:
    """The run folder, begun."""
    run = RunFolder(cfg.folder)
    if fabric.is_global_zero:
        run.begin(cfg)
    return run
