"""The networks of a canvas world as ONNX: what moves next, what the next frame looks like, and what an actor hides.

Shapes are fixed, one dream at a time; actions are their numbers. The canvas between them is no network:
`static/canvas.js` does what models/dynamics/canvas/sheet.py does. Knows no page.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.dynamics.canvas.model import CanvasDynamics
from genieredux.models.dynamics.canvas.motion import MotionPrior

_OPSET = 17


class _Prior(nn.Module):
    def __init__(self, prior: MotionPrior, conditions: Tensor) -> None:
        super().__init__()
        self.prior = prior
        self.register_buffer("conditions", conditions)

    def forward(self, pair: Tensor, motion: Tensor, action: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        logits, after = self.prior(pair, motion[:, None], self.conditions[action][:, None], memory)  # type: ignore[index]
        return logits[:, 0], after


class _Painter(nn.Module):
    def __init__(self, dynamics: CanvasDynamics, conditions: Tensor) -> None:
        super().__init__()
        self.dynamics, self.painter, self.actor = dynamics, dynamics.painter, dynamics.actor
        vectors = dynamics.vectors(conditions)
        self.register_buffer("conditions", conditions)
        self.register_buffer("vectors", torch.cat([vectors, torch.zeros_like(vectors[:1])]))  # the last: of no action

    def forward(
        self,
        last: Tensor,
        before: Tensor,
        view: Tensor,
        known: Tensor,
        action: Tensor,
        motions: Tensor,
        previous: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        in_place = None
        if self.actor is not None:
            vectors = self.vectors
            in_place = self.actor(last, before, motions, vectors[action], vectors[previous])  # type: ignore[index]
        front = self.dynamics.front()
        made = self.painter(last, before, view, known, self.conditions[action], motions, in_place, front)  # type: ignore[index]
        share = made.in_place
        return made.frames.clamp(0, 1), share if front is None else torch.maximum(share, front)


class _Behind(nn.Module):
    def __init__(self, dynamics: CanvasDynamics) -> None:
        super().__init__()
        self.dynamics = dynamics

    def forward(self, frames: Tensor) -> Tensor:
        return self.dynamics.behind(frames)


def write_networks(folder: Path, dynamics: CanvasDynamics, conditions: Tensor) -> None:
    """Write prior.onnx and painter.onnx, float32, into a folder.

    conditions: what the dynamics takes for each action, int64 (A,) or float (A, action_width). prior: pair
    (1, 2, 3, S, S), motion (1, 2), action int64 (1,), memory (1, 1, W) -> logits (1, K), after (1, 1, W). painter:
    last, before, view (1, 3, S, S), known (1, 1, S, S), action (1,), motions (1, 2, 2), and where there is an actor
    previous (1,), the action before or A for none -> frames in [0, 1], share of what is not laid on the canvas
    (1, 1, S, S). Where the dynamics hides something, behind.onnx too: frames (1, 3, S, S) -> the same without their
    actor. Raises UserError where the package onnx is missing.
    """
    if find_spec("onnx") is None:
        raise UserError("the package onnx is missing, with which networks are written; pip install 'genieredux[web]'")
    size, width = dynamics.config.image_size, dynamics.config.motion_width
    picture, place = torch.zeros(1, 3, size, size), torch.zeros(1, 1, size, size)
    action, conditions = torch.zeros(1, dtype=torch.int64), conditions.cpu()
    prior = {
        "pair": torch.zeros(1, 2, 3, size, size),
        "motion": torch.zeros(1, 2),
        "action": action,
        "memory": torch.zeros(1, 1, width),
    }
    painter = {"last": picture, "before": picture, "view": picture, "known": place}
    painter |= {"action": action, "motions": torch.zeros(1, 2, 2)}
    if dynamics.actor is not None:
        painter["previous"] = action
    _write(folder / "prior.onnx", _Prior(dynamics.prior, conditions), prior, ["logits", "after"])
    _write(folder / "painter.onnx", _Painter(dynamics, conditions), painter, ["frames", "share"])
    if dynamics.hides:
        _write(folder / "behind.onnx", _Behind(dynamics), {"frames": picture}, ["ground"])


def _write(path: Path, network: nn.Module, inputs: dict[str, Tensor], outputs: list[str]) -> None:
    with warnings.catch_warnings():  # of the exporter's age, and of sizes that are not fixed (ours are)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            opset_version=_OPSET,
            dynamo=False,
        )
