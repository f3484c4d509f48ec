"""`genie_redux eval` of a latent action model: how well its code and the frames before draw the next frame, whether the
code matters, and what true action each code stands for.

Rows: `model`, frame t+1 drawn from the true frames before it and its own code; `other_code`, from another code, drawn
at random; `repeat_previous`, frame t again. `delta_psnr.other_code` is model minus other_code, in dB. `mapping` counts
codes against true actions on the split `train` (on the even clips of the test set where there is none) and says how
often the code names the action on the rest: {counted_on, transitions, accuracy, accuracy_interval, majority (what
always naming the most frequent action gets), information, to_true, counts}; see models/latent/mapping.py.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from genieredux.episodes import Dataset
from genieredux.evaluation.alone import AloneBench, AloneNumbers, AloneTask, evaluate_alone
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.clips import Clips, cut_clips, to_float, to_uint8
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.evaluate import Progress
from genieredux.evaluation.headline import Evaluated
from genieredux.evaluation.measure import MODEL
from genieredux.evaluation.metrics import capped, psnr, ssim
from genieredux.evaluation.opening import restore
from genieredux.evaluation.probes import Seen
from genieredux.models.checkpoint import CheckpointData
from genieredux.models.latent.mapping import count_codes
from genieredux.nn.precision import autocast

OTHER_CODE, REPEAT_PREVIOUS = "other_code", "repeat_previous"
_PURPOSE = 11  # of the seeds that choose other codes


def evaluate_latent_actions(
    data: CheckpointData, config: EvalJobConfig, dataset: Dataset, folder: Path, progress: Progress | None
) -> Evaluated:
    """Measure the latent action model in `data`. Raises UserError for what does not fit."""
    extra = partial(_mapping, data, config, dataset)
    return evaluate_alone(data, config, dataset, folder, draw_batch, _num_codes, extra, progress)


@torch.inference_mode()
def draw_batch(bench: AloneBench, task: AloneTask) -> AloneNumbers:
    """Draw every frame after the given ones from the true frames before it and a code."""
    model: Any = bench.model
    frames, given = to_float(task.frames), task.given
    with autocast(bench.precision, bench.device):
        there = frames.to(bench.device)
        codes = model.actions(there)
        others = (codes + _shifts(task, codes.shape, model.num_codes).to(bench.device)) % model.num_codes
        drawn, changed = (model.reconstruct(there, ids).float().cpu()[:, given - 1 :] for ids in (codes, others))
    truth = frames[:, given:]
    rows = {MODEL: drawn, OTHER_CODE: changed, REPEAT_PREVIOUS: frames[:, given - 1 : -1]}
    seen = Seen(frames[:, :given], truth, task.frames[:, given:], rows, torch.from_numpy(task.actions), None, None)
    quality = {row: psnr(of, truth) for row, of in rows.items()}
    return AloneNumbers(
        values={
            "psnr": {row: of.numpy() for row, of in quality.items()},
            "ssim": {row: ssim(of, truth).numpy() for row, of in rows.items()},
            "delta_psnr": {OTHER_CODE: (capped(quality[MODEL]) - capped(quality[OTHER_CODE])).numpy()},
        },
        codes=codes.cpu().numpy(),
        drawn=to_uint8(drawn[task.shown]),
        looked=bench.probes.look(seen),
    )


def _shifts(task: AloneTask, shape: torch.Size, num_codes: int) -> torch.Tensor:
    """How far each other code is from its own, 1 .. num_codes - 1, seeded per clip."""
    rows = [
        np.random.default_rng((task.seed, clip, _PURPOSE)).integers(1, max(num_codes, 2), shape[1:])
        for clip in task.indices
    ]
    return torch.from_numpy(np.stack(rows))


def _mapping(
    data: CheckpointData, config: EvalJobConfig, dataset: Dataset, name: str, clips: Clips, codes: np.ndarray
) -> dict[str, Any]:
    """The key `mapping` of one test set; codes: (N, T-1)."""
    model: Any = restore(data.model, data.path)
    actions = clips.actions[:, : codes.shape[1]]
    if "train" in dataset.index["split"].to_pylist():
        training = dataset.select(split="train")
        known = cut_clips(training, config.clip_length, config.num_clips, config.seq_step, config.seed, "split train")
        known_codes = [
            model.actions(known.batch(start, start + config.batch_size)[0]).numpy()
            for start in range(0, len(known), config.batch_size)
        ]
        counted, counted_on = (np.concatenate(known_codes), known.actions), "train"
    else:
        even = np.arange(len(clips)) % 2 == 0
        counted, counted_on = (codes[even], actions[even]), f"even clips of {name}"
        codes, actions = codes[~even], actions[~even]
    names = dataset.spec.action_names
    mapping = count_codes(*counted, model.num_codes, names)
    tested = count_codes(codes, actions, model.num_codes, names).counts
    right = (np.asarray(mapping.to_true)[codes] == actions).mean(1)
    episodes = clips.episodes if counted_on == "train" else clips.episodes[np.arange(len(clips)) % 2 == 1]
    bootstrap = EpisodeBootstrap(episodes, config.resamples, config.interval, config.seed)
    return {
        "mapping": {
            "counted_on": counted_on,
            "transitions": int(tested.sum()),
            "accuracy": mapping.accuracy(tested),
            "accuracy_interval": bootstrap.estimate(right).to_json(),
            "majority": float(tested.sum(0).max() / max(tested.sum(), 1)),
            "information": mapping.information(tested),
            "to_true": [names[action] for action in mapping.to_true],
            "counts": mapping.counts.tolist(),
        }
    }


def _num_codes(model: nn.Module) -> int:
    return int(model.num_codes)  # type: ignore[arg-type]
