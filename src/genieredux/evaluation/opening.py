"""From a file of weights to what a process measures with. It knows files and models; it measures nothing."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.config import ACTION_ACCURACY, EvalJobConfig
from genieredux.evaluation.inverse_dynamics import train_inverse_dynamics
from genieredux.evaluation.measure import Bench
from genieredux.evaluation.metric_networks import FID, FVD, LPIPS, ST_LPIPS, Networks, NetworksConfig, open_networks
from genieredux.evaluation.networks.perceptual_net import MIN_SIZE
from genieredux.evaluation.probes import ActionReader, FeatureCache, Probes
from genieredux.evaluation.statistics_cache import StatisticsCache
from genieredux.evaluation.testsets import test_splits
from genieredux.evaluation.truth import TruthCache
from genieredux.models.build import build_model
from genieredux.models.checkpoint import CheckpointData, Section, load_model
from genieredux.models.sampling import Sampling
from genieredux.models.world.model import WorldModel

log = logging.getLogger(__name__)


def open_checkpoint(config: EvalJobConfig, fallback: str | None = None) -> CheckpointData:
    """The file that the configuration names (or else `fallback`), its weights checked.

    Raises UserError where there is none, it is no model, or a weight is no number.
    """
    path = config.model_fpath or fallback
    if not path:
        raise UserError("eval.model_fpath is not set; give the model to measure, such as runs/demo/world.pt")
    data = load_model(path)
    sections = {"": data.model, **{f"{name}.": section for name, section in data.sections.items()}}
    for prefix, section in sections.items():
        for name, tensor in section.state_dict.items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                count = int((~torch.isfinite(tensor)).sum())
                raise UserError(
                    f"{path}: {count} of the {tensor.numel()} weights of {prefix}{name} ({section.kind}) are NaN or "
                    f"infinite; use an earlier checkpoint"
                )
    return data


def model_name(path: str | Path) -> str:
    """What the folder of results is called: the run and the step, or the file's own name."""
    path = Path(path)
    if path.stem.startswith("model-") or path.stem == "world":
        return f"{path.resolve().parent.name}-{path.stem.removeprefix('model-')}"
    return path.stem


def choose_sampling(world: WorldModel, config: EvalJobConfig) -> Sampling:
    """The world's sampling with what the configuration says instead.

    A world that decides one frame at a time is measured so, whatever is asked, and a line says it. Raises UserError for
    a value out of range.
    """
    sampling = world.sampling.changed(
        config.inference_steps,
        config.temperature,
        config.choice,
        method=config.inference_method,
        dream_length=config.dream_length,
        window=config.window,
    )
    together = sampling.method == "one_go" or sampling.dream_length > 1
    if together and "one_go" not in world.supports:
        asked = "inference_method=one_go" if sampling.method == "one_go" else f"dream_length={sampling.dream_length}"
        log.warning("eval.%s: this world decides one frame at a time, and is measured so (autoregressive)", asked)
        return dataclasses.replace(sampling, method="autoregressive", dream_length=1)
    return sampling


def choose_device(accelerator: str) -> str:
    """cpu or cuda. Raises UserError where cuda is asked for and is not there."""
    there = torch.cuda.is_available()
    if accelerator == "cuda" and not there:
        raise UserError("eval.accelerator=cuda, but torch finds no GPU; set eval.accelerator=cpu")
    return "cuda" if there and accelerator != "cpu" else "cpu"


@dataclass(frozen=True)
class Recipe:
    """How any process makes itself a bench of one world. Picklable. Called with the process's number.

    precision: 32 or bf16, measured before. networks, wanted: the metrics' own. actions, cache: as Probes has them.
    latent: the world takes codes (WorldModel.load).
    """

    model_fpath: str
    device: str
    precision: str
    networks: NetworksConfig
    wanted: tuple[str, ...] = ()
    actions: ActionReader | None = None
    cache: FeatureCache | None = None
    latent: bool = False

    def __call__(self, rank: int = 0) -> Bench:
        """Opens everything anew, on a GPU of its own where there are several."""
        device = self.device
        if device == "cuda":
            device = f"cuda:{rank % torch.cuda.device_count()}"
        world = WorldModel.load(self.model_fpath, device, self.latent).use_precision(self.precision)
        opened = open_networks(self.networks, device, self.wanted)
        return Bench(world, to_probes(opened, self.actions, self.cache))


