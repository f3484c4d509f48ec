import json

import numpy as np
import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation import Clips, EvalConfig, evaluate
from genieredux.evaluation.clips import Origin
from genieredux.evaluation.measure import Bench
from genieredux.evaluation.metrics import PSNR_CAP_DB
from genieredux.evaluation.probes import Probes
from genieredux.evaluation.team import Alone
from genieredux.models.world.fake import FakeWorld

CONFIG = EvalConfig(batch_size=5, resamples=200)


def test_a_perfect_world_reaches_the_ceiling(make_clips):
    result = evaluate(FakeWorld(), {"test.random": make_clips()}, CONFIG).sets["test.random"]
    model, ceiling = result.psnr["model"].estimate.mean, result.psnr["tokenizer_only"].estimate.mean
    assert ceiling.mean() > result.psnr["repeat_last"].estimate.mean.mean() + 3
    # The texture stays in place, so the tokens of the truth are the world's own.
    np.testing.assert_allclose(model, ceiling, atol=0.05)
    assert result.gain_average.low > 0
    assert result.clips == 8
    assert result.episodes == 4


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_world_that_ignores_actions_has_no_delta_psnr(make_clips, noise):
    config = EvalConfig(batch_size=5, resamples=200, last_action_horizons=(1, 4, 10))
    world = FakeWorld(obeys=False, noise=noise)
    result = evaluate(world, {"a": make_clips()}, config).sets["a"]
    for by_horizon in result.delta_psnr.values():
        # Exactly: with common random numbers both rollouts are the same frames.
        assert (by_horizon.estimate.mean == 0).all()
        assert (by_horizon.estimate.high == 0).all()


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_world_that_obeys_has_a_positive_delta_psnr(make_clips, noise):
    result = evaluate(FakeWorld(noise=noise), {"a": make_clips(episodes=12)}, CONFIG).sets["a"]
    for name in ("genie", "last_action"):
        assert result.delta_psnr[name].at(4).low > 0.5
    assert result.delta_psnr["last_action"].horizon == (4,)
    assert result.delta_psnr["genie"].horizon == tuple(range(1, 11))


def test_same_seed_same_bytes_whatever_the_batch(make_clips):
    sets = {"test.random": make_clips(episodes=2), "test.held": make_clips(episodes=1, held=True)}

    def text(**changes):
        config = EvalConfig(**{"batch_size": 4, "resamples": 50, **changes})
        results = evaluate(FakeWorld(noise=0.3), sets, config).to_json()
        return json.dumps(results, sort_keys=True)

    assert text() == text() == text(batch_size=3)
    assert text() != text(seed=1)


def test_json_holds_what_is_promised_and_only_numbers(make_clips):
    still = make_clips(texture=0)
    still.frames[:] = still.frames[:, :1]  # nothing moves: repeat_last is perfect, PSNR infinite
    sets = {"test.random": make_clips(), "test.held": still, "test.one": make_clips(episodes=1)}
    results = json.loads(json.dumps(evaluate(FakeWorld(), sets, CONFIG).to_json(), allow_nan=False))
    for name, one in results.items():
        for metric in ("psnr", "ssim"):
            assert set(one[metric]) == {"model", "repeat_last", "tokenizer_only"}
            assert all(len(values) == 10 for values in one[metric].values())
            assert set(one[f"{metric}_interval"]["model"]) == {"low", "high"}
        assert set(one["delta_psnr"]) == {"genie", "last_action"}
        for estimate in one["delta_psnr"].values():
            assert set(estimate) == {"mean", "low", "high"}
            assert (estimate["low"] is None) == (name == "test.one")  # one episode has no interval
        by_horizon = one["delta_psnr_by_horizon"]["genie"]
        assert by_horizon["mean"][3] == one["delta_psnr"]["genie"]["mean"]
        assert one["clips"] == (2 if name == "test.one" else 8)
    assert results["test.held"]["psnr"]["repeat_last"] == [PSNR_CAP_DB] * 10
    assert results["test.held"]["capped_frames"]["repeat_last"] == 80


def test_every_rollout_of_a_clip_is_decoded_alike(make_clips):
    """Equal seeds, equal sampling, and the compared rollouts have as many frames."""
    calls = []

    class Watched(FakeWorld):
        def rollout(self, prompt, actions, seed=0, sampling=None):
            calls.append((actions.shape[1], tuple(seed), sampling))
            return super().rollout(prompt, actions, seed, sampling)

    evaluate(Watched(), {"a": make_clips(episodes=2)}, EvalConfig(resamples=10), sampling="greedy")
    assert {seeds for _, seeds, _ in calls} == {calls[0][1]}
    assert {sampling for _, _, sampling in calls} == {"greedy"}
    assert sorted(length for length, _, _ in calls) == [5, 5, 11, 11]


