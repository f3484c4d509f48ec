"""Assembling a tokenizer: it learns to redraw windows of frames."""

from genieredux.models.build import settings_known
from genieredux.training.assembled import Assembled, say
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.decoder_only import train_decoder_only
from genieredux.training.kinds.materials import Opened, build_seeded, fitting_image
from genieredux.training.kinds.starting import begun_from, load_weights
from genieredux.training.looks.samples import redrawn


def assemble(cfg: JobConfig, materials: Opened) -> Assembled:
    """A new tokenizer, or with tokenizer_fpath or model_fpath one to fine-tune."""
    path = cfg.model_fpath or cfg.tokenizer_fpath
    start = materials.start(path, "tokenizer")
    config = begun_from(start.config if start else None, cfg.tokenizer, "tokenizer", str(path))
    if cfg.train.trainable != "decoder" and "clip_frames" in settings_known("tokenizer", config):
        config["clip_frames"] = cfg.tokenizer.get("clip_frames", cfg.train.num_frames)
    model = build_seeded(cfg, fitting_image(config, materials, "tokenizer"))
    if start:
        load_weights(model, start)
    if cfg.train.trainable == "decoder":
        train_decoder_only(model, start)
    data, held_out = materials.clips(frames=True)
    looks = (redrawn(held_out, cfg.train.samples),) if cfg.train.samples else ()
    return Assembled(model, data, held_out, looks, metadata=say(materials.describe()))