def to_probes(opened: Networks, actions: ActionReader | None, cache: FeatureCache | None) -> Probes:
    """Opened networks as what looks at a batch."""
    distances = tuple(network for network in (opened.stlpips, opened.lpips) if network is not None)
    return Probes(opened.fid, opened.fvd, distances, actions, cache)


def usable_networks(config: EvalJobConfig, device: str, frames: int, image_size: int) -> Networks:
    """The networks of `config.metrics` that serve here; one line for each that does not.

    frames: predicted of each clip; image_size: their pixels. Raises UserError for a weights file that the user named
    and that does not serve.
    """
    opened = open_networks(config.networks, device, config.network_metrics)
    unfit = {}
    if opened.fvd is not None and frames < opened.fvd.MIN_FRAMES:
        unfit[FVD] = f"it needs {opened.fvd.MIN_FRAMES} predicted frames or more, eval.horizon is {frames}"
    for name, network in ((ST_LPIPS, opened.stlpips), (LPIPS, opened.lpips)):
        if network is not None and image_size < MIN_SIZE:
            unfit[name] = f"it needs frames of {MIN_SIZE} pixels or more, these have {image_size}"
    missing = {**opened.missing, **unfit}
    for name, why in missing.items():
        log.warning("%s is left out: %s", name, why)
    return Networks(
        fid=opened.fid,
        fvd=None if FVD in unfit else opened.fvd,
        stlpips=None if ST_LPIPS in unfit else opened.stlpips,
        lpips=None if LPIPS in unfit else opened.lpips,
        missing=missing,
        files=opened.files,
    )


def names_of(opened: Networks) -> tuple[str, ...]:
    """The metrics that are there."""
    there = {FID: opened.fid, FVD: opened.fvd, ST_LPIPS: opened.stlpips, LPIPS: opened.lpips}
    return tuple(name for name, network in there.items() if network is not None)


def open_action_reader(config: EvalJobConfig, dataset: Dataset) -> tuple[ActionReader | None, dict[str, Any]]:
    """(what reads actions off frames, learned from the split `train`; what is known of it), or (None, why not).

    The first time this takes minutes, later it is read from the user's cache.
    """
    if ACTION_ACCURACY not in config.metrics or config.latent_actions:
        return None, {}
    splits = set(dataset.index["split"].to_pylist())
    if "train" not in splits:
        why = f"{dataset.path} has no split 'train' to learn from how each action looks"
        log.warning("%s is left out: %s", ACTION_ACCURACY, why)
        return None, {"missing": why}
    held_out = dataset.select(split=test_splits(dataset, config.split))
    model = train_inverse_dynamics(dataset.select(split="train"), held_out, progress=_say_how_far)
    return model, {"id": model.id, "held_out": model.held_out.to_json(), "seconds": model.seconds}


def _say_how_far(done: int, steps: int, loss: float) -> None:
    """A line at the beginning and every fifth of the way; none where the model was kept from an earlier time."""
    if done == 1 or done % max(steps // 5, 1) == 0:
        log.info("%s: learning how each action looks, step %d of %d, loss %.3f", ACTION_ACCURACY, done, steps, loss)


def feature_cache(config: EvalJobConfig) -> FeatureCache | None:
    """Of the features of true frames, where it is wanted."""
    return StatisticsCache(_cache_folder(config) / "features") if config.enable_cache else None


def truth_cache(config: EvalJobConfig, tokenizer: Section, precision: str) -> TruthCache | None:
    """Of tokens and numbers of true frames, where it is wanted."""
    name = f"{tokenizer.fingerprint}-{precision}-{config.batch_size}"
    return TruthCache(_cache_folder(config), name) if config.enable_cache else None


def restore(section: Section, source: Path) -> nn.Module:
    """The model in a section of a file, frozen. Raises UserError where its weights do not fit its configuration."""
    model = build_model(section.kind, section.config)
    try:
        model.load_state_dict(section.state_dict)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the weights in {source} do not fit their configuration: {reason}") from error
    return model.eval().requires_grad_(False)


def _cache_folder(config: EvalJobConfig) -> Path:
    return Path(config.save_root_dpath) / "cache"
