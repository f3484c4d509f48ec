"""Small published files: what the published trainer saves, from random weights of published names."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compat import published_reference as reference

HEADS, DIM_HEAD, DIM, CODES = 4, 8, 16, 12
SIZE, PATCH = 16, 4
SIDE = SIZE // PATCH
FRAMES = 4
"""That the position table covers; a few rows more are of no use, as in the published table of 4000."""


def tokenizer_state(seed: int = 0, codes: int = CODES) -> dict[str, Tensor]:
    return reference.video_state(
        dim=DIM,
        heads=HEADS,
        dim_head=DIM_HEAD,
        blocks=1,
        patch=PATCH,
        codes=codes,
        codebook_dim=8,
        side=SIDE,
        latent_actions=False,
        seed=seed,
    )


def latent_action_state(seed: int = 1) -> dict[str, Tensor]:
    return reference.video_state(
        dim=DIM,
        heads=HEADS,
        dim_head=DIM_HEAD,
        blocks=1,
        patch=PATCH,
        codes=7,
        codebook_dim=8,
        side=SIDE,
        latent_actions=True,
        seed=seed,
    )


def dynamics_state(action: int, seed: int = 2) -> dict[str, Tensor]:
    """action: width of a concatenated action; 0: actions are added."""
    return reference.dynamics_state(
        dim=DIM,
        action=action,
        codes=CODES,
        places=FRAMES * SIDE**2 + 5,
        heads=HEADS,
        dim_head=DIM_HEAD,
        blocks=1,
        seed=seed,
    )


def maskgit(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"maskgit.{name}": tensor for name, tensor in state.items()}


def trained(path: Path, model: dict[str, Any], step: int = 150, **others: Any) -> Path:
    """The file that the published trainer writes, its optimiser included."""
    optimiser = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"step": step, "model": model, "optim": optimiser, "scaler": None, **others}, path)
    return path


def tokenizer_file(folder: Path, **changes: Any) -> Path:
    return trained(folder / "tokenizer.pt", tokenizer_state(**changes))


def guided_file(folder: Path, action: int, **more: Any) -> Path:
    return trained(folder / "guided.pt", {"dynamics": maskgit(dynamics_state(action)), **more})


def latent_file(folder: Path) -> Path:
    model = {"dynamics": maskgit(dynamics_state(0)), "latent_action_model": latent_action_state()}
    return trained(folder / "latent.pt", model)
