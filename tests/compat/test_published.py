"""The published models: the fixtures, an independent reference in both layouts, and what must hold for any weights."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from compat import published_reference as reference
from compat.published_states import ADDED, EMBEDDED, HEADS, KEYS, ONE_HOT, VIDEO, dynamics_state, lam_state
from genieredux.compat.published import (
    dynamics_from_state_dict,
    latent_action_model_from_state_dict,
    tokenizer_from_state_dict,
)
from genieredux.compat.published_names import published_name, rename
from genieredux.errors import UserError
from published_cases import cases, read

FULL = {"blocks": 8, "patch": 4, "codebook_dim": 32, "side": 16}


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def inputs(action: int, frames: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 13, (2, frames, 3, 4), generator=generator)  # 12 is the mask
    if action == ONE_HOT:
        actions = torch.eye(5)[torch.randint(0, 5, (2, frames), generator=generator)]
    else:
        actions = torch.randn(2, frames, 24, generator=generator)
    return ids, actions


def frames(count: int = 4) -> Tensor:
    """Of patches that differ in colour and contrast, so that ids and latent actions do."""
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(2, 5, 3, 16, 16, generator=generator)
    contrast = torch.randn(2, 5, 1, 4, 4, generator=generator).repeat_interleave(4, 3).repeat_interleave(4, 4)
    return (noise * contrast + torch.randn(2, 5, 3, 1, 1, generator=generator)).sigmoid()[:, :count]


@pytest.fixture(scope="module", params=cases("tokenizer"))
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read("tokenizer", request.param)


PUBLISHED_COUNTS = {
    # facts on the published code: measured numbers of parameters at full size
    "guided": (256_026_888, reference.dynamics_shapes, {"action": 512, "places": 4000, "blocks": 12, "codes": 1024}),
    "unguided": (81_032_968, reference.dynamics_shapes, {"action": 0, "places": 8000, "blocks": 12, "codes": 1024}),
    "latent actions": (168_690_216, reference.video_shapes, {"codes": 7, "latent_actions": True, **FULL}),
    "tokenizer": (101_612_360, reference.video_shapes, {"codes": 1024, "latent_actions": False, **FULL}),
}


@pytest.mark.parametrize("name", PUBLISHED_COUNTS)
def test_the_reference_has_the_published_size(name: str) -> None:
    count, shapes, sizes = PUBLISHED_COUNTS[name]
    named = shapes(dim=512, heads=8, dim_head=64, **sizes)
    buffers = ("beta", "initted", "cluster_size", "embed_avg")
    assert sum(math.prod(size) for key, size in named.items() if not key.endswith(buffers)) == count


class TestTokenizer:
    def test_published_numbers(self, case: dict[str, Any]) -> None:
        tokenizer = tokenizer_from_state_dict(case["state_dict"], heads=4, dim_head=16, image_size=64)
        video = case["video"].transpose(1, 2)
        assert torch.equal(tokenizer.encode(video), case["indices"])
        assert torch.equal(tokenizer.encode(video[:, :2]), case["indices_first2"])
        pixels = case["pixels"]
        drawn, redrawn = tokenizer.decode(case["indices"]), tokenizer.decode(tokenizer.encode(video))
        close(drawn[..., ::pixels, ::pixels], case["decode_from_indices"].transpose(1, 2))
        close(redrawn[..., ::pixels, ::pixels], case["recon"].transpose(1, 2))

    def test_wrongly_called(self, case: dict[str, Any]) -> None:
        tokenizer = tokenizer_from_state_dict(case["state_dict"], heads=4, dim_head=16, image_size=64)
        with pytest.raises(UserError, match=r"ids are \(1, 2, 3, 5\), this tokenizer's are \(clips, frames, 16, 16\)"):
            tokenizer.decode(torch.zeros(1, 2, 3, 5, dtype=torch.long))
        with pytest.raises(UserError, match="whole numbers from 0 to 63"):
            tokenizer.decode(torch.full((1, 1, 16, 16), 64))
        with pytest.raises(UserError, match=r"frames are torch\.uint8"):
            tokenizer.encode(torch.zeros(1, 1, 3, 64, 64, dtype=torch.uint8))
        with pytest.raises(UserError, match="image_size=18 is not divisible by patch size 4"):
            tokenizer_from_state_dict(case["state_dict"], heads=4, dim_head=16, image_size=18)

    def test_frames_of_another_precision(self, case: dict[str, Any]) -> None:
        tokenizer = tokenizer_from_state_dict(case["state_dict"], heads=4, dim_head=16, image_size=64)
        video = case["video"].transpose(1, 2)[:1, :2]
        assert torch.equal(tokenizer.encode(video.double()), tokenizer.encode(video))

    def test_every_name_goes_there_and_back(self, case: dict[str, Any]) -> None:
        used = [name for name in case["state_dict"] if rename(name) is not None]
        assert len(used) > 80
        assert [published_name(str(rename(name))) for name in used] == used

    @pytest.mark.parametrize("codebook_dim", [8, 24], ids=["projected", "as wide as the model"])
    def test_reference(self, codebook_dim: int) -> None:
        state = reference.video_state(**(KEYS | {"codes": 32, "latent_actions": False, "codebook_dim": codebook_dim}))
        tokenizer = tokenizer_from_state_dict(state, **VIDEO)
        ids = tokenizer.encode(frames(3))
        assert ids.unique().numel() > 4
        assert torch.equal(ids, reference.tokenizer_ids(state, frames(3), 4, 4))
        drawn = tokenizer.decode(ids)
        close(drawn, reference.tokenizer_frames(state, ids, 4, 4))
        assert drawn.min() < 0  # as the model gives them

    def test_token_vectors_are_the_codebook_projected_out(self, case: dict[str, Any]) -> None:
        tokenizer = tokenizer_from_state_dict(case["state_dict"], heads=4, dim_head=16, image_size=64)
        vectors = tokenizer.token_vectors()
        assert vectors.shape == (64, 64)
        close(vectors, reference.vectors_of(case["state_dict"], torch.arange(64)))


class TestLatentActions:
    def test_reference(self) -> None:
        state = lam_state()
        model = latent_action_model_from_state_dict(state, **VIDEO)
        ids = model.actions(frames(5))
        assert ids.shape == (2, 4)
        assert ids.unique().numel() > 2
        assert torch.equal(ids, reference.latent_actions(state, frames(5), 4, 4))
        drawn = model.reconstruct(frames(5))
        assert drawn.shape == (2, 4, 3, 16, 16)
        close(drawn, reference.redrawn(state, frames(5), ids, 4, 4))

    def test_given_actions(self) -> None:
        state = lam_state(seed=3)
        model = latent_action_model_from_state_dict(state, **VIDEO)
        ids = torch.tensor([[6, 0, 3], [1, 1, 2]])
        drawn = model.reconstruct(frames(), ids)
        close(drawn, reference.redrawn(state, frames(), ids, 4, 4))
        changed = model.reconstruct(frames(), torch.tensor([[6, 0, 4], [1, 1, 2]]))
        close(changed[:, :2], drawn[:, :2])
        assert (changed[0, 2] - drawn[0, 2]).abs().max() > 1e-3

    def test_a_later_frame_changes_no_earlier_action(self) -> None:
        model = latent_action_model_from_state_dict(lam_state(), **VIDEO)
        longer = torch.cat([frames(3), torch.rand(2, 2, 3, 16, 16)], 1)
        assert torch.equal(model.actions(longer)[:, :2], model.actions(frames(3)))

    def test_actions_of_another_number(self) -> None:
        model = latent_action_model_from_state_dict(lam_state(), **VIDEO)
        with pytest.raises(UserError, match=r"actions are \(2, 4\), 4 frames of 2 clips have \(2, 3\) transitions"):
            model.reconstruct(frames(), torch.zeros(2, 4, dtype=torch.long))

    def test_one_frame_has_no_action_and_nothing_after_it(self) -> None:
        model = latent_action_model_from_state_dict(lam_state(), **VIDEO)
        assert model.actions(frames(1)).shape == (2, 0)
        assert model.reconstruct(frames(1)).shape == (2, 0, 3, 16, 16)

    def test_an_action_that_it_does_not_have(self) -> None:
        model = latent_action_model_from_state_dict(lam_state(), **VIDEO)
        with pytest.raises(UserError, match="whole numbers from 0 to 6"):
            model.reconstruct(frames(), torch.full((2, 3), 7))
        with pytest.raises(UserError, match="whole numbers from 0 to 6"):
            model.reconstruct(frames(), torch.zeros(2, 3))

    def test_without_pixel_heads_either(self) -> None:
        state = lam_state()
        half = {name: t for name, t in state.items() if not name.startswith(("decoder.", "to_pixels"))}
        model = latent_action_model_from_state_dict(half, **VIDEO)
        assert torch.equal(
            model.actions(frames()), latent_action_model_from_state_dict(state, **VIDEO).actions(frames())
        )

    def test_without_a_decoder_it_names_and_says_that_it_cannot_draw(self) -> None:
        state = lam_state()
        whole = latent_action_model_from_state_dict(state, **VIDEO)
        half = {name: tensor for name, tensor in state.items() if not name.startswith("decoder.")}
        model = latent_action_model_from_state_dict(half, **VIDEO)
        assert torch.equal(model.actions(frames()), whole.actions(frames()))
        with pytest.raises(UserError, match="without a decoder"):
            model.reconstruct(frames())

    def test_an_image_of_another_size(self) -> None:
        with pytest.raises(UserError, match=r"reads 16 tokens a frame, image_size=32 .* gives 64"):
            latent_action_model_from_state_dict(lam_state(), **(VIDEO | {"image_size": 32}))


@pytest.mark.parametrize("action", [ONE_HOT, EMBEDDED, ADDED], ids=["one-hot", "embedded", "added"])
class TestDynamics:
    @pytest.mark.parametrize("token_input", [False, True])
    def test_reference(self, action: int, token_input: bool) -> None:
        state = dynamics_state(action)
        vectors = torch.randn(12, 24) * 0.3 if token_input else None
        model = dynamics_from_state_dict(state, **HEADS, guided=action > 0, token_vectors=vectors)
        ids, actions = inputs(action)
        ours = model.logits(ids, actions)
        assert ours.shape == (2, 3, 3, 4, 12)
        close(ours, reference.logits(state, ids, actions, 4, concatenated=action > 0, vectors=vectors))

    def test_heads_that_are_no_power_of_two(self, action: int) -> None:
        state = dynamics_state(action, heads=6, dim_head=4, seed=5)
        model = dynamics_from_state_dict(state, heads=6, dim_head=4, guided=action > 0)
        ids, actions = inputs(action)
        close(model.logits(ids, actions), reference.logits(state, ids, actions, 6, concatenated=action > 0))

    def test_a_prefix_has_the_logits_of_the_whole(self, action: int) -> None:
        model = dynamics_from_state_dict(dynamics_state(action), **HEADS, guided=action > 0)
        ids, actions = inputs(action, frames=4)
        close(model.logits(ids[:, :2], actions[:, :2]), model.logits(ids, actions)[:, :2])

    def test_a_change_is_seen_in_its_frame_and_later_alone(self, action: int) -> None:
        model = dynamics_from_state_dict(dynamics_state(action), **HEADS, guided=action > 0)
        ids, actions = inputs(action, frames=4)
        before = model.logits(ids, actions)
        other = actions.clone()
        other[:, 2] = other[:, 2].roll(1, -1)
        after = model.logits(ids, other)
        close(after[:, :2], before[:, :2])
        assert (after[:, 2] - before[:, 2]).abs().max() > 1e-2

    def test_masked_tokens_bring_no_vector(self, action: int) -> None:
        state = dynamics_state(action)
        ids, actions = inputs(action)
        ids = torch.full_like(ids, 12)
        plain = dynamics_from_state_dict(state, **HEADS, guided=action > 0)
        vectors = dynamics_from_state_dict(state, **HEADS, guided=action > 0, token_vectors=torch.randn(12, 24))
        assert torch.equal(vectors.logits(ids, actions), plain.logits(ids, actions))
        shown = ids.clone()
        shown[:, 1, 0, 0] = 3
        assert (vectors.logits(shown, actions) - plain.logits(shown, actions)).abs().max() > 1e-2

    def test_logits_without_a_bias(self, action: int) -> None:
        state = dynamics_state(action)
        ids, actions = inputs(action)
        biased = dynamics_from_state_dict(state, **HEADS, guided=action > 0).logits(ids, actions)
        bias = state.pop("to_logits.bias")
        model = dynamics_from_state_dict(state, **HEADS, guided=action > 0)
        close(model.logits(ids, actions) + bias, biased)

    def test_wrongly_called(self, action: int) -> None:
        state = dynamics_state(action)
        with pytest.raises(UserError, match=f"say guided={action > 0}"):
            dynamics_from_state_dict(state, **HEADS, guided=action == 0)
        with pytest.raises(UserError, match=r"token_vectors are \(12, 8\), this dynamics has 12 codes of width 24"):
            dynamics_from_state_dict(state, **HEADS, guided=action > 0, token_vectors=torch.zeros(12, 8))
        model = dynamics_from_state_dict(state, **HEADS, guided=action > 0)
        ids, actions = inputs(action, frames=5)
        with pytest.raises(UserError, match="5 frames of 3x4 tokens are 60, this model has positions for 48"):
            model.logits(ids, actions)
        with pytest.raises(UserError, match=r"actions are .*, this model takes \(2, 3, "):
            model.logits(ids[:, :3], actions[:, :2])
        with pytest.raises(UserError, match="whole numbers from 0 to 12"):
            model.logits(ids[:, :3] + 1, actions[:, :3])
        with pytest.raises(UserError, match=r"takes \(clips, frames, rows, columns\)"):
            model.logits(ids[:, :3].flatten(1), actions[:, :3])

    def test_gradients_reach_the_embeddings_at_a_tenth(self, action: int) -> None:
        model = dynamics_from_state_dict(dynamics_state(action), **HEADS, guided=action > 0)
        assert not any(p.requires_grad for p in model.parameters())
        assert not model.training
        ids, actions = inputs(action)
        model.pos_emb.requires_grad_(True)

        def loss() -> Tensor:
            return model.logits(ids, actions).square().mean()

        loss().backward()
        base = model.pos_emb.weight.detach().clone()
        at, step = torch.randn(base.shape, generator=torch.Generator().manual_seed(0)), 1e-2
        with torch.no_grad():
            model.pos_emb.weight.copy_(base + step * at)
            up = loss()
            model.pos_emb.weight.copy_(base - step * at)
            slope = (up - loss()) / (2 * step)
        assert model.pos_emb.weight.grad is not None
        torch.testing.assert_close((model.pos_emb.weight.grad * at).sum(), 0.1 * slope, rtol=0.02, atol=1e-4)
