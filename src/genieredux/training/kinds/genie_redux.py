"""Assembling GenieRedux: a latent action model and the dynamics that its codes drive, on frames and, where the dynamics
is one of tokens, those of a frozen tokenizer.

Where the data set knows its true actions, they train nothing; code_counts.py counts them against the codes.
"""

from typing import Any, cast

from genieredux.errors import UserError
from genieredux.models.build import needs_tokenizer
from genieredux.models.latent.genie_redux import GenieRedux
from genieredux.training.assembled import Assembled
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.code_counts import CodeCounts
from genieredux.training.kinds.materials import Opened, build_seeded, fitting_image, show_first
from genieredux.training.kinds.starting import begun_from, load_weights, load_what_fits
from genieredux.training.kinds.tokens import take_codes
from genieredux.training.looks.samples import dreamed

GUIDED = "genie_redux_guided"


def assemble(cfg: JobConfig, materials: Opened) -> Assembled:
    """A new GenieRedux, or with model_fpath one to fine-tune, or one whose dynamics begins with what fits of a guided
    one (all but how it takes actions); with lam_fpath its latent action model begins with those
    weights (and, with lam_weight=0, keeps them).
    """
    start = materials.start(cfg.model_fpath, (cfg.kind, GUIDED))
    lam = materials.start(cfg.lam_fpath, "latent_action_model")
    guided = start is not None and start.kind == GUIDED
    if lam is None and (start is None or guided) and cfg.lam_weight == 0:
        raise UserError("lam_weight is 0 (a frozen latent action model), so lam_fpath must name a trained one")
    source = str(cfg.model_fpath)
    begun: Any = {"lam": None, "dynamics": start.config if start else None} if guided or start is None else start.config
    known, named = (lam.config, str(cfg.lam_fpath)) if lam else (begun["lam"], source)
    config: dict[str, Any] = {
        "lam": fitting_image(begun_from(known, cfg.lam, "lam", named), materials, "lam"),
        "dynamics": begun_from(begun["dynamics"], cfg.dynamics, "dynamics", source),
        "lam_weight": cfg.lam_weight,
    }
    tokenizer = materials.tokenizer(start) if needs_tokenizer(cfg.kind, config) else None
    if tokenizer is None:
        config["dynamics"] = fitting_image(config["dynamics"], materials, "dynamics")
    model = cast(GenieRedux, build_seeded(cfg, config, tokenizer=tokenizer.model if tokenizer else None))
    data, held_out = materials.clips(frames=True, tokenizer=tokenizer)
    if tokenizer is None and (start is None or guided):
        show_first(model, materials)
    if start and guided:
        load_what_fits(model.dynamics, start)
    elif start:
        load_weights(model, start)
    if start and tokenizer:
        take_codes(model, tokenizer)
    if lam:
        load_weights(model.lam, lam)
    counts = CodeCounts(model.lam, materials, cfg.train)
    samples = cfg.train.samples
    looks = (
        (dreamed(held_out, samples, tokenizer.model if tokenizer else None, model.lam.code_names),) if samples else ()
    )
    sections = {"tokenizer": tokenizer.section} if tokenizer else {}
    return Assembled(model, data, held_out, (*looks, counts.look), sections, counts.about)