def test_kept_clips_and_progress(make_clips):
    seen = []
    config = EvalConfig(batch_size=3, resamples=10, keep_clips=3)
    sets = {"a": make_clips(), "b": make_clips(seed=2)}
    result = evaluate(FakeWorld(), sets, config, progress=lambda *step: seen.append(step))
    assert seen == [(3, 16, "a"), (6, 16, "a"), (8, 16, "a"), (11, 16, "b"), (14, 16, "b"), (16, 16, "b")]
    kept = result.sets["a"].kept
    assert kept.index.tolist() == [0, 4, 7]
    assert kept.model.shape == kept.truth.shape == (3, 12, 64, 64, 3)
    assert kept.entropy.shape == (3, 10, 8, 8)
    assert (kept.model[:, :2] == kept.truth[:, :2]).all()
    assert (kept.truth == sets["a"].frames[kept.index]).all()
    none = evaluate(FakeWorld(), sets, EvalConfig(keep_clips=0, resamples=10))
    assert none.sets["a"].kept is None


def test_bad_input_is_named(make_clips):
    clips = make_clips(episodes=1)
    world = FakeWorld()
    empty = Clips(clips.frames[:0], clips.actions[:0], clips.episodes[:0])
    for message, arguments in {
        "no test set": (world, {}, CONFIG),
        "no clip": (world, {"a": empty}, CONFIG),
        r"Lower eval.horizon to 10": (world, {"a": clips}, EvalConfig(horizon=20)),
        "64x64 pixels": (FakeWorld(image_size=32), {"a": clips}, CONFIG),
        "action [234]": (FakeWorld(("LEFT", "RIGHT")), {"a": make_clips()}, CONFIG),
        "single action": (FakeWorld(("LEFT",)), {"a": clips}, CONFIG),
    }.items():
        with pytest.raises(UserError, match=message):
            evaluate(*arguments)
    with pytest.raises(UserError, match=r"eval.compare_at is 11; .* 1 to 10"):
        EvalConfig(compare_at=11)


def test_a_broken_world_is_named(make_clips):
    class Broken(FakeWorld):
        def decode(self, tokens):
            return super().decode(tokens) * torch.nan

    with pytest.raises(UserError, match="NaN"):
        evaluate(Broken(), {"a": make_clips(episodes=1)}, CONFIG)


def test_seeds_are_averaged_and_their_spread_is_stated(make_clips):
    clips = make_clips()
    config = EvalConfig(batch_size=5, resamples=50, sampling_seeds=3)
    noisy = evaluate(FakeWorld(noise=0.2), {"a": clips}, config).sets["a"]
    singles = [
        evaluate(FakeWorld(noise=0.2), {"a": clips}, EvalConfig(batch_size=5, resamples=50, seed=seed)).sets["a"]
        for seed in range(3)
    ]
    said = noisy.sampling_seeds
    means = [one.psnr["model"].estimate.mean.mean() for one in singles]
    np.testing.assert_allclose(said["psnr"], means)
    assert noisy.psnr["model"].estimate.mean.mean() == pytest.approx(np.mean(means))
    assert said["spread"]["psnr"] == pytest.approx(np.std(means, ddof=1))
    assert said["spread"]["delta_psnr.genie"] > 0
    assert singles[0].sampling_seeds["spread"]["psnr"] is None
    exact = evaluate(FakeWorld(), {"a": clips}, config).sets["a"].sampling_seeds
    assert exact["spread"]["psnr"] == 0  # no noise, no spread


