"""The world model: tokenizer, dynamics and action names in one object that evaluation, the player and the
explorer use, none of them reaching inside.

A dream holds cached keys and values, so a new frame costs one frame. Knows no game, no data set, no page, and of the
dynamics only its contract (dynamics_protocol.py).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, load_model
from genieredux.models.dynamics.protocol import DynamicsModel
from genieredux.models.latent.genie_redux import GenieRedux
from genieredux.models.latent.mapping import ActionMapping
from genieredux.models.sampling import Sampling, decode_masked
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.world.protocol import DreamStep, Rollout
from genieredux.nn.precision import autocast, choose_precision

WORLD_KINDS = ("genie_redux_guided", "genie_redux")


@dataclass(frozen=True)
class Drawn:
    """d new frames of B dreams: tokens int64 (B, d, h, w), entropy float32 (B, d, h, w) in nats."""

    tokens: Tensor
    entropy: Tensor


class WorldModel(nn.Module):
    """A generative interactive environment (the contract: models/world/protocol.py)."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        dynamics: DynamicsModel,
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
    def load(cls, path: str | Path, device: str | torch.device = "cpu", latent: bool = False) -> "WorldModel":
        """The world in a `model-<step>.pt` of a dynamics. Raises UserError for anything else.

        A world of latent actions takes the true ones that its codes were counted against, where they are known, or
        with `latent` the codes themselves.
        """
        data = load_model(path, expect=WORLD_KINDS)
        names = data.metadata.get("action_names")
        if not names:
            raise UserError(f"{path} does not say what its actions are (no action_names); train it again")
        tokenizer = cast(Tokenizer, _restore(data.section("tokenizer"), str(path)))
        dynamics = cast(DynamicsModel, _restore(data.model, str(path), tokenizer=tokenizer, action_names=names))
        if isinstance(dynamics, GenieRedux) and not latent and "action_mapping" in data.metadata:
            mapping = ActionMapping.from_json(data.metadata["action_mapping"])
            dynamics.press(mapping.to_latent)
            names = mapping.action_names
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
    def supports(self) -> frozenset[str]:
        """The values of `Sampling.method` that the dynamics was trained for. Without "one_go" it decides one frame at a
        time (`Sampling.dream_length` 1), which is how it is at its best."""
        return self.dynamics.supports

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
        """Predict N frames after a prompt, together or a few at a time as the sampling says.

        prompt: float32 (B, P, C, H, W) in [0, 1]. actions: int64 (B, P - 1 + N). seed: one, or one per clip.
        Raises UserError when an action is none of this world's, there are too few, or the sampling asks for what
        `supports` lacks.
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
        sampling = sampling or self.sampling
        self._check_sampling(sampling)
        actions = actions.to(self.device)
        future = _Future(self, self.encode(prompt), actions[:, : given - 1], seeds, sampling)
        length = sampling.dream_length if sampling.method == "autoregressive" else actions.shape[1]
        drawn = [future.draw(part) for part in actions[:, given - 1 :].split(length, 1)]
        tokens = torch.cat([part.tokens for part in drawn], 1)
        frames = self._decode_after(future.prompt, tokens)
        return Rollout(frames, tokens, torch.cat([part.entropy for part in drawn], 1))

    def dream(
        self, prompt: Tensor, prompt_actions: Tensor, seed: int = 0, sampling: Sampling | None = None
    ) -> "WorldDream":
        """Begin a live rollout after prompt (P, C, H, W) float32 and its actions (P - 1,) int64: frame by frame, and
        equal to an autoregressive `rollout` with dream_length 1."""
        tokens, taken = self.encode(prompt[None]), prompt_actions[None].to(self.device)
        return WorldDream(self, _Future(self, tokens, taken, [seed], sampling or self.sampling))

    def _check_sampling(self, sampling: Sampling) -> None:
        if "one_go" in self.supports:
            return
        if sampling.method == "one_go":
            raise UserError("this world decides one frame at a time; set sampling.method=autoregressive")
        if sampling.dream_length > 1:
            raise UserError(
                f"sampling.dream_length is {sampling.dream_length}, but this world decides one frame at a time; "
                f"set it to 1"
            )

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
        drawn = self._future.draw(torch.tensor([[action]], device=world.device))
        frame = world._decode_after(self._past, drawn.tokens)[0, 0]
        if not getattr(world.tokenizer, "framewise", False):
            window = world.dynamics.config.window
            self._past = torch.cat([self._past, drawn.tokens], 1)[:, 1 - window :]
        return DreamStep(frame, drawn.tokens[0, 0], drawn.entropy[0, 0])


class _Future:
    """B dreams that advance together: the memory of the dynamics, what it has not seen yet, the sampling noise."""

    def __init__(
        self, world: WorldModel, prompt: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling
    ) -> None:
        """prompt: tokens (B, P, h, w); actions: (B, P - 1)."""
        self.prompt = prompt
        self._world = world
        self._dynamics = world.dynamics
        self._sampling = sampling
        self._seeds = seeds
        self._frame = prompt.shape[1]
        self._new = prompt
        self._taken = actions
        self._memory: Any = self._dynamics.new_memory(sampling.window)
        self._check(actions)

    def draw(self, actions: Tensor) -> Drawn:
        """The next d frames, decided together. actions: int64 (B, d), the first taken at the last frame there is."""
        self._check(actions)
        clips, count = actions.shape
        grid = self._dynamics.grid
        places = count * grid[0] * grid[1]
        last: tuple[Tensor, Tensor] | None = None

        def logits(flat: Tensor) -> Tensor:
            nonlocal last
            found = self._dynamics.predict(outlook, flat.view(clips, count, *grid), actions[:, 1:])
            if last is None or found is not last[0]:
                last = (found, found.flatten(1, 3))
            return last[1]

        with self._world.computing():
            taken = torch.cat([self._taken, actions[:, :1]], 1)
            outlook = self._dynamics.observe(self._new, taken, self._memory)
            hidden = self._new.new_full((clips, places), self._dynamics.mask_id)
            noise = self._noise(count)
            tokens, entropy = decode_masked(logits, hidden, self._dynamics.codes, self._sampling, noise)
        self._frame += count
        self._new, self._taken = tokens.view(clips, count, *grid), actions[:, 1:]
        return Drawn(self._new, entropy.view(clips, count, *grid))

    def _noise(self, count: int) -> Callable[[int], Tensor] | None:
        """Step -> Gumbel noise (B, count * h * w, K), each clip's and frame's from its seed and number alone."""
        sampling, grid = self._sampling, self._dynamics.grid
        if sampling.steps == 1 or sampling.temperature == 0 or sampling.choice == "mean":
            return None
        numbers = [[seed * 1_000_003 + self._frame + k for k in range(count)] for seed in self._seeds]
        sources = [[torch.Generator().manual_seed(n % (1 << 63)) for n in row] for row in numbers]
        shape = (grid[0] * grid[1], self._dynamics.mask_id)

        def draw(step: int) -> Tensor:
            rows = [torch.cat([torch.rand(shape, generator=source) for source in row]) for row in sources]
            uniform = torch.stack(rows).to(self._world.device)
            return uniform.add_(1e-20).log_().neg_().log_().neg_()

        return draw

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
