"""A model that dreams nothing by itself (a tokenizer, a latent action model), measured on true clips: what both need.

The JSON of one test set has the keys of results.py that make sense without a dream: clips, episodes, interval, psnr,
ssim and their intervals, metrics, frechet, breakdown, psnr_cap_db; and `codebook`: {size, used, share_used,
perplexity}, how many codes there are, how many were seen, and as how many equally frequent ones they count (e to the
entropy).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.breakdown import breakdown
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.evaluate import Progress
from genieredux.evaluation.headline import Evaluated
from genieredux.evaluation.kept import evenly
from genieredux.evaluation.metric_networks import NetworksConfig, open_networks
from genieredux.evaluation.metrics import PSNR_CAP_DB
from genieredux.evaluation.numbers import ClipNumbers, write_frames_csv, write_parquet
from genieredux.evaluation.opening import choose_device, feature_cache, names_of, restore, to_probes, usable_networks
from genieredux.evaluation.probes import FeatureCache, Looked, Probes
from genieredux.evaluation.results import json_safe
from genieredux.evaluation.summary import frechet
from genieredux.evaluation.tables import write_csv
from genieredux.evaluation.team import Alone, Together
from genieredux.evaluation.testsets import describe_data, test_sets
from genieredux.evaluation.writing import write_json
from genieredux.models.checkpoint import CheckpointData, load_model
from genieredux.nn.precision import choose_precision
from genieredux.pictures import column_labels, filmstrip, panels, write_loop, write_png
from genieredux.runs import describe_environment


@dataclass(frozen=True)
class AloneBench:
    """What a process measures with."""

    model: nn.Module
    device: torch.device
    precision: str
    probes: Probes


@dataclass(frozen=True)
class AloneTask:
    """One batch. indices: of its clips. frames: uint8 (B, P + N, H, W, 3), actions: int64 (B, P + N - 1); given: P;
    shown: how many of its clips are kept for pictures.
    """

    indices: range
    frames: np.ndarray
    actions: np.ndarray
    given: int
    seed: int
    shown: np.ndarray


@dataclass(frozen=True)
class AloneNumbers:
    """values: metric -> row -> (B, N). codes: int, of any shape, the codes seen; drawn: uint8 (K, N, H, W, 3)."""

    values: dict[str, dict[str, np.ndarray]]
    codes: np.ndarray
    drawn: np.ndarray
    looked: Looked


Measure = Callable[[AloneBench, AloneTask], AloneNumbers]
Extra = Callable[[str, Clips, np.ndarray], dict[str, Any]]
"""(test set, its clips, all codes) to further keys of its JSON."""


@dataclass(frozen=True)
class AloneRecipe:
    """How any process makes itself a bench. Picklable."""

    path: Path
    device: str
    precision: str
    networks: NetworksConfig
    wanted: tuple[str, ...]
    cache: FeatureCache | None

    def __call__(self, rank: int = 0) -> AloneBench:
        """Opens everything anew, on a GPU of its own where there are several."""
        device = f"cuda:{rank % torch.cuda.device_count()}" if self.device == "cuda" else self.device
        model = restore(load_model(self.path).model, self.path).to(device)
        opened = open_networks(self.networks, device, self.wanted)
        return AloneBench(model, torch.device(device), self.precision, to_probes(opened, None, self.cache))


def evaluate_alone(
    data: CheckpointData,
    config: EvalJobConfig,
    dataset: Dataset,
    folder: Path,
    measure: Measure,
    num_codes: Callable[[nn.Module], int],
    extra: Extra | None,
    progress: Progress | None,
) -> Evaluated:
    """Measure the model in `data` on the test splits and write what was found. Raises UserError."""
    size = data.config.get("image_size", dataset.spec.image_size)
    if size != dataset.spec.image_size:
        raise UserError(
            f"{data.path} is for frames of {size}x{size}, those of {dataset.path} are {dataset.spec.image_size}x"
            f"{dataset.spec.image_size}: evaluate it on a data set of its size"
        )
    device = choose_device(config.accelerator)
    precision = choose_precision(config.precision, torch.device(device))
    sets = test_sets(dataset, config.split, config, config.num_clips)
    networks = usable_networks(config, device, config.horizon, size)
    recipe = AloneRecipe(data.path, device, precision, config.networks, names_of(networks), feature_cache(config))
    bench = recipe()
    found = _measure_sets(sets, config, measure, recipe, bench, progress)
    numbers = {name: _numbers(batches, sets[name], config) for name, batches in found.items()}
    plain: dict[str, Any] = {}
    for name, batches in found.items():
        codes = np.concatenate([batch.codes for batch in batches])
        plain[name] = _plain(numbers[name], batches, sets[name], config, dataset.spec.action_names)
        plain[name]["codebook"] = codebook_use(codes, num_codes(bench.model))
        plain[name] |= extra(name, sets[name], codes) if extra else {}
    made_by = {
        "config": asdict(config),
        "seed": config.seed,
        "model": {"file": str(data.path), "kind": data.kind, "step": data.step, "fingerprint": data.model.fingerprint},
        "action_names": list(dataset.spec.action_names),
        "dataset": describe_data(dataset),
        "precision": precision,
        "device": device,
        "networks": networks.describe(),
        "environment": describe_environment(),
    }
    safe = json_safe({**plain, "made_by": made_by})
    assert isinstance(safe, dict)
    results = write_json(folder / "results.json", safe)
    write_csv(folder / "results.csv", safe)
    write_parquet(folder / "clips.parquet", numbers, dataset.spec.action_names)
    write_frames_csv(folder / "clips.csv", numbers, dataset.spec.action_names)
    drawn = {name: np.concatenate([batch.drawn for batch in batches]) for name, batches in found.items()}
    film = _show(folder / "media", sets, drawn, config)
    return Evaluated(folder, results, film, _lines(plain))


def _measure_sets(
    sets: Mapping[str, Clips],
    config: EvalJobConfig,
    measure: Measure,
    recipe: AloneRecipe,
    bench: AloneBench,
    progress: Progress | None,
) -> dict[str, list[AloneNumbers]]:
    """All batches of every test set, in order, by this process or by several."""
    total, done = sum(map(len, sets.values())), 0
    found: dict[str, list[AloneNumbers]] = {}
    with ExitStack() as stack:
        several = config.num_processes > 1
        team = stack.enter_context(Together(recipe, config.num_processes)) if several else Alone(bench)
        for name, clips in sets.items():
            found[name] = []
            for batch in team.map(measure, _tasks(clips, config)):
                found[name].append(batch)
                done += len(next(iter(batch.values["psnr"].values())))
                if progress is not None:
                    progress(done, total, name)
    return found


def codebook_use(codes: np.ndarray, size: int) -> dict[str, Any]:
    """See the head of this file."""
    share = np.bincount(codes.reshape(-1), minlength=size) / max(codes.size, 1)
    seen = share[share > 0]
    perplexity = float(np.exp(-(seen * np.log(seen)).sum()))
    return {"size": size, "used": len(seen), "share_used": len(seen) / size, "perplexity": perplexity}


def _tasks(clips: Clips, config: EvalJobConfig) -> list[AloneTask]:
    even = evenly(len(clips), config.keep_clips)
    tasks = []
    for start in range(0, len(clips), config.batch_size):
        indices = range(start, min(start + config.batch_size, len(clips)))
        frames = clips.frames[start : indices.stop, : config.clip_length]
        actions = clips.actions[start : indices.stop, : config.clip_length - 1].astype(np.int64)
        shown = even[(even >= start) & (even < indices.stop)] - start
        tasks.append(AloneTask(indices, frames, actions, config.prompt_frames, config.seed, shown))
    return tasks


def _numbers(found: Sequence[AloneNumbers], clips: Clips, config: EvalJobConfig) -> ClipNumbers:
    values = {
        metric: {row: np.concatenate([batch.values[metric][row] for batch in found]) for row in rows}
        for metric, rows in found[0].values.items()
    }
    values["psnr"] = {row: np.minimum(of, PSNR_CAP_DB) for row, of in values["psnr"].items()}
    given = config.prompt_frames - 1
    return ClipNumbers(
        origins=tuple(clips.origin(clip) for clip in range(len(clips))),
        hashes=clips.hashes(config.clip_length),
        actions=clips.actions[:, given : given + config.horizon].astype(np.int64),
        values={**values, **Looked.join([batch.looked for batch in found]).by_frame},
    )


def _plain(
    numbers: ClipNumbers,
    found: Sequence[AloneNumbers],
    clips: Clips,
    config: EvalJobConfig,
    action_names: Sequence[str],
) -> dict[str, Any]:
    bootstrap = EpisodeBootstrap(clips.episodes, config.resamples, config.interval, config.seed)
    features = Looked.join([batch.looked for batch in found]).features
    plain: dict[str, Any] = {
        "clips": len(clips),
        "episodes": bootstrap.episodes,
        "interval": config.interval,
        "psnr_cap_db": PSNR_CAP_DB,
        "metrics": {},
    }
    for metric, rows in numbers.values.items():
        estimates = {row: dataclasses.asdict(bootstrap.estimate(values)) for row, values in rows.items()}
        listed = {row: {key: of.tolist() for key, of in one.items()} for row, one in estimates.items()}
        if metric in ("psnr", "ssim"):
            plain[metric] = {row: one["mean"] for row, one in listed.items()}
            plain[f"{metric}_interval"] = {row: {"low": o["low"], "high": o["high"]} for row, o in listed.items()}
        else:
            plain["metrics"][metric] = listed
    plain["frechet"] = {metric: frechet(rows, clips.episodes) for metric, rows in features.items()}
    plain["breakdown"] = breakdown(numbers, config, action_names)
    return plain


def _show(
    folder: Path, sets: Mapping[str, Clips], drawn: Mapping[str, np.ndarray], config: EvalJobConfig
) -> Path | None:
    """A strip of the first and a film of all kept clips of each test set; returns the first film."""
    films = []
    for name, clips in sets.items():
        truths = clips.frames[evenly(len(clips), config.keep_clips), config.prompt_frames : config.clip_length]
        if not len(truths):
            continue
        rows = [{"truth": truth, "drawn": of} for truth, of in zip(truths, drawn[name], strict=True)]
        labels = column_labels(0, config.horizon)
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{name}.png", filmstrip(rows[0], labels))
        films.append(write_loop(folder / f"{name}.gif", np.concatenate([panels(of_clip) for of_clip in rows])))
    return films[0] if films else None


def _lines(plain: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    lines = []
    for name, found in plain.items():
        use = found["codebook"]
        parts = [f"PSNR {row} {np.mean(values):.2f} dB" for row, values in found["psnr"].items()]
        parts += [f"SSIM {row} {np.mean(values):.3f}" for row, values in found["ssim"].items()]
        parts += [f"{use['used']} of {use['size']} codes used, perplexity {use['perplexity']:.1f}"]
        if "mapping" in found:
            parts.append(f"codes name {100 * found['mapping']['accuracy']:.0f} % of the true actions")
        lines.append(f"{name} ({found['clips']} clips of {found['episodes']} episodes): " + ", ".join(parts))
    return tuple(lines)
