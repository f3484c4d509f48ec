"""The world model: tokenizer, dynamics and action names in one object that evaluation, the player and the
explorer use, none of them reaching inside.

A dream holds cached keys and values, so a new frame costs one frame. Knows no game, no data set and no page.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, load_model
from genieredux.models.dynamics import Dynamics, Memory
from genieredux.models.masking import Sampling, decode_masked
from genieredux.models.protocol import DreamStep, Rollout, Tokenizer
from genieredux.nn.precision import autocast, choose_precision

WORLD_KIND = "genie_redux_guided"


@dataclass(frozen=True)
class Drawn:
    """One new frame of B dreams: tokens int64 (B, h, w), entropy float32 (B, h, w) in nats."""

    tokens: Tensor
    entropy: Tensor


class WorldModel(nn.Module):
    """A generative interactive environment (the contract: models/protocol.py)."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        dynamics: Dynamics,
        action_names: Sequence[str],
        sampling: Sampling | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """sampling: how frames are drawn unless a call says otherwise. metadata: what the file said besides."""
        super().__init__()
        if len(action_names) != dynamics.num_actions:
            raise UserError(
                f"this world's dynamics knows {dynamics.num_actions} actions, but {len(action_names)} are named: "
                f"{', '.join(action_names)}"
            )
        self.tokenizer = tokenizer
        self.dynamics = dynamics
        self.action_names = tuple(action_names)
        self.sampling = sampling or Sampling()
        self.metadata = dict(metadata or {})
        self.precision = "32"
        self.eval()
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> "WorldModel":
        """The world in a `model-<step>.pt` of a dynamics. Raises UserError for anything else."""
        data = load_model(path, expect=WORLD_KIND)
        names = data.metadata.get("action_names")
        if not names:
            raise UserError(f"{path} does not say what its actions are (no action_names); train it again")
        tokenizer = cast(Tokenizer, _restore(data.section("tokenizer"), str(path)))
        dynamics = cast(Dynamics, _restore(data.model, str(path), tokenizer=tokenizer, action_names=names))
        sampling = Sampling(**data.metadata["sampling"]) if "sampling" in data.metadata else None
        return cls(tokenizer, dynamics, names, sampling, data.metadata).to(device)

    @property
    def image_size(self) -> int:
        return int(self.tokenizer.config.image_size)

    @property
    def config(self) -> dict[str, Any]:
        """Plain values: both configurations, the action names, the sampling."""
        return {
            "tokenizer": asdict(self.tokenizer.config),
            "dynamics": asdict(self.dynamics.config),
            "action_names": list(self.action_names),
            "sampling": asdict(self.sampling),
        }

    @property
    def device(self) -> torch.device:
        return self.dynamics.codes.device

    def use_precision(self, wanted: str) -> "WorldModel":
        """ "32" (the default: a clip's tokens do not depend on the batch it is in), "bf16", or "auto": the faster.

        Returns self.
        """
        self.precision = choose_precision(wanted, self.device)
        return self

    def computing(self) -> AbstractContextManager:
        """The context in which networks run."""
        return autocast(self.precision, self.device)

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Frames float32 (B, T, C, H, W) in [0, 1] to tokens int64 (B, T, h, w)."""
        with self.computing():
            return self.tokenizer.encode(frames.to(self.device))

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (B, T, h, w) to frames float32 (B, T, C, H, W) in [0, 1]."""
        with self.computing():
            return self.tokenizer.decode(tokens.to(self.device)).float()

    @torch.no_grad()
    def rollout(
        self, prompt: Tensor, actions: Tensor, seed: int | Sequence[int] = 0, sampling: Sampling | None = None
    ) -> Rollout:
        """Predict N frames after a prompt, one frame at a time.

        prompt: float32 (B, P, C, H, W) in [0, 1]. actions: int64 (B, P - 1 + N). seed: one, or one per clip.
        Raises UserError when an action is none of this world's or there are too few.
        """
        clips, given = prompt.shape[:2]
        seeds = [int(seed)] * clips if isinstance(seed, int) else [int(s) for s in seed]
        if len(seeds) != clips:
            raise UserError(f"{len(seeds)} seeds for {clips} clips; give one, or one per clip")
        if actions.shape[0] != clips or actions.shape[1] < given:
            raise UserError(
                f"actions of shape {tuple(actions.shape)} for {clips} clips of {given} prompt frames; a rollout "
                f"of N frames takes (clips, prompt frames - 1 + N)"
            )
        actions = actions.to(self.device)
        future = _Future(self, self.encode(prompt), actions[:, : given - 1], seeds, sampling)
        drawn = [future.step(actions[:, k]) for k in range(given - 1, actions.shape[1])]
        tokens = torch.stack([frame.tokens for frame in drawn], 1)
        frames = self._decode_after(future.prompt, tokens)
        return Rollout(frames, tokens, torch.stack([frame.entropy for frame in drawn], 1))

    def dream(
        self, prompt: Tensor, prompt_actions: Tensor, seed: int = 0, sampling: Sampling | None = None
    ) -> "WorldDream":
        """Begin a live rollout after prompt (P, C, H, W) float32 and its actions (P - 1,) int64."""
        tokens = self.encode(prompt[None])
        return WorldDream(self, _Future(self, tokens, prompt_actions[None].to(self.device), [seed], sampling))

    def _decode_after(self, prompt: Tensor, tokens: Tensor) -> Tensor:
        """Frames of `tokens`, which follow the frames of `prompt`; a tokenizer that looks back sees them too."""
        if getattr(self.tokenizer, "framewise", False):
            return self.decode(tokens)
        return self.decode(torch.cat([prompt, tokens], 1))[:, prompt.shape[1] :]


