"""From a file of weights to a subject, in any process. It knows files and models; it measures nothing."""

import dataclasses
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.measuring.evaluate import world_bench
from genieredux.evaluation.measuring.loop import Bench
from genieredux.evaluation.measuring.truth import TruthCache
from genieredux.evaluation.metrics.metric import Setting
from genieredux.evaluation.metrics.opening import open_metrics
from genieredux.evaluation.networks.statistics_cache import StatisticsCache
from genieredux.evaluation.subjects.drawn import Subject
from genieredux.evaluation.subjects.latent import LatentActions
from genieredux.evaluation.subjects.tokenizer import TokenizerSubject
from genieredux.evaluation.subjects.world import WorldSubject
from genieredux.models.build import restore
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
    sampling = as_asked(world.sampling, config)
    together = sampling.method == "one_go" or sampling.dream_length > 1
    if together and "one_go" not in world.supports:
        asked = "inference_method=one_go" if sampling.method == "one_go" else f"dream_length={sampling.dream_length}"
        log.warning("eval.%s: this world decides one frame at a time, and is measured so (autoregressive)", asked)
        return dataclasses.replace(sampling, method="autoregressive", dream_length=1)
    return sampling


def as_asked(sampling: Sampling, config: EvalJobConfig) -> Sampling:
    """A sampling with what the configuration says instead. Raises UserError for a value out of range."""
    return sampling.changed(
        config.inference_steps,
        config.temperature,
        config.choice,
        method=config.inference_method,
        dream_length=config.dream_length,
        window=config.window,
        decided=config.decided,
    )


def choose_device(accelerator: str) -> str:
    """cpu or cuda. Raises UserError where cuda is asked for and is not there."""
    there = torch.cuda.is_available()
    if accelerator == "cuda" and not there:
        raise UserError("eval.accelerator=cuda, but torch finds no GPU; set eval.accelerator=cpu")
    return "cuda" if there and accelerator != "cpu" else "cpu"


def choose_precision(wanted: str) -> str:
    """32 where nobody asks for another: what is measured is what is played, and bf16 decides other tokens."""
    return "32" if wanted == "auto" else wanted


@dataclass(frozen=True)
class Recipe:
    """How any process makes itself a bench of one model. Picklable. Called with the process's number.

    kind: of model. sampling: of a world. names: of metrics besides those that are always measured; setting, shared: as
    `open_metrics` has them.
    """

    path: Path
    kind: str
    config: EvalJobConfig
    device: str
    names: tuple[str, ...]
    setting: Setting
    sampling: Sampling | None = None
    shared: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(self, rank: int = 0) -> Bench:
        """Opens everything anew, on a GPU of its own where there are several."""
        device = f"cuda:{rank % torch.cuda.device_count()}" if self.device == "cuda" else self.device
        subject = open_subject(self.path, self.kind, self.config, device, self.sampling)
        opened = open_metrics(self.names, replace(self.setting, device=device), self.shared)
        return bench_of(subject, list(opened.metrics.values()))


def open_subject(
    path: Path, kind: str, config: EvalJobConfig, device: str, sampling: Sampling | None = None
) -> Subject:
    """What the file holds, ready to draw."""
    precision = choose_precision(config.precision)
    if kind == "tokenizer":
        return TokenizerSubject(restore(load_model(path).model, path), device, precision)
    if kind == "latent_action_model":
        return LatentActions(restore(load_model(path).model, path), device, precision)
    world = WorldModel.load(path, device, config.latent_actions).use_precision(precision)
    return WorldSubject(world, config, sampling)


def bench_of(subject: Subject, metrics: list[Any]) -> Bench:
    """A world's bench has another one of its long dreams."""
    return world_bench(subject, metrics) if isinstance(subject, WorldSubject) else Bench.of(subject, metrics)


def setting_of(
    config: EvalJobConfig, dataset: Dataset, device: str, action_names: tuple[str, ...], subject: Any
) -> Setting:
    """Where metrics are opened."""
    return Setting(
        config=config,
        networks=config.networks,
        device=device,
        image_size=dataset.spec.image_size,
        action_names=action_names,
        cache=StatisticsCache(_cache_folder(config) / "features") if config.enable_cache else None,
        subject=subject,
        dataset=dataset,
        split=config.split,
    )


def truth_cache(config: EvalJobConfig, tokenizer: Section) -> TruthCache | None:
    """Of tokens and numbers of true frames, where it is wanted."""
    name = f"{tokenizer.fingerprint}-{choose_precision(config.precision)}-{config.batch_size}"
    return TruthCache(_cache_folder(config), name) if config.enable_cache else None


def _cache_folder(config: EvalJobConfig) -> Path:
    return Path(config.save_root_dpath) / "cache"
