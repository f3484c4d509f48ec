"""The space-time dynamics, every option: what it may see, cached equals uncached, what is supervised, its size."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from factories import ACTIONS
from genieredux.errors import UserError
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.dynamics.maskgit_config import MaskGITConfig
from genieredux.models.types import Batch
from genieredux.nn.precision import autocast
from models.dynamics.variants import CODES, GRID, VARIANTS, hide_some, make, other_actions, play, whole

every_option = pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@every_option
@torch.no_grad()
def test_the_future_changes_nothing_before_it(settings: dict[str, Any]) -> None:
    model = make(**settings)
    tokens, actions = play(model, 6)
    before = whole(model, tokens, actions)
    close(whole(model, tokens[:, :3], actions[:, :3]), before[:, :3])
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % CODES
    after = whole(model, changed, actions)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3], atol=1e-3)
    acted = actions.clone()
    acted[:, 3] = other_actions(actions)[:, 3]
    first = 3 if model.config.objective == "next_frame_shift" else 4  # in place: the frame that action 3 leads to
    after = whole(model, tokens, acted)
    assert torch.equal(before[:, :first], after[:, :first])
    assert not torch.allclose(before[:, first], after[:, first], atol=1e-3)


@every_option
@pytest.mark.parametrize("window", [2, 16])
@torch.no_grad()
def test_cached_equals_uncached(settings: dict[str, Any], window: int) -> None:
    """Known frames in pieces, then up to three frames with hidden tokens that the cache does not keep."""
    model = make(**settings, window=window)
    tokens, actions = play(model, 7)
    tokens[:, 4:] = hide_some(tokens[:, 4:], model.mask_id)
    shift = model.config.objective == "next_frame_shift"
    uncached = whole(model, tokens, actions)
    memory = model.new_memory()
    model.observe(tokens[:, :1], actions[:, :1], memory)
    outlook = model.observe(tokens[:, 1:4], actions[:, 1:4], memory)
    for length in (3, 1, 2):
        said = model.predict(outlook, tokens[:, 4 : 4 + length], actions[:, 4 : 3 + length])
        start = 3 if shift else 4
        close(said, uncached[:, start : start + length])


@pytest.mark.parametrize("window", [2, 16])
@pytest.mark.parametrize("name", [name for name, options in VARIANTS.items() if "clean history" in name])
@torch.no_grad()
def test_what_is_trained_in_place_is_what_is_decoded(name: str, window: int) -> None:
    """Both streams in one pass give what each frame gives after a cache of the clean frames before it."""
    model = make(**VARIANTS[name], window=window)
    tokens, actions = play(model, 6)
    drafts = hide_some(tokens[:, 1:], model.mask_id)
    together = model.draft_logits(tokens[:, :-1], drafts, model.condition(actions[:, :-1]))
    memory = model.new_memory()
    for k in range(5):
        outlook = model.observe(tokens[:, k : k + 1], actions[:, k : k + 1], memory)
        close(model.predict(outlook, drafts[:, k : k + 1], actions[:, :0]), together[:, k : k + 1])


@every_option
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_a_gradient_reaches_every_parameter(settings: dict[str, Any], precision: str) -> None:
    model = make(**settings).train()
    tokens, actions = play(model, 6, clips=4)
    with autocast(precision, tokens.device):
        losses = model(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator().manual_seed(1))
    losses.total.backward()
    assert torch.isfinite(losses.total)
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


@every_option
def test_the_loss_falls_where_sampling_reads(settings: dict[str, Any]) -> None:
    """Everywhere under the shift (the published option aside), at hidden tokens and only those in place."""
    model = make(**settings, history_noise=0.2).train()
    kept: dict[str, Tensor] = {}
    inner = model._shifted

    def spy(*arguments: Any) -> Any:
        made = inner(*arguments)
        made.logits.retain_grad()
        kept.update(logits=made.logits, weight=made.weight)
        return made

    model._shifted = spy  # type: ignore[method-assign]
    tokens, actions = play(model, 6, clips=8)
    model(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator().manual_seed(1)).total.backward()
    touched = kept["logits"].grad.abs().sum(-1) > 0  # type: ignore[union-attr]
    assert torch.equal(touched, kept["weight"].bool())
    everywhere = model.config.objective == "next_frame_shift" and model.config.supervise == "all"
    assert bool(touched.all()) == everywhere


def masks(model: MaskGIT, clips: int = 64) -> Tensor:
    """Which tokens of frames 1..T-1 (in place) or 0..T-2 (shift) were hidden, seen from outside."""
    seen: list[Tensor] = []
    name = "in_place_logits" if model.config.objective == "in_place" else "shifted_logits"
    inner = getattr(model, name)

    def spy(tokens: Tensor, condition: Tensor) -> Tensor:
        seen.append(tokens == model.mask_id)
        return inner(tokens, condition)

    setattr(model, name, spy)
    tokens, actions = play(model, 5, clips=clips)
    with torch.no_grad():
        model.train()(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator().manual_seed(3))
    return seen[0]


@pytest.mark.parametrize("objective", ["next_frame_shift", "in_place"])
def test_clips_begin_with_clean_frames(objective: str) -> None:
    hidden = masks(make(objective=objective)).flatten(2).any(2)
    assert not hidden[:, 0].any()  # the prompt's first frame
    assert (hidden.cummax(1).values == hidden).all()  # once hidden, hidden to the end (up to 1e-4 of chance)
    shares = hidden.float().mean(0)[1:]
    assert (shares.diff() > 0).all()  # the later a frame, the more often
    assert 0.1 < float(shares[0]) < 0.4
    nothing = (~hidden).all(1).float().mean()
    assert (0.1 < nothing < 0.5) if objective == "next_frame_shift" else nothing == 0


@pytest.mark.parametrize("per", ["batch", "clip"])
def test_each_clip_draws_its_own_ratio(per: str) -> None:
    hidden = masks(make(clean_history="none", mask_ratio_per=per, grid=(8, 8)), clips=16)
    ratios = hidden.flatten(1).float().mean(1)
    assert 0.4 < float(ratios.min()) <= float(ratios.max()) <= 1
    assert (float(ratios.max() - ratios.min()) > 0.2) == (per == "clip")


@pytest.mark.parametrize("conditioning", ["concat_every_layer", "add", "add_every_block", "film", "prepend"])
def test_at_the_papers_size_it_has_80_million_parameters(conditioning: str) -> None:
    """P24, P25: GenieRedux-G is 180 M, 100 of them the tokenizer's. Published guided: 256 M (published_code.md, 3)."""
    assert size(MaskGITConfig(conditioning=conditioning)) == pytest.approx(80e6, rel=0.02)  # type: ignore[arg-type]


