"""Assembling a dynamics of true actions: it learns the tokens of a frozen tokenizer, which are made first where they
lack. The tokenizer comes from tokenizer_fpath, else out of model_fpath; there is no run without one.
"""

from genieredux.training.assembled import Assembled, say
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.materials import Opened, build_seeded
from genieredux.training.kinds.starting import begun_from, check_actions, load_weights
from genieredux.training.kinds.tokens import take_codes
from genieredux.training.looks.samples import dreamed


def assemble(cfg: JobConfig, materials: Opened) -> Assembled:
    """A new dynamics, or with model_fpath one to fine-tune."""
    start = materials.start(cfg.model_fpath, cfg.kind)
    tokenizer = materials.tokenizer(start)
    materials.spec.require_actions(cfg.kind)
    check_actions(start, materials.spec)
    config = begun_from(start.config if start else None, cfg.dynamics, "dynamics", str(cfg.model_fpath))
    names = materials.spec.action_names
    model = build_seeded(cfg, config, tokenizer=tokenizer.model, action_names=names)
    if start:
        load_weights(model, start)
        take_codes(model, tokenizer)
    data, held_out = materials.clips(frames=False, tokenizer=tokenizer)
    samples = cfg.train.samples
    looks = (dreamed(materials.shown(), samples, tokenizer.model, names),) if samples else ()
    sections = {"tokenizer": tokenizer.section}
    return Assembled(model, data, held_out, looks, sections, say(materials.describe()))
