"""The ST-ViViT tokenizer: the published numbers, causality, and what it says to frames it cannot cut."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genieredux.compat.published_names import rename_state_dict
from genieredux.errors import UserError
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.types import Batch
from published_cases import cases, read

SMALL: dict[str, Any] = {
    "image_size": 16,
    "dim": 16,
    "blocks": 1,
    "heads": 2,
    "dim_head": 8,
    "codebook_size": 32,
}
LIGHT: dict[str, Any] = {
    "peg": False,
    "feedforwards_per_block": 1,
    "normalise_context": True,
    "codebook_dim": 4,
}


def small(**changes: Any) -> STViViT:
    torch.manual_seed(0)
    return STViViT(STViViTConfig(**(SMALL | changes)))


@pytest.fixture(scope="module", params=cases("tokenizer"))
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read("tokenizer", request.param)


@pytest.fixture
def published(case: dict[str, Any]) -> STViViT:
    return published_tokenizer(case)


def published_tokenizer(case: dict[str, Any]) -> STViViT:
    c = case["config"]
    config = STViViTConfig(
        image_size=c["image_size"],
        patch_size=c["patch_size"],
        dim=c["dim"],
        blocks=c["num_blocks"],
        heads=c["heads"],
        dim_head=c["dim_head"],
        ff_mult=c["ff_mult"],
        codebook_size=c["codebook_size"],
        codebook_dim=c["codebook_dim"],
    )
    tokenizer = STViViT(config)
    tokenizer.load_state_dict(rename_state_dict(case["state_dict"]), strict=True)
    return tokenizer.eval()


def frames_first(video: Tensor) -> Tensor:
    """Published b c t h w to b t c h w."""
    return video.transpose(1, 2).contiguous()


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


class TestPublished:
    @torch.no_grad()
    def test_every_stage(self, case: dict[str, Any], published: STViViT) -> None:
        video = frames_first(case["video"])
        channels, pixels = case["channels"], case["pixels"]
        close(published.embed(video)[..., ::channels], case["patch_emb"])
        features = published.encode_features(video)
        close(features[..., ::channels], case["encoded"])
        assert torch.equal(published.encode(video), case["indices"])
        assert torch.equal(published.encode(video[:, :2]), case["indices_first2"])
        drawn = published.decode_vectors(published.quantizer(features).vectors)
        close(drawn[..., ::pixels, ::pixels], frames_first(case["recon"]))

    @torch.no_grad()
    def test_decode(self, case: dict[str, Any], published: STViViT) -> None:
        expected = frames_first(case["decode_from_indices"])
        pixels = case["pixels"]
        drawn = published.decode_vectors(published.quantizer.codes(case["indices"]))
        close(drawn[..., ::pixels, ::pixels], expected)
        close(published.decode(case["indices"])[..., ::pixels, ::pixels], expected.clamp(0, 1))

    def test_losses_and_gradients(self) -> None:
        if "full" not in cases("tokenizer"):
            pytest.skip("losses and gradients are of two whole clips: needs ../shared/fixtures/tokenizer.pt")
        case = read("tokenizer", "full")
        published = published_tokenizer(case)
        batch = Batch(frames=frames_first(case["video"]))
        close(published(batch).total[None], case["eval_loss"])
        loss = published.train()(batch).total
        close(loss[None], case["train_loss"])
        loss.backward()
        expected = rename_state_dict({k: g for k, g in case["grads"].items() if g is not None})
        ours = {name: p.grad for name, p in published.named_parameters()}
        assert ours.keys() == expected.keys()
        for name, grad in expected.items():
            close(ours[name], grad)

    def test_size(self) -> None:
        with torch.device("meta"):
            count = sum(p.numel() for p in STViViT().parameters())
        # The published count of 101,612,360 includes 16 * 2 norms of width 512 that are never applied.
        assert count == 101_612_360 - 32 * 512


@pytest.mark.parametrize("changes", [{}, LIGHT, LIGHT | {"quantizer": "ema"}, LIGHT | {"quantizer": "fsq"}])
class TestContract:
    def test_shapes(self, changes: dict[str, Any]) -> None:
        tokenizer = small(**changes).eval()
        frames = torch.rand(2, 3, 3, 16, 16)
        tokens = tokenizer.encode(frames)
        assert tokens.dtype == torch.int64
        assert tokens.shape == (2, 3, *tokenizer.grid) == (2, 3, 4, 4)
        assert tokens.max() < tokenizer.codebook_size == tokenizer.code_vectors().shape[0]
        back = tokenizer.decode(tokens)
        assert back.shape == frames.shape
        assert back.min() >= 0
        assert back.max() <= 1

    def test_a_later_frame_changes_nothing_before_it(self, changes: dict[str, Any]) -> None:
        tokenizer = small(**changes).eval()
        frames = torch.rand(1, 4, 3, 16, 16)
        other = frames.clone()
        other[:, 2:] = torch.rand(1, 2, 3, 16, 16)
        with torch.no_grad():
            torch.testing.assert_close(
                tokenizer.encode_features(frames)[:, :2], tokenizer.encode_features(other)[:, :2]
            )
            tokens = tokenizer.encode(frames)
            torch.testing.assert_close(tokenizer.decode(tokens)[:, :2], tokenizer.decode(tokens[:, :2]))
        assert torch.equal(tokenizer.encode(other)[:, :2], tokenizer.encode(frames[:, :2]))

    def test_a_short_training_lowers_the_error(self, changes: dict[str, Any]) -> None:
        tokenizer = small(**changes)
        generator = torch.Generator().manual_seed(0)
        frames = torch.rand(4, 1, 3, 1, 1).expand(4, 3, 3, 16, 16).contiguous()
        optimiser = torch.optim.AdamW(tokenizer.parameters(), lr=3e-3)
        errors = []
        for _ in range(30):
            losses = tokenizer(Batch(frames=frames), generator)
            optimiser.zero_grad()
            losses.total.backward()
            optimiser.step()
            errors.append(losses.parts["reconstruction"].item())
        assert errors[-1] < 0.2 * errors[0]
        assert not losses.parts["reconstruction"].requires_grad

    def test_bf16_autocast_trains(self, changes: dict[str, Any]) -> None:
        tokenizer = small(**changes)
        with torch.autocast("cpu", torch.bfloat16):
            losses = tokenizer(Batch(frames=torch.rand(2, 3, 3, 16, 16)), torch.Generator().manual_seed(0))
        assert losses.total.dtype == torch.float32
        losses.total.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in tokenizer.parameters())


def test_image_size_not_divisible_by_patch() -> None:
    with pytest.raises(UserError, match=r"image size 66 is not divisible by patch size 4; set tokenizer.patch_size=3"):
        STViViTConfig(image_size=66)


def test_frames_of_another_size() -> None:
    with pytest.raises(UserError, match="3x32x32"):
        small().encode(torch.rand(1, 1, 3, 32, 32))
