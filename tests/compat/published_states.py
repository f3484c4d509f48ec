"""State dicts of published names, large enough that every part of a model does something."""

from typing import Any

from torch import Tensor

from compat import published_reference as reference

HEADS = {"heads": 4, "dim_head": 16}
VIDEO = {**HEADS, "image_size": 16}
KEYS = {"dim": 24, "heads": 4, "dim_head": 16, "blocks": 2, "patch": 4, "codebook_dim": 8, "side": 4}
ONE_HOT, EMBEDDED, ADDED = 5, 24, 0


def dynamics_state(action: int, **changes: Any) -> dict[str, Tensor]:
    sizes = {"dim": 24, "codes": 12, "places": 48, "heads": 4, "dim_head": 16, "blocks": 2} | changes
    return reference.dynamics_state(action=action, **sizes)


def lam_state(**changes: Any) -> dict[str, Tensor]:
    return reference.video_state(**(KEYS | {"codes": 7, "latent_actions": True, "seed": 5} | changes))


def some_tokenizer() -> dict[str, Tensor]:
    return reference.video_state(**(KEYS | {"codes": 32, "latent_actions": False}))
