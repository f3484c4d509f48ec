"""The world model: what was learned and the action names in one object that evaluation, the player and the explorer
use, none of them reaching inside.

How dreams advance is dream.py's, for a world of a tokenizer and a dynamics, and canvas.py's for one that carries over
what was seen. Knows no game, no data set, no page.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.build import needs_tokenizer, restore
from genieredux.models.checkpoint import CheckpointData, load_model
from genieredux.models.dynamics.canvas.model import CanvasDynamics
from genieredux.models.dynamics.protocol import DynamicsModel
from genieredux.models.latent.actions import LatentActionModel
from genieredux.models.latent.genie_redux import GenieRedux
from genieredux.models.latent.mapping import ActionMapping
from genieredux.models.sampling import Sampling
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.world.canvas import CanvasParts
from genieredux.models.world.dream import Future, Parts, TokenParts, WorldDream, check_actions
from genieredux.models.world.hub import Shareable
from genieredux.models.world.protocol import Rollout
from genieredux.nn.precision import autocast, choose_precision

WORLD_KINDS = ("genie_redux_guided", "genie_redux")


class WorldModel(Shareable, nn.Module):
    """A generative interactive environment (the contract: models/world/protocol.py)."""

    def __init__(
        self,
        tokenizer: Tokenizer | None,
        dynamics: DynamicsModel,
        action_names: Sequence[str],
        sampling: Sampling | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """tokenizer: None where the dynamics needs none. sampling: how frames are drawn unless a call says otherwise.
        metadata: what the file said besides."""
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
        """Of every computation, wherever the world is used: what is measured is what is played."""
        self.eval()
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu", latent: bool = False) -> "WorldModel":
        """The world in a `model-<step>.pt` of a dynamics; see `of`. Raises UserError for anything else."""
        return cls.of(load_model(path, expect=WORLD_KINDS), device, latent)

    @classmethod
    def of(cls, data: CheckpointData, device: str | torch.device = "cpu", latent: bool = False) -> "WorldModel":
        """The world in a file that was read.

        A world of latent actions takes the true ones that its codes were counted against, where they are known, or
        with `latent` the codes themselves. Raises UserError for a file that is not whole.
        """
        names = data.metadata.get("action_names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise UserError(f"{data.path} does not say what its actions are (no action_names); train it again")
        wanted = needs_tokenizer(data.kind, data.config)
        tokenizer = cast(Tokenizer, restore(data.section("tokenizer"), data.path)) if wanted else None
        dynamics = cast(DynamicsModel, restore(data.model, data.path, tokenizer=tokenizer, action_names=names))
        if isinstance(dynamics, GenieRedux) and not latent and "action_mapping" in data.metadata:
            mapping = ActionMapping.from_json(data.metadata["action_mapping"])
            dynamics.press(mapping.to_latent)
            names = mapping.action_names
        sampling = Sampling.of(data.metadata.get("sampling"))
        world = cls(tokenizer, dynamics, names, sampling, data.metadata).to(device)
        world.path = data.path
        return world

    @property
    def image_size(self) -> int:
        return int((self.tokenizer or self.inner).config.image_size)

    @property
    def config(self) -> dict[str, Any]:
        """Plain values: both configurations, the action names, the sampling."""
        return {
            "tokenizer": asdict(self.tokenizer.config) if self.tokenizer is not None else None,
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

    @property
    def takes(self) -> Literal["buttons", "codes"]:
        """What an action is."""
        return "codes" if self._latent is not None else "buttons"

    @torch.no_grad()
    def actions_of(self, frames: Tensor) -> Tensor | None:
        """The codes int64 (B, T - 1) of what happened between frames (B, T, C, H, W); None in a world of buttons."""
        if self._latent is None:
            return None
        with self.computing():
            return self._latent.actions(frames.to(self.device))

    @property
    def _latent(self) -> LatentActionModel | None:
        """What names codes, in a world that is steered by them."""
        model = self.dynamics
        return model.lam if isinstance(model, GenieRedux) and model.pressed is None else None

    @torch.no_grad()
    def encode(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """Frames (B, T, C, H, W) of clips from their first frame to tokens int64 (B, T, h, w); actions (B, T - 1)."""
        led = None if actions is None else self._checked(actions, (len(frames), frames.shape[1] - 1))
        return self._parts().encode(frames.to(self.device), led)

    @torch.no_grad()
    def decode(self, tokens: Tensor, actions: Tensor | None = None, first: Tensor | None = None) -> Tensor:
        """Tokens (B, T, h, w) of clips from their first frame to frames float32 (B, T, C, H, W); actions (B, T - 1);
        first: (B, C, H, W), the first frame."""
        led = None if actions is None else self._checked(actions, (len(tokens), tokens.shape[1] - 1))
        return self._parts().decode(tokens.to(self.device), led, None if first is None else first.to(self.device))

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
        seeds = _seeds(seed, clips)
        if actions.shape[0] != clips or actions.shape[1] < given:
            raise UserError(
                f"actions of shape {tuple(actions.shape)} for {clips} clips of {given} prompt frames; a rollout "
                f"of N frames takes (clips, prompt frames - 1 + N)"
            )
        sampling = sampling or self.sampling
        self._check_sampling(sampling)
        actions = self._checked(actions, tuple(actions.shape))
        future = self._begin(prompt, actions[:, : given - 1], seeds, sampling)
        asked = actions[:, given - 1 :]
        length = sampling.dream_length if sampling.method == "autoregressive" else asked.shape[1]
        tokens, entropy = [], []
        for taken in asked.split(length, 1):
            drawn = future.draw(taken)
            future.go_on(drawn.tokens, taken)
            tokens.append(drawn.tokens)
            entropy.append(drawn.entropy)
        return Rollout(future.shown(), torch.cat(tokens, 1), torch.cat(entropy, 1))

    @torch.no_grad()
    def dream(
        self,
        prompts: Tensor,
        actions: Tensor,
        seeds: int | Sequence[int] = 0,
        sampling: Sampling | None = None,
    ) -> WorldDream:
        """Begin live rollouts after prompts (B, P, C, H, W) and their actions (B, P - 1): frame by frame, and equal to
        an autoregressive `rollout` with dream_length 1."""
        if prompts.dim() != 5:
            raise UserError(f"prompts are of shape {tuple(prompts.shape)}; needed is (dreams, frames, 3, H, W)")
        begin = partial(self._begin, sampling=sampling or self.sampling)
        future = begin(prompts, actions, _seeds(seeds, len(prompts)))
        return WorldDream(begin, future, self.action_names, len(prompts))

    def _begin(self, prompts: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling) -> Future:
        led = self._checked(actions, (len(prompts), prompts.shape[1] - 1))
        return self._parts().begin(prompts.to(self.device), led, seeds, sampling)

    def _checked(self, actions: Tensor, shape: tuple[int, ...]) -> Tensor:
        return check_actions(actions, shape, self.action_names).to(self.device)

    def _parts(self) -> Parts:
        if self.tokenizer is not None:
            return TokenParts(self.tokenizer, self.dynamics, self.computing)
        return CanvasParts(cast(CanvasDynamics, self.inner), self.conditions, self.computing)

    @property
    def inner(self) -> Any:
        """The dynamics itself, where a latent action model steers it."""
        return self.dynamics.dynamics if isinstance(self.dynamics, GenieRedux) else self.dynamics

    def conditions(self, actions: Tensor) -> Tensor:
        """Actions int64 (...) as the dynamics itself takes them."""
        return self.dynamics.vectors(actions) if isinstance(self.dynamics, GenieRedux) else actions

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


def _seeds(seed: int | Sequence[int], clips: int) -> list[int]:
    """A seed for every clip; UserError for another number of them."""
    seeds = [seed] * clips if isinstance(seed, int) else [int(item) for item in seed]
    if len(seeds) != clips:
        raise UserError(f"{len(seeds)} seeds for {clips} clips; give one, or one per clip")
    return seeds
