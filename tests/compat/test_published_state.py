"""What is taken for the state dict of a published model: any nesting and prefix, and nothing that is not one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from compat.published_states import HEADS, ONE_HOT, VIDEO, dynamics_state, lam_state, some_tokenizer
from genieredux.compat.published import (
    dynamics_from_state_dict,
    latent_action_model_from_state_dict,
    tokenizer_from_state_dict,
)
from genieredux.compat.published_names import rename
from genieredux.errors import UserError


def dynamics(state: Any) -> torch.nn.Module:
    return dynamics_from_state_dict(state, **HEADS, guided=True)


def lam(state: Any) -> torch.nn.Module:
    return latent_action_model_from_state_dict(state, **VIDEO)


def tokenizer(state: Any) -> torch.nn.Module:
    return tokenizer_from_state_dict(state, **VIDEO)


CASES = [(dynamics, lambda: dynamics_state(ONE_HOT)), (lam, lam_state), (tokenizer, some_tokenizer)]
Open = Callable[[Any], torch.nn.Module]
Make = Callable[[], dict[str, Tensor]]


@pytest.mark.parametrize(("open_state", "make"), CASES, ids=["dynamics", "lam", "tokenizer"])
class TestStateDict:
    def same(self, one: torch.nn.Module, other: torch.nn.Module) -> None:
        for (name, a), (_, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
            assert torch.equal(a, b), name

    @pytest.mark.parametrize("prefix", ["model.", "module.", "dynamics.maskgit.", "module._orig_mod."])
    def test_any_common_prefix(self, open_state: Open, make: Make, prefix: str) -> None:
        state = make()
        self.same(open_state({f"{prefix}{name}": t for name, t in state.items()}), open_state(state))

    def test_nested(self, open_state: Open, make: Make) -> None:
        state = make()
        self.same(open_state({"dynamics": {"maskgit": state}}), open_state(state))

    def test_out_of_a_whole_model(self, open_state: Open, make: Make) -> None:
        parts = {
            "tokenizer.": some_tokenizer(),
            "dynamics.maskgit.": dynamics_state(ONE_HOT),
            "latent_action_model.": lam_state(),
        }
        whole: dict[str, Any] = {f"{at}{name}": t for at, state in parts.items() for name, t in state.items()}
        self.same(open_state(whole), open_state(make()))
        nested = {"dynamics": {"maskgit": parts["dynamics.maskgit."]}, "tokenizer": parts["tokenizer."]}
        nested["latent_action_model"] = parts["latent_action_model."]
        table = {"weights": torch.zeros(2, 24), "names": ["left", "right"]}
        self.same(open_state(nested | {"action_embeddings": table}), open_state(make()))

    def test_half_precision_and_no_alias(self, open_state: Open, make: Make) -> None:
        state = make()
        half = {name: tensor.bfloat16() for name, tensor in state.items()}
        module = open_state(half)
        assert {p.dtype for p in module.parameters()} == {torch.float32}
        self.same(module, open_state({name: tensor.float() for name, tensor in half.items()}))
        module = open_state(state)
        kept = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        for tensor in state.values():
            tensor.zero_()
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, kept[name])

    def test_the_unused_may_be_missing(self, open_state: Open, make: Make) -> None:
        state = make()
        used = {name: tensor for name, tensor in state.items() if rename(name) is not None}
        assert len(used) < len(state)
        self.same(open_state(used), open_state(state))

    def test_a_shift_that_is_not_zero(self, open_state: Open, make: Make) -> None:
        state = make()
        name = next(name for name in state if name.endswith("norm_out.beta"))
        with pytest.raises(UserError, match="shift that is not zero"):
            open_state(state | {name: torch.ones_like(state[name])})

    def test_a_missing_key_is_named_with_its_nearest(self, open_state: Open, make: Make) -> None:
        state = make()
        name = next(name for name in state if name.endswith("layers.1.0.temporal_ff.4.weight"))
        state[name.replace("temporal_ff", "temporal_fff")] = state.pop(name)
        with pytest.raises(UserError, match=r"1 keys are unknown \(.*temporal_fff.*1 keys are missing") as error:
            open_state(state)
        assert name in str(error.value)
        assert "\n" not in str(error.value)

    def test_an_unknown_key_is_never_ignored(self, open_state: Open, make: Make) -> None:
        with pytest.raises(UserError, match=r"extra\.weight"):
            open_state(make() | {"extra.weight": torch.zeros(2)})
        with pytest.raises(UserError, match="outside"):
            open_state({f"model.{k}": v for k, v in make().items()} | {"outside": torch.zeros(2)})

    def test_a_missing_block(self, open_state: Open, make: Make) -> None:
        state = {name: t for name, t in make().items() if "layers.1.0.spatial_peg" not in name}
        with pytest.raises(UserError, match="keys are missing"):
            open_state(state)

    def test_a_tensor_of_another_shape(self, open_state: Open, make: Make) -> None:
        state = make()
        name = next(name for name in state if name.endswith("to_out.weight"))
        with pytest.raises(UserError, match=rf"'{name}' of .* is \(3, 3\), the other tensors ask for"):
            open_state(state | {name: torch.zeros(3, 3)})

    def test_something_else(self, open_state: Open, make: Make) -> None:
        with pytest.raises(UserError, match="this is no state dict of"):
            open_state({"conv.weight": torch.zeros(1)})
        with pytest.raises(UserError, match="this is no state dict of"):
            open_state({})
        with pytest.raises(UserError, match="'step' is a int, no tensor"):
            open_state({"model": make(), "step": 3})
        with pytest.raises(UserError, match="holds 2 of"):
            open_state({"a": make(), "b": make()})


def test_heads_that_are_not_those_of_the_file() -> None:
    with pytest.raises(UserError, match="say heads=4 dim_head=16"):
        dynamics_from_state_dict(dynamics_state(ONE_HOT), heads=8, dim_head=8, guided=True)


def test_a_model_taken_for_another() -> None:
    with pytest.raises(UserError, match=r"to_action_emb\.1\.weight"):
        tokenizer(lam_state())
    with pytest.raises(UserError, match=r"no 'to_action_emb\.1\.weight'"):
        lam(some_tokenizer())
