"""N micro-batches are one batch. For a codebook of moving averages: at its beginning, in its averages, where dead codes
are revived; and what it draws moves nobody else's random numbers. For a dynamics: each hidden token weighs alike,
whichever micro-batch hides it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from genieredux.models.build import build_model
from genieredux.models.types import Batch
from genieredux.runs import RunFolder
from genieredux.training import Assembled, OptimizerConfig, WarmupConfig, fit
from genieredux.training.loop.randomness import Part, generator_for
from toy_runs import CONFIG

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"image_size": 16, "patch_size": 4, "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
FOLLOWS: dict[str, Any] = {**SMALL, "codebook_dim": 4, "quantizer": "ema"}
MASKGIT: dict[str, Any] = {"architecture": "st_maskgit", "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}


@dataclass
class Cut:
    """Four clips a step, in `parts` micro-batches."""

    parts: int

    def batch(self, k: int) -> Batch:
        step, micro = divmod(k, self.parts)
        made = torch.Generator().manual_seed(step)
        whole = Batch(
            frames=torch.randint(0, 256, (4, 3, 3, 16, 16), generator=made, dtype=torch.uint8),
            tokens=torch.randint(8, (4, 3, 4, 4), generator=made),
            actions=torch.randint(3, (4, 2), generator=made),
        )
        size = 4 // self.parts
        return Batch(**{name: value[micro * size : (micro + 1) * size] for name, value in vars(whole).items()})


def make(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "tokenizer":
        return build_model("tokenizer", {**FOLLOWS, "codebook_size": 16})
    lam = {**FOLLOWS, "codebook_size": 4, "codebook": "nearest"}
    if kind == "latent_action_model":
        return build_model(kind, lam)
    tokenizer = build_model("tokenizer", {"architecture": "conv", "image_size": 16, "codebook_size": 8})
    config = {"lam": lam, "dynamics": {**MASKGIT, "conditioning": "add", "history_noise": 0.2}}
    return build_model("genie_redux", config, tokenizer=tokenizer)


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("kind", ["tokenizer", "latent_action_model", "genie_redux"])
def test_micro_batches_are_one_batch_from_the_first_step_on(tmp_path: Path, kind: str, parts: int) -> None:
    histories, states = [], []
    for count in (1, parts):
        model = make(kind)
        quantizer: Any = model.lam.quantizer if kind == "genie_redux" else model.quantizer
        quantizer.config = replace(quantizer.config, decay=0.7, revive_below=0.6)  # codes die and are revived
        cfg = replace(CONFIG, grad_accum=count, batch_size=4 // count, num_train_steps=6, log_every=1)
        run = RunFolder(tmp_path / str(count))
        history = fit(
            Assembled(model, Cut(count)), cfg, run, OptimizerConfig(1e-3, warmup=WarmupConfig(0.5, 3))
        ).history
        histories.append([(record["loss"], record["grad_norm"]) for record in history])
        states.append({name: value for name, value in quantizer.state_dict().items() if "project" not in name})
    for whole, cut in zip(*histories, strict=True):
        assert cut == pytest.approx(whole, rel=2e-4)
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), atol=2e-3), name


def test_a_codebook_draws_in_a_stream_of_its_own() -> None:
    torch.manual_seed(0)
    model: Any = make("tokenizer").train()
    x = torch.randn(2, 3, 16, 16)
    for hold in (False, True):
        model.quantizer.hold = hold
        generator = generator_for(CPU, 0, "train", 1, Part(2))
        before = generator.get_state()
        model.quantizer(x, generator)
        model.quantizer.settle()
        assert torch.equal(before, generator.get_state())


HIDING: dict[str, dict[str, Any]] = {
    "history_refiner": {"architecture": "history_refiner", "dim": 16, "heads": 2, "group": 2, "fully_hidden": 0.4,
                        "history_noise": 0.2, "own_history": 0.5},
    "masked": {**MASKGIT, "supervise": "masked", "mask_ratio": "cosine", "history_noise": 0.2},
    "published": {**MASKGIT, "supervise": "masked", "clean_history": "none", "mask_ratio_per": "batch"},
    "in_place": {**MASKGIT, "objective": "in_place", "mask_ratio": "cosine", "mask_ratio_per": "frame"},
    "drafts": {**MASKGIT, "objective": "in_place", "clean_history": "all", "history_noise": 0.2},
    "all": {**MASKGIT, "decoder_weight": 0.5},
    "canvas": {"architecture": "canvas", "image_size": 16, "codebook_size": 8, "width": 8, "motion_width": 16,
               "margin": 8, "painted": 0.5, "dreamt": 0.5, "continued": 4, "actor": 8, "actor_width": 16},
}  # fmt: skip


def make_dynamics(name: str) -> nn.Module:
    torch.manual_seed(0)
    tokenizer = build_model("tokenizer", {"architecture": "conv", "image_size": 16, "codebook_size": 8})
    return build_model("genie_redux_guided", HIDING[name], tokenizer=tokenizer, action_names=("A", "B", "C"))


@pytest.mark.parametrize("name", HIDING)
def test_hidden_tokens_weigh_alike_in_all_micro_batches(tmp_path: Path, name: str) -> None:
    histories = []
    for count in (1, 2, 4):
        cfg = replace(CONFIG, grad_accum=count, batch_size=4 // count, num_train_steps=4, log_every=1)
        parts = Assembled(make_dynamics(name), Cut(count))
        history = fit(parts, cfg, RunFolder(tmp_path / str(count)), OptimizerConfig(1e-3)).history
        measured = ("loss", "grad_norm", "cross_entropy", "next_frame", "token_distance", "decoded")
        histories.append([[record[key] for key in measured if key in record] for record in history])
    for cut in histories[1:]:
        for one, other in zip(histories[0], cut, strict=True):
            assert other == pytest.approx(one, rel=2e-4)


@pytest.mark.parametrize("name", HIDING)
def test_parts_of_any_process_average_to_the_loss_of_the_whole(name: str) -> None:
    model = make_dynamics(name).train()
    batch = Cut(1).batch(0).to(CPU)
    whole = model(batch, generator_for(CPU, 0, "train", 3, Part(4)))
    parts = []
    for micro in (0, 1):
        for rank in (0, 1):
            at = 2 * micro + rank
            mine = Batch(batch.frames[at : at + 1], batch.tokens[at : at + 1], batch.actions[at : at + 1])  # type: ignore[index]
            parts.append(model(mine, generator_for(CPU, 0, "train", 3, Part(1, micro, 2, rank, 2))))
    assert sum(part.total.item() for part in parts) / 4 == pytest.approx(whole.total.item(), rel=1e-5)
    for key, value in whole.parts.items():
        assert sum(part.parts[key].item() for part in parts) / 4 == pytest.approx(value.item(), rel=1e-5), key
