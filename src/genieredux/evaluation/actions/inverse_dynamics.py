"""An inverse-dynamics model: a small convolutional network that looks at a transition and says which action was taken.
It learns from true episodes alone and judges dreams.

It sees frames t-1, t and t+1: how fast things moved already and how fast they move now. In training the frame before is
left out now and then, for the first transition of a clip has none; and every action is drawn equally often, so that
none is guessed away for being rare. Where episodes are of several policies, it learns from those whose actions are the
least predictable: where actions are held, how things moved already tells the next one, and a network that learned so
would call a dream obedient that merely goes on as before. Knows data sets; knows no world.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.actions.report import ActionReport, action_report
from genieredux.evaluation.actions.transitions import Transitions
from genieredux.evaluation.networks.files import cache_folder
from genieredux.runs.files import write_bytes

log = logging.getLogger(__name__)

Progress = Callable[[int, int, float], None]  # steps done, steps in all, loss

_VERSION = 1  # of the network and its training; part of the cache's key
_NO_FRAME_BEFORE = 0.1  # share of training transitions whose frame before is left out
_MICRO_BATCH = 256
_EPISODES_LOOKED_AT = 32  # of each policy, to see how it plays


@dataclass(frozen=True)
class InverseDynamicsConfig:
    """steps, batch_size, learning_rate: of training. width: channels of the first layer. max_frames: so many frames of
    the data set are held in memory and learned from (whole episodes, drawn at random); held_out_frames: so many are
    tested on.
    """

    steps: int = 1200
    batch_size: int = 64
    learning_rate: float = 2e-3
    width: int = 48
    max_frames: int = 40_000
    held_out_frames: int = 8_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "width", "max_frames", "held_out_frames"):
            if getattr(self, name) < 1:
                raise UserError(f"inverse dynamics: {name} is {getattr(self, name)}, give 1 or more")


class InverseDynamics:
    """A trained network and how good it is on true transitions it never saw (`held_out`)."""

    def __init__(
        self,
        network: nn.Module,
        action_names: tuple[str, ...],
        image_size: int,
        held_out: ActionReport,
        id: str,
        seconds: float,
    ) -> None:
        self.action_names, self.image_size = action_names, image_size
        self.held_out, self.id, self.seconds = held_out, id, seconds
        self._network = network.eval().requires_grad_(False)

    def predict(self, frames: Tensor) -> Tensor:
        """frames: float (B, T, C, H, W) in [0, 1] -> int64 (B, T-1): the action that each transition shows most."""
        return self.log_probs(frames).argmax(-1)

    @torch.inference_mode()
    def log_probs(self, frames: Tensor) -> Tensor:
        """frames: float (B, T, C, H, W) in [0, 1], T at least 2 -> log-probabilities, float32 (B, T-1, A)."""
        size = (self.image_size, self.image_size)
        if frames.dim() != 5 or frames.shape[1] < 2 or frames.shape[-2:] != size:
            raise ValueError(
                f"frames must be (B, T, C, {size[0]}, {size[1]}) with T of 2 or more: {tuple(frames.shape)}"
            )
        now, after = frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)
        before = torch.cat([frames[:, :1], frames[:, :-2]], 1).flatten(0, 1)
        parts = [
            F.log_softmax(self._network(_look(*part)), -1)
            for part in zip(*(x.cpu().float().split(_MICRO_BATCH) for x in (before, now, after)), strict=True)
        ]
        return torch.cat(parts).view(len(frames), frames.shape[1] - 1, -1)


def train_inverse_dynamics(
    dataset: Dataset,
    held_out: Dataset,
    config: InverseDynamicsConfig | None = None,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> InverseDynamics:
    """Learn which action a transition shows from true episodes; a second call with the same ones reads the answer.

    dataset: what to learn from, for instance `select(split="train")`; of its policies, those are taken whose actions
    are the least predictable (`least_predictable`). held_out: what to test on. cache: the folder of kept networks;
    None: `inverse-dynamics/` in the user's metric cache. Depends on the arguments alone (and, in the last digits, on
    the number of threads). Raises UserError for a data set without actions, or with a single one.
    """
    config = config or InverseDynamicsConfig()
    dataset.spec.require_actions("action accuracy")
    names, size = tuple(dataset.spec.action_names), dataset.spec.image_size
    if len(names) < 2:
        raise UserError(f"{dataset.path} has the single action {names[0]}: there is no action to tell from another")
    dataset = least_predictable(dataset, config.seed)
    what = [_VERSION, dataset_checksum(dataset), dataset_checksum(held_out), asdict(config)]
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
    path = (cache or cache_folder() / "inverse-dynamics") / f"{key}.safetensors"
    network = make_network(size, len(names), config.width, config.seed)
    kept = _read(path, network)
    if kept is None:
        began = time.perf_counter()
        _train(network, Transitions.load(dataset, config.max_frames, config.seed), config, progress)
        report = _test(network, Transitions.load(held_out, config.held_out_frames, config.seed), names)
        kept = report, time.perf_counter() - began
        _write(path, network, *kept)
    return InverseDynamics(network, names, size, kept[0], key, kept[1])


def least_predictable(dataset: Dataset, seed: int = 0) -> Dataset:
    """The episodes of the policies that repeat an action least often (within a tenth of the least), of a data set's
    policies; all of them where there is one policy, or where the rest would be under a tenth of the frames.
    """
    policies = np.array(dataset.index["policy"].to_pylist())
    rng = np.random.default_rng(seed)
    repeats = {}
    for policy in np.unique(policies).tolist():
        looked_at = rng.permutation(np.flatnonzero(policies == policy))[:_EPISODES_LOOKED_AT]
        taken = [dataset.actions(int(episode)) for episode in looked_at]
        again = np.concatenate([actions[1:] == actions[:-1] for actions in taken])
        if len(again):
            repeats[policy] = float(again.mean())
    least = min(repeats.values(), default=0.0)
    chosen = np.isin(policies, [policy for policy, share in repeats.items() if share <= least + 0.1])
    if chosen.all() or dataset.lengths[chosen].sum() < 0.1 * dataset.lengths.sum():
        return dataset
    return dataset.take(np.flatnonzero(chosen))


def make_network(image_size: int, actions: int, width: int, seed: int) -> nn.Module:
    """Nine channels (`_look`) to a logit per action. Patches first, then convolutions down to about 8x8, whose places
    are kept apart: where something moves says who moved.
    """
    patch = 4 if image_size >= 32 else 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [*_block(9, width, patch, patch, 0), *_block(width, width, 3, 1, 1)]
        side = image_size // patch
        while side > 8:
            layers += _block(width, width, 3, 2, 1)
            side = (side + 1) // 2
        layers += [*_block(width, width, 3, 1, 1), nn.Flatten(), nn.Dropout(0.2)]
        layers += [nn.Linear(width * side * side, 2 * width), nn.ReLU(), nn.Linear(2 * width, actions)]
        return nn.Sequential(*layers)


def _block(channels_in: int, channels: int, kernel: int, stride: int, padding: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels_in, channels, kernel, stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(channels), nn.ReLU()]


def _look(before: Tensor, now: Tensor, after: Tensor) -> Tensor:
    """(N, C, H, W) each -> (N, 3C, H, W): the frame, what had changed, what changes."""
    return torch.cat([now - 0.5, now - before, after - now], 1)


def _train(
    network: nn.Module, transitions: Transitions, config: InverseDynamicsConfig, progress: Progress | None
) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=config.steps)
    rng = np.random.default_rng(config.seed)
    network.train()
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # of dropout
        for step in range(config.steps):
            chosen = transitions.draw_balanced(rng, config.batch_size)
            alone = rng.random(config.batch_size) < _NO_FRAME_BEFORE
            before, now, after, actions = transitions.read(chosen, alone)
            loss = F.cross_entropy(network(_look(before, now, after)), actions)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if progress is not None:
                progress(step + 1, config.steps, float(loss.detach()))
    network.eval()


@torch.inference_mode()
def _test(network: nn.Module, transitions: Transitions, names: tuple[str, ...]) -> ActionReport:
    """On all transitions in order; the places between two episodes hold a negative action."""
    predicted = torch.zeros(len(transitions.actions), dtype=torch.int64)
    for chosen in np.array_split(transitions.starts, max(1, len(transitions.starts) // _MICRO_BATCH)):
        before, now, after, _ = transitions.read(chosen)
        predicted[torch.from_numpy(chosen)] = network(_look(before, now, after)).argmax(-1)
    return action_report(names, predicted, torch.from_numpy(transitions.actions))


def dataset_checksum(dataset: Dataset) -> str:
    """A hex key of all episodes of a data set, or of a `select` of one: ids, lengths, checksums, action names. The
    order of the episodes and how they are packed into files do not matter.
    """
    columns = (dataset.index[name].to_pylist() for name in ("id", "length", "checksum"))
    rows = sorted(zip(*columns, strict=True))
    text = json.dumps([list(dataset.spec.action_names), dataset.spec.image_size, rows])
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path, network: nn.Module) -> tuple[ActionReport, float] | None:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        return ActionReport.from_json(about["held_out"]), float(about["seconds"])
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        log.warning("%s: not readable (%s), learning it again", path, error)
        return None


def _write(path: Path, network: nn.Module, report: ActionReport, seconds: float) -> None:
    about = json.dumps({"held_out": report.to_json(), "seconds": seconds})
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(tensors, {"about": about}))
