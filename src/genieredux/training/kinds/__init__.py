"""One way to assemble each kind of model for training: a module a kind, with a function `assemble`.

The table names them; what a kind needs is imported when it is asked for.
"""

from importlib import import_module

from genieredux.checking import one_of
from genieredux.errors import UserError
from genieredux.models.build import check_settings
from genieredux.training.assembled import Assembled
from genieredux.training.jobs import MODEL_NAMES, JobConfig
from genieredux.training.kinds.materials import Opened

KINDS = {
    "tokenizer": "tokenizer",
    "latent_action_model": "latent_actions",
    "genie_redux": "genie_redux",
    "genie_redux_guided": "dynamics",
}
"""Kind of model -> module of this package."""


def assemble(cfg: JobConfig, materials: Opened | None = None) -> Assembled:
    """What a run of `cfg` trains. materials: what it is made of (None: the files that cfg names).

    Raises UserError for what is wrong: first with the settings, before any file is opened, then with checkpoints and
    the data set, and only then makes tokens that lack. Writes nothing else.
    """
    check_job(cfg)
    module = import_module(f"{__name__}.{KINDS[cfg.kind]}")
    assembled: Assembled = module.assemble(cfg, materials or Opened(cfg))
    return assembled


def check_job(cfg: JobConfig) -> None:
    """Raises UserError for settings that no run can have."""
    if cfg.kind not in KINDS:
        one_of("model", cfg.model, [*KINDS, *MODEL_NAMES])
    given = {"tokenizer": cfg.tokenizer, "latent_action_model": cfg.lam, "genie_redux_guided": cfg.dynamics}
    for kind, settings in given.items():
        check_settings(kind, settings)
    if cfg.kind == "tokenizer":
        return
    if cfg.train.trainable != "all":
        raise UserError(
            f"train.trainable is '{cfg.train.trainable}', which is for tokenizers; a {cfg.kind} trains with all"
        )
    if cfg.train.num_frames < 2:
        raise UserError(
            f"train.num_frames is {cfg.train.num_frames}, but {cfg.kind} learns what follows a frame; "
            f"set it to 2 or more"
        )
