"""The jobs of models without given actions: the latent action model alone, and GenieRedux (it and its dynamics).

As in jobs.py each opens the data, builds the model and hands both to `fit`. Where the data set knows its true
actions, they train nothing; they are counted against the codes, so that a world of latent actions can be steered by
buttons and its codes judged (models/action_mapping.py).
"""

import logging
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from genieredux.episodes import Dataset, Windows, WindowSampler
from genieredux.errors import UserError
from genieredux.models.action_mapping import ActionMapping, count_codes
from genieredux.models.checkpoint import load_model
from genieredux.models.genie_redux import GenieRedux
from genieredux.models.latent_actions import LatentActionModel
from genieredux.training.decoder_only import refuse_decoder_only
from genieredux.training.devices import make_fabric
from genieredux.training.jobs import (
    BuildModel,
    JobConfig,
    build_seeded,
    check_size,
    fitting_image,
    load_tokenizer,
    metadata_of,
    open_dataset,
    open_tokens,
    run_folder,
    take_codes,
    tokenizer_section,
)
from genieredux.training.recorder import Sample
from genieredux.training.samples import Look, dreamed, redrawn, together
from genieredux.training.sources import (
    frame_sources,
    frames_to_tensor,
    paired_sources,
    split_for_training,
)
from genieredux.training.starting import begun_from, load_weights
from genieredux.training.trainer import FitResult, SampleHook, fit

logger = logging.getLogger(__name__)

MAPPING_CLIPS = 128
"""Training clips on which codes are counted against true actions, and as many held-out ones to judge the mapping."""
COLLAPSED = 1.5
"""A perplexity of codes below this means that one code is used for nearly everything."""


def train_latent_actions(cfg: JobConfig, build: BuildModel, on_sample: SampleHook | None = None) -> FitResult:
    """Train (or with lam_fpath or model_fpath go on with) a latent action model on windows of frames."""
    refuse_decoder_only(cfg.train.trainable, cfg.kind)
    dataset = open_dataset(cfg.train)
    path = cfg.model_fpath or cfg.lam_fpath
    start = load_model(path, expect=cfg.kind) if path else None
    config = fitting_image(begun_from(start.config if start else None, cfg.lam, "lam", str(path)), dataset, "lam")
    fabric = make_fabric(cfg.train)
    training, held_out = split_for_training(dataset, cfg.train.num_frames)
    data, validation = frame_sources(training, held_out, cfg.train, fabric.global_rank, fabric.world_size)
    model = cast(LatentActionModel, build_seeded(build, cfg, cfg.kind, config))
    if start:
        load_weights(model, start)
    return fit(
        model,
        data,
        cfg.train,
        run_folder(cfg, fabric),
        optimizer=cfg.optimizer,
        validation=validation,
        on_sample=together(
            redrawn(validation, cfg.train.samples), _code_statistics(cfg, training, held_out), on_sample
        ),
        metadata=lambda: _with_mapping(model, training, cfg),
        fabric=fabric,
    )


def train_genie_redux(cfg: JobConfig, build: BuildModel, on_sample: SampleHook | None = None) -> FitResult:
    """Train GenieRedux on frames and the cached tokens of a frozen tokenizer.

    With lam_fpath the latent action model begins with those weights (and, with lam_weight=0, keeps them).
    """
    refuse_decoder_only(cfg.train.trainable, cfg.kind)
    start = load_model(cfg.model_fpath, expect=cfg.kind) if cfg.model_fpath else None
    tokenizer = load_tokenizer(tokenizer_section(cfg, start), build)
    dataset = open_dataset(cfg.train)
    check_size(tokenizer, dataset)
    lam = load_model(cfg.lam_fpath, expect="latent_action_model") if cfg.lam_fpath else None
    if lam is None and start is None and cfg.lam_weight == 0:
        raise UserError("lam_weight is 0 (a frozen latent action model), so lam_fpath must name a trained one")
    fabric = make_fabric(cfg.train)
    parts, caches, stride = open_tokens(dataset, tokenizer, cfg.train, fabric)
    data, validation = paired_sources(parts, caches, cfg.train, stride, fabric.global_rank, fabric.world_size)
    source, begun = str(cfg.model_fpath), start.config if start else {"lam": None, "dynamics": None}
    known, named = (lam.config, str(cfg.lam_fpath)) if lam else (begun["lam"], source)
    config = {
        "lam": fitting_image(begun_from(known, cfg.lam, "lam", named), dataset, "lam"),
        "dynamics": begun_from(begun["dynamics"], cfg.dynamics, "dynamics", source),
        "lam_weight": cfg.lam_weight,
    }
    model = cast(GenieRedux, build_seeded(build, cfg, cfg.kind, config, tokenizer=tokenizer.model))
    if start:
        load_weights(model, start)
        take_codes(model, tokenizer)
    if lam:
        load_weights(model.lam, lam)
    return fit(
        model,
        data,
        cfg.train,
        run_folder(cfg, fabric),
        optimizer=cfg.optimizer,
        validation=validation,
        on_sample=together(
            dreamed(validation, cfg.train.samples, tokenizer.model, None),
            _code_statistics(cfg, *parts),
            on_sample,
        ),
        sections=lambda: {"tokenizer": tokenizer.section},
        metadata=lambda: _with_mapping(model, parts[0], cfg),
        fabric=fabric,
    )


