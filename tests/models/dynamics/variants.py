"""Every option of the space-time dynamics at a size that tests can afford, one change at a time."""

from typing import Any

import torch
from torch import Tensor

from factories import ACTIONS
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.dynamics.maskgit_config import MaskGITConfig

SMALL: dict[str, Any] = {"dim": 16, "blocks": 2, "heads": 2, "dim_head": 8, "bias_dim": 8, "max_frames": 8}
CODES, WIDTH, GRID = 24, 6, (3, 4)

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    **{
        f"{name}={value}": {name: value}
        for name, values in {
            "conditioning": ("concat_input", "add", "add_every_block", "film", "prepend"),
            "token_input": ("ids", "codes"),
            "clean_history": ("none", "all"),
            "supervise": ("masked",),
            "logits": ("tied",),
            "stem": ("conv",),
            "mask_ratio": ("cosine",),
        }.items()
        for value in values
    },
    "embedded actions": {"action_input": "embedding", "action_dim": 5},
    "embedded actions added": {"action_input": "embedding", "conditioning": "add"},
    "given actions": {"action_input": "given", "action_dim": 3, "conditioning": "add"},
    "light": {"peg": False, "feedforwards_per_block": 1, "normalise_context": True},
    "light, concatenated in one matrix": {"normalise_context": True},
    "in place": {"objective": "in_place"},
    "in place, masks anywhere": {"objective": "in_place", "clean_history": "none"},
    "in place, clean history": {"objective": "in_place", "clean_history": "all", "mask_ratio_per": "frame"},
    "in place, stem": {"objective": "in_place", "stem": "conv", "logits": "tied", "token_input": "codes"},
    "in place, clean history, stem": {
        "objective": "in_place",
        "clean_history": "all",
        "stem": "conv",
        "conditioning": "prepend",
    },
    "in place, clean history, film, light": {
        "objective": "in_place",
        "clean_history": "all",
        "conditioning": "film",
        "peg": False,
        "action_input": "embedding",
    },
}


def make(seed: int = 0, codes: Tensor | None = None, grid: tuple[int, int] = GRID, **settings: Any) -> MaskGIT:
    """Perturbed, so that nothing is zero that training would make something."""
    torch.manual_seed(seed)
    codes = torch.nn.functional.normalize(torch.randn(CODES, WIDTH), dim=-1) if codes is None else codes
    model = MaskGIT(MaskGITConfig(**{**SMALL, **settings}), codes, grid, len(ACTIONS))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def play(model: MaskGIT, frames: int, clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random tokens (B, T, h, w) and actions for each, as the model takes them."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(model.mask_id, (clips, frames, *model.grid), generator=generator)
    if model.config.action_input == "given":
        return tokens, torch.randn(clips, frames, model.action_width, generator=generator)
    return tokens, torch.randint(model.num_actions, (clips, frames), generator=generator)


def other_actions(actions: Tensor) -> Tensor:
    """Different ones everywhere."""
    return actions + 1 if actions.is_floating_point() else (actions + 1) % len(ACTIONS)


def hide_some(tokens: Tensor, mask_id: int, seed: int = 5) -> Tensor:
    """About 60 % of the tokens hidden."""
    chance = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(chance < 0.6, mask_id, tokens)


def whole(model: MaskGIT, tokens: Tensor, actions: Tensor) -> Tensor:
    """What the model says of a clip in one pass: of frames 1..T under the shift, of frames 0..T-1 in place."""
    condition = model.condition(actions)
    if model.config.objective == "next_frame_shift":
        return model.shifted_logits(tokens, condition)
    return model.in_place_logits(tokens, condition[:, :-1])