class WorldDream:
    """A live rollout (protocol.Dream)."""

    def __init__(self, world: WorldModel, future: "_Future") -> None:
        self._world = world
        self._future = future
        self._past = future.prompt

    @torch.no_grad()
    def step(self, action: int) -> DreamStep:
        """Take `action` and return the frame it leads to. Raises UserError for an action out of range."""
        world = self._world
        drawn = self._future.step(torch.tensor([action], device=world.device))
        frame = world._decode_after(self._past, drawn.tokens[:, None])[0, 0]
        if not getattr(world.tokenizer, "framewise", False):
            window = world.dynamics.config.window
            self._past = torch.cat([self._past, drawn.tokens[:, None]], 1)[:, 1 - window :]
        return DreamStep(frame, drawn.tokens[0], drawn.entropy[0])


class _Future:
    """B dreams that advance together: the memory of the dynamics, the last tokens, the sampling noise."""

    def __init__(
        self,
        world: WorldModel,
        prompt: Tensor,
        actions: Tensor,
        seeds: Sequence[int],
        sampling: Sampling | None,
    ) -> None:
        """prompt: tokens (B, P, h, w); actions: (B, P - 1)."""
        self.prompt = prompt
        self._world = world
        self._dynamics = world.dynamics
        self._sampling = sampling or world.sampling
        self._seeds = seeds
        self._frame = prompt.shape[1]
        self._last = prompt[:, -1:]
        self._memory: Memory = self._dynamics.new_memory()
        self._check(actions)
        if prompt.shape[1] > 1:
            with world.computing():
                self._dynamics.look_ahead(prompt[:, :-1], actions, self._memory)

    def step(self, actions: Tensor) -> Drawn:
        """actions: int64 (B,)."""
        self._check(actions)
        clips, places = self._last.shape[0], self._last[0, 0].numel()
        with self._world.computing():
            outlook = self._dynamics.look_ahead(self._last, actions[:, None], self._memory)

            def logits(flat: Tensor) -> Tensor:
                grid = flat.view(clips, *self._dynamics.grid)
                return self._dynamics.logits(outlook, grid).flatten(1, 2)

            hidden = self._last.new_full((clips, places), self._dynamics.mask_id)
            tokens, entropy = decode_masked(logits, hidden, self._dynamics.codes, self._sampling, self._noise(places))
        self._frame += 1
        self._last = tokens.view(clips, 1, *self._dynamics.grid)
        return Drawn(self._last[:, 0], entropy.view(clips, *self._dynamics.grid))

    def _noise(self, places: int) -> Tensor | None:
        """Gumbel noise (B, steps - 1, places, K) that depends on each clip's seed and the frame's number alone."""
        draws = self._sampling.steps - 1
        if draws == 0 or self._sampling.temperature == 0 or self._sampling.choice == "mean":
            return None
        rows = []
        for seed in self._seeds:
            generator = torch.Generator().manual_seed((seed * 1_000_003 + self._frame) % (1 << 63))
            uniform = torch.rand(draws, places, self._dynamics.mask_id, generator=generator)
            rows.append(-(-(uniform + 1e-20).log()).log())
        return torch.stack(rows).to(self._world.device)

    def _check(self, actions: Tensor) -> None:
        names = self._world.action_names
        if actions.numel() and not 0 <= int(actions.min()) <= int(actions.max()) < len(names):
            raise UserError(
                f"actions go from 0 to {len(names) - 1} in this world ({', '.join(names)}); got "
                f"{int(actions.min())} to {int(actions.max())}"
            )


def _restore(section: Section, source: str, **parts: Any) -> nn.Module:
    model = build_model(section.kind, section.config, **parts)
    try:
        model.load_state_dict(section.state_dict)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the weights in {source} do not fit their configuration: {reason}") from error
    return model