def count_actions(model: LatentActionModel, dataset: Dataset, num_frames: int, clips: int, seed: int) -> ActionMapping:
    """The codes of random clips of a data set against their true actions. Raises UserError if it knows none."""
    dataset.spec.require_actions("counting latent codes against actions")
    device = next(model.parameters()).device
    windows = Windows(dataset, WindowSampler(dataset.lengths, num_frames, 16, seed))
    codes, actions = [], []
    for step in range(-(-clips // 16)):
        found = windows.batch(step)
        frames = frames_to_tensor(found.frames).to(device).float().div_(255)
        codes.append(model.actions(frames).cpu().numpy())
        actions.append(found.actions)
    names = dataset.spec.action_names or ()
    return count_codes(np.concatenate(codes), np.concatenate(actions), model.num_codes, names)


def _lam_of(model: nn.Module) -> LatentActionModel:
    return model.lam if isinstance(model, GenieRedux) else cast(LatentActionModel, model)


def _with_mapping(model: nn.Module, training: Dataset, cfg: JobConfig) -> dict[str, Any]:
    """What a checkpoint says besides its weights: codes for action names, and how true actions map to them."""
    lam, about = _lam_of(model), metadata_of(training)
    names = about["action_names"]
    about |= {"action_names": [f"LATENT_{k}" for k in range(lam.num_codes)], "true_action_names": names}
    if names:
        about["action_mapping"] = _count(lam, training, cfg).to_json()
    return about


def _code_statistics(cfg: JobConfig, training: Dataset, held_out: Dataset) -> Look | None:
    """After each validation: how many codes are used and what they tell of the true actions; a warning if nothing."""
    if not training.spec.action_names:
        return None

    def look(model: nn.Module, step: int) -> Sample:
        lam = _lam_of(model)
        mapping, unseen = _count(lam, training, cfg), _count(lam, held_out, cfg).counts
        share = unseen.sum(1) / unseen.sum()
        perplexity = float(np.exp(-(share[share > 0] * np.log(share[share > 0])).sum()))
        if perplexity < COLLAPSED:
            logger.warning(
                "step %d: the latent actions have collapsed (perplexity %.2f of %d codes): the codes say nothing; "
                "a larger lam.balance, a lower optimizer.learning_rate or lam.codebook=categorical helps",
                step,
                perplexity,
                lam.num_codes,
            )
        values = {
            "code_perplexity": perplexity,
            "action_accuracy": mapping.accuracy(unseen),
            "action_chance": float(unseen.sum(0).max() / unseen.sum()),
            "action_information": mapping.information(unseen),
        }
        return Sample(values)

    return look


def _count(lam: LatentActionModel, dataset: Dataset, cfg: JobConfig) -> ActionMapping:
    modes = {module: module.training for module in lam.modules()}
    lam.eval()
    try:
        with torch.no_grad():
            return count_actions(lam, dataset, cfg.train.num_frames, MAPPING_CLIPS, cfg.train.seed)
    finally:
        for module, mode in modes.items():
            module.training = mode
