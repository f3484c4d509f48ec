"""Assembling a dynamics of true actions. One of tokens learns those of a frozen tokenizer, which are made first where
they lack; the tokenizer comes from tokenizer_fpath, else out of model_fpath. One that needs none learns from frames.
"""

from genieredux.models.build import needs_tokenizer
from genieredux.training.assembled import Assembled, say
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.materials import Opened, build_seeded, fitting_image, show_first
from genieredux.training.kinds.starting import begun_from, check_actions, load_weights
from genieredux.training.kinds.tokens import take_codes
from genieredux.training.looks.samples import dreamed


def assemble(cfg: JobConfig, materials: Opened) -> Assembled:
    """A new dynamics, or with model_fpath one to fine-tune."""
    start = materials.start(cfg.model_fpath, cfg.kind)
    config = begun_from(start.config if start else None, cfg.dynamics, "dynamics", str(cfg.model_fpath))
    tokenizer = materials.tokenizer(start) if needs_tokenizer(cfg.kind, config) else None
    if tokenizer is None:
        config = fitting_image(config, materials, "dynamics")
    materials.spec.require_actions(cfg.kind)
    check_actions(start, materials.spec)
    names = materials.spec.action_names
    model = build_seeded(cfg, config, tokenizer=tokenizer.model if tokenizer else None, action_names=names)
    if start:
        load_weights(model, start)
    if start and tokenizer:
        take_codes(model, tokenizer)
    data, held_out = materials.clips(frames=tokenizer is None, tokenizer=tokenizer)
    if tokenizer is None and start is None:
        show_first(model, materials)
    samples = cfg.train.samples
    looks = (dreamed(materials.shown(), samples, tokenizer.model if tokenizer else None, names),) if samples else ()
    sections = {"tokenizer": tokenizer.section} if tokenizer else {}
    return Assembled(model, data, held_out, looks, sections, say(materials.describe()))
