"""Assembling a latent action model: it learns to redraw the next frame from the former ones and a code.

Where the data set knows its true actions, they train nothing; code_counts.py counts them against the codes.
"""

from typing import cast

from genieredux.models.latent.actions import LatentActionModel
from genieredux.training.assembled import Assembled
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.code_counts import CodeCounts
from genieredux.training.kinds.materials import Opened, build_seeded, fitting_image, show_first
from genieredux.training.kinds.starting import begun_from, load_weights
from genieredux.training.looks.samples import redrawn


def assemble(cfg: JobConfig, materials: Opened) -> Assembled:
    """A new latent action model, or with lam_fpath or model_fpath one to go on with."""
    path = cfg.model_fpath or cfg.lam_fpath
    start = materials.start(path, "latent_action_model")
    config = begun_from(start.config if start else None, cfg.lam, "lam", str(path))
    model = cast(LatentActionModel, build_seeded(cfg, fitting_image(config, materials, "lam")))
    if start:
        load_weights(model, start)
    data, held_out = materials.clips(frames=True)
    if start is None:
        show_first(model, materials)
    counts = CodeCounts(model, materials, cfg.train)
    looks = (redrawn(held_out, cfg.train.samples),) if cfg.train.samples else ()
    return Assembled(model, data, held_out, (*looks, counts.look), metadata=counts.about)