def test_the_published_settings_have_the_published_sizes() -> None:
    """Position rows of part of a frame, norms that were never used aside; the action embedding is counted here."""
    unused_rows, unused_norms = 8000 - 31 * 256, 24
    assert size(MaskGITConfig.published(guided=False)) + 512 * (unused_rows + unused_norms) == 81_032_968
    unused_rows = 4000 - 15 * 256
    assert size(MaskGITConfig.published()) + 512 * (unused_rows + 2 * unused_norms - 5) == 256_026_888


def size(config: MaskGITConfig) -> int:
    vectors = 512 if config.gradient_shrink != 1 else 32  # published: the codebook projected out
    with torch.device("meta"):
        model = MaskGIT(config, torch.empty(1024, vectors), (16, 16), 5)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("guided", [True, False])
@torch.no_grad()
def test_the_published_function(guided: bool) -> None:
    """Embedding, plus ten times the projected code where the token is known, plus position; the action beside it or
    added; blocks; a linear map."""
    config = MaskGITConfig.published(guided)
    small = dataclasses.replace(config, dim=16, action_dim=16, blocks=2, heads=2, dim_head=8, bias_dim=8, max_frames=5)
    torch.manual_seed(0)
    codes = torch.randn(CODES, 16)
    model = MaskGIT(small, codes, GRID, 5).eval()
    tokens = hide_some(torch.randint(CODES, (2, 4, *GRID)), CODES)
    actions = torch.randint(5, (2, 4)) if guided else torch.randn(2, 4, 16)
    assert model.inputs.token_emb is not None
    x = model.inputs.token_emb.weight[tokens] + model.inputs.pos_emb[:4]
    if guided:
        assert model.action_emb is not None
        x = x + 10 * torch.where((tokens < CODES)[..., None], codes[tokens.clamp_max(CODES - 1)], 0.0)
        vector = model.action_emb.weight[actions][:, :, None, None].expand_as(x)
        features = model.transformer(torch.cat([x, vector], -1))
    else:
        features = model.transformer(x + actions[:, :, None, None])
    expected = features @ model.to_logits.weight.t() + model.to_logits.bias  # type: ignore[operator, union-attr]
    close(model.shifted_logits(tokens, model.condition(actions)), expected)


