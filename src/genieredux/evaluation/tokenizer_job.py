"""`genie_redux eval` of a tokenizer: how true its reconstructions are, and how much of its codebook it uses.

The frames measured are those a world would predict, so its numbers are the row `tokenizer_only` of a world's.
"""

from pathlib import Path

import torch
from torch import nn

from genieredux.episodes import Dataset
from genieredux.evaluation.alone import AloneBench, AloneNumbers, AloneTask, evaluate_alone
from genieredux.evaluation.clips import to_float, to_uint8
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.evaluate import Progress
from genieredux.evaluation.headline import Evaluated
from genieredux.evaluation.measure import REPEAT_LAST, TOKENIZER_ONLY
from genieredux.evaluation.metrics import psnr, ssim
from genieredux.evaluation.probes import Seen
from genieredux.models.checkpoint import CheckpointData
from genieredux.nn.precision import autocast


def evaluate_tokenizer(
    data: CheckpointData, config: EvalJobConfig, dataset: Dataset, folder: Path, progress: Progress | None
) -> Evaluated:
    """Measure the tokenizer in `data`. Raises UserError for what does not fit."""
    return evaluate_alone(data, config, dataset, folder, reconstruct_batch, _num_codes, None, progress)


@torch.inference_mode()
def reconstruct_batch(bench: AloneBench, task: AloneTask) -> AloneNumbers:
    """Encode and decode the whole clips; measure the frames after the given ones."""
    frames = to_float(task.frames)
    with autocast(bench.precision, bench.device):
        tokens = bench.model.encode(frames.to(bench.device))  # type: ignore[operator]
        drawn = bench.model.decode(tokens).float().cpu()[:, task.given :]  # type: ignore[operator]
    prompt, truth = frames[:, : task.given], frames[:, task.given :]
    rows = {TOKENIZER_ONLY: drawn, REPEAT_LAST: prompt[:, -1:].expand_as(truth)}
    seen = Seen(prompt, truth, task.frames[:, task.given :], rows, torch.from_numpy(task.actions), None, None)
    return AloneNumbers(
        values={
            name: {row: metric(of, truth).numpy() for row, of in rows.items()}
            for name, metric in (("psnr", psnr), ("ssim", ssim))
        },
        codes=tokens.cpu().numpy(),
        drawn=to_uint8(drawn[task.shown]),
        looked=bench.probes.look(seen),
    )


def _num_codes(model: nn.Module) -> int:
    return len(model.code_vectors())  # type: ignore[operator]