def test_parts_add_up_to_the_whole(make_clips):
    plain = make_clips(episodes=6)
    games = [("mario", "Nes", ("pl", "side")), ("sonic", "Genesis", ("pl",)), ("pong", "Atari2600", ())]
    origins = tuple(Origin(str(episode), 0, *games[episode % 3]) for episode in plain.episodes)
    clips = Clips(plain.frames, plain.actions, plain.episodes, origins)
    world = FakeWorld(noise=0.1)
    result = evaluate(world, {"a": clips}, CONFIG).sets["a"]
    whole = result.psnr["model"].estimate.mean.mean()
    for kind in ("game", "console", "action"):
        rows = result.breakdown[kind].values()
        assert sum(row["frames"] for row in rows) == 12 * 10
        weighted = sum(row["frames"] * row["psnr"]["model"]["mean"] for row in rows) / 120
        assert weighted == pytest.approx(whole)
    assert result.breakdown["tag"]["pl"]["clips"] == 8
    assert "side" in result.breakdown["tag"]
    alone = Clips(*(array[plain.episodes % 3 == 0] for array in (plain.frames, plain.actions, plain.episodes)))
    of_mario = evaluate(FakeWorld(), {"a": alone}, CONFIG).sets["a"]
    exact = evaluate(FakeWorld(), {"a": clips}, CONFIG).sets["a"].breakdown["game"]["mario"]
    assert exact["clips"] == of_mario.clips == 4
    assert exact["psnr"]["model"]["mean"] == pytest.approx(of_mario.psnr["model"].estimate.mean.mean())
    assert exact["psnr"]["model"]["low"] <= exact["psnr"]["model"]["mean"] <= exact["psnr"]["model"]["high"]


def test_an_action_is_blamed_for_the_frame_it_led_to(make_clips):
    class NeverLeft(FakeWorld):
        """Obeys every action but LEFT."""

        def advance(self, tokens, action, obeys=None):
            return super().advance(tokens, action, obeys if self.action_names[action] != "LEFT" or obeys else False)

    clips = make_clips(episodes=10, length=3)
    config = EvalConfig(horizon=1, compare_at=1, resamples=100)
    rows = evaluate(NeverLeft(), {"a": clips}, config).sets["a"].breakdown["action"]
    left = rows.pop("LEFT")["psnr"]
    assert left["tokenizer_only"]["mean"] - left["model"]["mean"] > 3
    for row in rows.values():
        assert row["psnr"]["model"]["mean"] == pytest.approx(row["psnr"]["tokenizer_only"]["mean"], abs=0.1)


def test_the_worst_and_the_best_are_kept(make_clips):
    clips = make_clips(episodes=7)
    config = EvalConfig(batch_size=3, resamples=10, keep_clips=2, keep_extremes=2)
    result = evaluate(FakeWorld(noise=0.2), {"a": clips}, config).sets["a"]
    psnr = result.numbers.values["psnr"]
    order = np.argsort((psnr["model"] - psnr["repeat_last"]).mean(1))
    assert result.ends["worst"].index.tolist() == order[:2].tolist()
    assert result.ends["best"].index.tolist() == order[::-1][:2].tolist()
    assert (result.ends["best"].truth == clips.frames[result.ends["best"].index]).all()
    assert result.kept.index.tolist() == [0, 13]


def test_networks_look_at_every_row_and_at_the_truth(make_clips):
    class Mean:
        """A frame's three mean colours stand for features."""

        id = "mean"

        def __call__(self, frames):
            return frames.mean((-1, -2)) if frames.dim() == 5 else None

    class Gap:
        name = "Gap"

        def __call__(self, predicted, truth):
            return (predicted - truth).abs().mean((-3, -2, -1))

    class AlwaysFirst:
        """Says of every transition that it shows action 0."""

        def predict(self, frames):
            return torch.zeros(len(frames), frames.shape[1] - 1, dtype=torch.int64)

    probes = Probes(frames=Mean(), clips=None, distances=(Gap(),), actions=AlwaysFirst())
    world = FakeWorld(noise=0.3)
    result = evaluate(world, {"a": make_clips()}, CONFIG, team=Alone(Bench(world, probes))).sets["a"]
    assert set(result.metrics["Gap"]) == {"model", "repeat_last", "tokenizer_only"}
    gap = {row: by.estimate.mean.mean() for row, by in result.metrics["Gap"].items()}
    assert gap["tokenizer_only"] < gap["model"]
    assert set(result.metrics["action_accuracy"]) == {*gap, "truth", "random_actions"}
    counts = np.array(result.action_confusion["model"])
    assert counts.sum() == counts[:, 0].sum() == 8 * 10
    right = result.metrics["action_accuracy"]["model"].estimate.mean.mean()
    assert counts[0, 0] / counts.sum() == pytest.approx(right)
    fid = result.frechet["FID"]
    assert fid["rows"]["tokenizer_only"]["all"] < fid["rows"]["model"]["all"]
    assert len(fid["rows"]["model"]["by_horizon"]) == 10
    assert fid["samples"] == 80
    assert fid["floor"] >= 0
    assert "Gap" in result.breakdown["action"]["RIGHT"]
