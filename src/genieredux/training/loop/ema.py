"""A moving average of the weights. Knows no file and no loop."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.training.machine.sharding import like


class WeightAverage:
    """average <- d * average + (1 - d) * weight after each update, d rising to `decay` as (1 + n) / (10 + n).

    Integers and buffers are copied, not averaged: a buffer such as a codebook's running statistics is already
    an average of its own.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._model = model
        self._averaged = {name for name, value in model.named_parameters() if value.requires_grad}
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take one step towards the model's weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in self._model.state_dict().items():
            average = self.values[name]
            if name in self._averaged and average.is_floating_point():
                average.lerp_(value.detach().to(average.dtype), 1 - decay)
            else:
                average.copy_(value)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model holds the average; outside, its own weights again."""
        own = {name: value.detach().clone() for name, value in self._model.state_dict().items()}
        self._model.load_state_dict(self.values)
        try:
            yield
        finally:
            self._model.load_state_dict(own)

    def state(self) -> dict[str, Tensor | int | dict[str, Tensor]]:
        """What `restore` needs."""
        return {"updates": self.updates, "values": self.values}

    def restore(self, state: dict) -> None:
        """Go on from `state()`. Raises UserError where it is of another model."""
        values = state["values"]
        if values.keys() != self.values.keys() or any(
            value.shape != self.values[name].shape for name, value in values.items()
        ):
            raise UserError("the averaged weights of the checkpoint are of another model; choose another run name")
        self.updates = int(state["updates"])
        for name, value in values.items():
            self.values[name].copy_(like(value, self.values[name]))
