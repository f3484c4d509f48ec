"""The extra losses: token distances by hand, decoded pixels through a tokenizer that stays as it is."""

import pytest
import torch
import torch.nn.functional as F

from factories import ACTIONS, make_tokenizer
from genieredux.models.build import build_model
from genieredux.models.dynamics.losses import DecoderLoss, expected_distance, token_distances
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.types import Batch
from models.dynamics.variants import SMALL, make, play


def test_distances_are_cosine_distances() -> None:
    codes = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0], [1.0, 1.0]])
    root = 2**-0.5
    expected = [[0, 1, 2, 1 - root], [1, 0, 1, 1 - root], [2, 1, 0, 1 + root], [1 - root, 1 - root, 1 + root, 0]]
    torch.testing.assert_close(token_distances(codes), torch.tensor(expected), atol=1e-6, rtol=0)


def test_the_expected_distance_is_that_of_the_papers_formula() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 7), torch.randint(7, (2, 3))
    table = token_distances(torch.randn(7, 4))
    one_hot = F.one_hot(target, 7).float()
    by_formula = torch.einsum("btk,kj,btj->bt", one_hot, table, logits.softmax(-1))
    torch.testing.assert_close(expected_distance(logits, target, table), by_formula)


def test_the_weight_of_the_distance() -> None:
    tokens, actions = play(make(), 5)
    batch = Batch(tokens=tokens, actions=actions[:, :-1])
    plain, twice = (make(tdce_weight=w)(batch, torch.Generator().manual_seed(0)) for w in (0.0, 2.0))
    assert set(plain.parts) == {"cross_entropy", "next_frame"}
    assert torch.equal(plain.total, plain.parts["cross_entropy"])
    assert 0 < float(twice.parts["token_distance"]) < 2
    torch.testing.assert_close(twice.total, plain.total + 2 * twice.parts["token_distance"])


@pytest.fixture
def tokenizer() -> STViViT:
    torch.manual_seed(0)
    config = STViViTConfig(image_size=16, patch_size=4, dim=16, blocks=1, heads=2, dim_head=8, codebook_size=16)
    return STViViT(config).eval().requires_grad_(False)


def build(tokenizer: STViViT, weight: float) -> MaskGIT:
    torch.manual_seed(0)
    settings = {**SMALL, "architecture": "st_maskgit", "decoder_weight": weight}
    model = build_model("genie_redux_guided", settings, tokenizer=tokenizer, action_names=ACTIONS)
    assert isinstance(model, MaskGIT)
    return model.train()


def test_the_decoder_loss_trains_the_dynamics_alone(tokenizer: STViViT) -> None:
    model = build(tokenizer, 3.0)
    tokens, actions = play(model, 4)
    losses = model(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator().manual_seed(0))
    others = losses.parts["cross_entropy"] + losses.parts["token_distance"]
    torch.testing.assert_close(losses.total.detach(), others + 3 * losses.parts["decoded"])
    losses.total.backward()
    assert not any(name.startswith("_decoder") for name in model.state_dict())
    assert len(list(model.children())) == len(list(build(tokenizer, 0.0).children()))  # the tokenizer is no part
    assert all(p.grad is None for p in tokenizer.parameters())


def test_the_decoder_loss_is_nothing_when_the_tokens_are_certain(tokenizer: STViViT) -> None:
    loss, tokens = DecoderLoss(tokenizer), torch.randint(16, (2, 3, 4, 4))
    certain = F.one_hot(tokens[:, 1:], 16).float() * 100
    assert float(loss(certain, tokens)) == pytest.approx(0, abs=1e-8)
    assert float(loss(torch.zeros_like(certain), tokens)) > 1e-4
    frames = tokenizer.decode_vectors(tokenizer.quantizer.codes(tokens))
    assert float(loss(certain, tokens, frames + 0.5)) == pytest.approx(0.25, abs=1e-5)
    logits = torch.zeros_like(certain).requires_grad_()
    loss(logits, tokens).backward()
    assert logits.grad is not None
    assert (logits.grad.abs().sum((2, 3, 4)) > 0).all()


def test_a_framewise_tokenizer_decodes_vectors_too() -> None:
    """Of logits that are sure of the truth nothing is left but rounding."""
    tokenizer = make_tokenizer(image_size=16).requires_grad_(False)
    tokens = torch.randint(24, (2, 3, *tokenizer.grid), generator=torch.Generator().manual_seed(0))
    sure = 60.0 * F.one_hot(tokens[:, 1:], 24)
    loss = DecoderLoss(tokenizer)
    assert float(loss(sure, tokens)) < 1e-10
    assert float(loss(sure.flip(0), tokens)) > 1e-4
