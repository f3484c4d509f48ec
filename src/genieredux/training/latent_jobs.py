"""The jobs of models without given actions: the latent action model alone, and GenieRedux (it and its dynamics).

As in jobs.py each opens the data, builds the model and hands both to `fit`. Where the data set knows its true
actions, they train nothing; code_counts.py counts them against the codes.
"""

from typing import cast

from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model
from genieredux.models.latent.actions import LatentActionModel
from genieredux.models.latent.genie_redux import GenieRedux
from genieredux.training.code_counts import CodeCounts
from genieredux.training.decoder_only import refuse_decoder_only
from genieredux.training.devices import make_fabric
from genieredux.training.jobs import (
    BuildModel,
    JobConfig,
    build_seeded,
    check_clips,
    check_size,
    fitting_image,
    load_tokenizer,
    open_dataset,
    open_tokens,
    run_folder,
    take_codes,
    tokenizer_section,
)
from genieredux.training.samples import dreamed, redrawn, together
from genieredux.training.sources import frame_sources, paired_sources, split_for_training
from genieredux.training.starting import begun_from, load_weights
from genieredux.training.trainer import FitResult, SampleHook, fit


def train_latent_actions(cfg: JobConfig, build: BuildModel, on_sample: SampleHook | None = None) -> FitResult:
    """Train (or with lam_fpath or model_fpath go on with) a latent action model on windows of frames."""
    refuse_decoder_only(cfg.train.trainable, cfg.kind)
    check_clips(cfg)
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
    counts = CodeCounts(model, training, held_out, cfg.train)
    return fit(
        model,
        data,
        cfg.train,
        run_folder(cfg, fabric),
        optimizer=cfg.optimizer,
        validation=validation,
        on_sample=together(redrawn(validation, cfg.train.samples), counts.look, on_sample),
        metadata=counts.about,
        fabric=fabric,
    )


def train_genie_redux(cfg: JobConfig, build: BuildModel, on_sample: SampleHook | None = None) -> FitResult:
    """Train GenieRedux on frames and the cached tokens of a frozen tokenizer.

    With lam_fpath the latent action model begins with those weights (and, with lam_weight=0, keeps them).
    """
    refuse_decoder_only(cfg.train.trainable, cfg.kind)
    check_clips(cfg)
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
    counts = CodeCounts(model.lam, *parts, cfg.train)
    return fit(
        model,
        data,
        cfg.train,
        run_folder(cfg, fabric),
        optimizer=cfg.optimizer,
        validation=validation,
        on_sample=together(dreamed(validation, cfg.train.samples, tokenizer.model, None), counts.look, on_sample),
        sections=lambda: {"tokenizer": tokenizer.section},
        metadata=counts.about,
        fabric=fabric,
    )
