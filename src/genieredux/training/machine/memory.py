"""What is done to a model block by block: compiling, and computing again instead of remembering.

A block is an entry of an `nn.ModuleList`: the layers that a model repeats. Names in the state dict stay as they are.
Knows no particular model.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """The outermost entries of module lists that have further modules in them, in the model's order."""
    found: list[nn.Module] = []

    def look(module: nn.Module) -> None:
        for child in module.children():
            if isinstance(module, nn.ModuleList) and any(True for _ in child.children()):
                found.append(child)
            else:
                look(child)

    look(model)
    return found


def compile_blocks(model: nn.Module) -> int:
    """torch.compile every block in place, which takes seconds where a whole model takes minutes; how many."""
    blocks = repeated_blocks(model)
    for block in blocks:
        block.compile()
    return len(blocks)


def checkpoint_blocks(model: nn.Module) -> int:
    """Let every block forget its activations and compute them again in the backward pass; how many blocks.

    Losses and gradients stay the same (to the bit where the block computes the same way twice).
    """
    blocks = repeated_blocks(model)
    for block in blocks:
        block.forward = _forgetful(block.forward)
    return len(blocks)


def _forgetful(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run
