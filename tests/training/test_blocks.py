"""Options that change how a model is computed and not what: computing again, compiling, counting FLOPs."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.types import Batch
from genieredux.nn.blocks import STBlock
from genieredux.training.machine import flops
from genieredux.training.machine.flops import flops_per_clip, matmul_ceiling
from genieredux.training.machine.memory import checkpoint_blocks, compile_blocks, repeated_blocks


def make_video() -> STViViT:
    torch.manual_seed(0)
    return STViViT(
        STViViTConfig(
            image_size=16, patch_size=4, dim=32, blocks=2, heads=2, dim_head=16, codebook_size=16, codebook_dim=4
        )
    )


def frames(clips: int = 2) -> Batch:
    return Batch(frames=torch.rand(clips, 3, 3, 16, 16, generator=torch.Generator().manual_seed(1)))


def tokens() -> Batch:
    generator = torch.Generator().manual_seed(1)
    made = torch.randint(24, (2, 4, 8, 8), generator=generator)
    return Batch(tokens=made, actions=torch.randint(len(ACTIONS), (2, 3), generator=generator))


CASES: dict[str, tuple[Callable[[], nn.Module], Batch]] = {
    "tokenizer": (make_video, frames()),
    "dynamics": (lambda: make_dynamics(make_tokenizer()).train(), tokens()),
}


def gradients(model: nn.Module, batch: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    losses = model(batch, torch.Generator().manual_seed(2))
    losses.total.backward()
    return losses.total.item(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_blocks_are_what_a_model_repeats() -> None:
    model = make_video()
    blocks = repeated_blocks(model)
    assert len(blocks) == 4
    assert all(isinstance(block, STBlock) for block in blocks)


@pytest.mark.parametrize("name", CASES)
def test_computing_again_changes_no_loss_no_gradient_and_no_name(name: str) -> None:
    make, batch = CASES[name]
    plain, forgetful = make(), make()
    assert checkpoint_blocks(forgetful) > 0
    assert plain.state_dict().keys() == forgetful.state_dict().keys()
    (loss, one), (again, two) = gradients(plain, batch), gradients(forgetful, batch)
    assert loss == again
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert torch.equal(value, two[key]), key


def test_computing_again_remembers_less() -> None:
    kept: dict[str, int] = {}
    for name, change in (("plain", lambda model: 0), ("again", checkpoint_blocks)):
        model, total = make_video(), 0
        change(model)

        def count(value: torch.Tensor) -> torch.Tensor:
            nonlocal total
            total += value.numel()
            return value

        with torch.autograd.graph.saved_tensors_hooks(count, lambda value: value):
            model(frames(), torch.Generator().manual_seed(2))
        kept[name] = total
    assert kept["again"] < 0.4 * kept["plain"]


@pytest.mark.slow
def test_compiled_blocks_give_the_same_loss() -> None:
    plain, fast = make_video(), make_video()
    assert compile_blocks(fast) == 4
    (loss, one), (again, two) = gradients(plain, frames()), gradients(fast, frames())
    assert loss == pytest.approx(again, rel=1e-4)
    assert fast.state_dict().keys() == plain.state_dict().keys()
    for key, value in one.items():
        assert torch.allclose(value, two[key], atol=1e-4), key


class Square(nn.Module):
    """One matrix product of 5x6 and 6x7 a clip."""

    kind = "square"

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6, 7))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, batch: Batch, generator: torch.Generator) -> Any:
        from genieredux.models.types import Losses

        self.seen += 1
        assert batch.frames is not None
        return Losses((batch.frames @ self.weight).sum(), {})


def test_flops_are_counted_and_nothing_is_left_behind() -> None:
    model = Square()
    before = torch.random.get_rng_state()
    counted = flops_per_clip(model, Batch(frames=torch.ones(4, 5, 6)), "32")
    # forward, and backward to the weight alone: the input wants no gradient
    assert counted == 2 * (2 * 5 * 6 * 7)
    assert model.weight.grad is None
    assert model.seen == 0
    assert torch.equal(before, torch.random.get_rng_state())


def test_flops_of_attention_are_counted_on_a_cpu_too() -> None:
    model = make_video()
    counted = flops_per_clip(model, frames(), "32")
    linear = sum(6 * layer.weight.numel() for layer in model.modules() if isinstance(layer, nn.Linear))
    assert counted > 0.8 * linear * 3 * 16  # about every weight is used for each of 3 * 16 tokens
    assert model.quantizer.codebook.grad is None


def test_the_ceiling_is_positive_and_remembered() -> None:
    first = matmul_ceiling(torch.device("cpu"), "32")
    assert first > 1e8
    assert matmul_ceiling(torch.device("cpu"), "32") == first


def test_waiting_for_a_core_does_not_lower_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the waiting counted, no ceiling above one product in each wait could come out."""
    measure, multiply, wait = matmul_ceiling.__wrapped__, torch.Tensor.__matmul__, 0.2
    monkeypatch.setattr(flops, "TRIES", 5)

    def wait_and_multiply(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        time.sleep(wait)
        return multiply(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", wait_and_multiply)
    most = 2 * flops.SIDE["cpu"] ** 3 * torch.get_num_threads() / wait
    assert measure(torch.device("cpu"), "32") > 1.5 * most


def test_a_clock_that_ticks_slowly_measures_the_same_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process's does under a profiler: it stands still while several products are computed."""
    measure, clock, tick = matmul_ceiling.__wrapped__, time.process_time, 0.05
    monkeypatch.setattr(flops, "TRIES", 5)
    fine = measure(torch.device("cpu"), "32")
    monkeypatch.setattr(flops.time, "process_time", lambda: clock() // tick * tick)
    assert 0.2 * fine < measure(torch.device("cpu"), "32") < 5 * fine


def test_a_model_that_cannot_be_split_says_so() -> None:
    from genieredux.errors import UserError
    from genieredux.training.machine.sharding import shard

    with pytest.raises(UserError, match=r"its parameter stay is a single number.*set train\.strategy=ddp"):
        shard(make_dynamics(make_tokenizer()), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text"), [("WORLD_SIZE", "abc"), ("WORLD_SIZE", "0"), ("LOCAL_WORLD_SIZE", "-2")])
def test_a_launchers_number_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    from genieredux.errors import UserError
    from genieredux.training import TrainConfig
    from genieredux.training.machine.devices import make_fabric

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(name, text)
    with pytest.raises(UserError, match=f"^{name} is '{text}' in the environment"):
        make_fabric(TrainConfig(accelerator="cpu"))