def test_shrinking_the_gradient_leaves_the_values() -> None:
    tokens, actions = play(make(), 4)
    grads, values = [], []
    for shrink in (1.0, 0.1):
        model = make(gradient_shrink=shrink).train()
        made = model.shifted_logits(tokens, model.condition(actions))
        made.square().mean().backward()
        values.append(made.detach())
        grads.append(model.inputs.token_emb.weight.grad)  # type: ignore[union-attr]
    assert torch.equal(*values)
    close(grads[0] * 0.1, grads[1])  # type: ignore[operator]


def test_action_embeddings_are_trained_and_saved() -> None:
    model = make(action_input="embedding").train()
    tokens, actions = play(model, 4)
    model(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator()).total.backward()
    assert model.action_emb is not None
    assert (model.action_emb.weight.grad[actions[:, :-1].unique()].abs().sum(-1) > 0).all()  # type: ignore[index]
    assert "action_emb.weight" in model.state_dict()


def test_validation_tells_the_next_frame_of_every_option_alike() -> None:
    """With uniform logits the next frame costs ln K nats, whatever the objective hides."""
    for settings in VARIANTS.values():
        model = make(**settings)
        with torch.no_grad():
            for parameter in model.to_logits.parameters():
                parameter.zero_()
        tokens, actions = play(model, 4)
        parts = model(Batch(tokens=tokens, actions=actions[:, :-1]), torch.Generator().manual_seed(0)).parts
        assert float(parts["next_frame"]) == pytest.approx(torch.log(torch.tensor(float(CODES))).item(), abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"conditioning": "adds"}, "dynamics.conditioning is 'adds'; did you mean add"),
        ({"blocks": 0}, r"dynamics.blocks is 0; it must be from 1 to"),
        ({"history_noise": 2}, r"history_noise is 2; it must be from 0 to 1"),
        ({"tdce_weight": -1}, r"tdce_weight is -1; it must be from 0 to"),
        ({"supervise": "masked", "clean_history": "all"}, "set supervise=all"),
    ],
)
def test_what_cannot_be_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MaskGITConfig(**settings)


def test_actions_of_another_form_are_refused() -> None:
    tokens, indices = play(make(), 3)
    with pytest.raises(ValueError, match=r"vectors of 3 values; this dynamics takes one_hot actions of 5"):
        make().condition(torch.randn(2, 3, 3))
    with pytest.raises(ValueError, match="not indices"):
        make(action_input="given", action_dim=3).condition(indices)
    with pytest.raises(ValueError, match="lacks one of them"):
        make()(Batch(tokens=tokens))
    assert len(ACTIONS) == make().num_actions
