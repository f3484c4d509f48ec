import json

import numpy as np
import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation import Clips, EvalConfig, evaluate
from genieredux.evaluation.about import About
from genieredux.evaluation.clips import Origin
from genieredux.evaluation.metrics.action_accuracy import ActionAccuracy
from genieredux.evaluation.metrics.fid import Fid
from genieredux.evaluation.metrics.metric import OfRows
from genieredux.frames import PSNR_CAP_DB
from genieredux.models.sampling import Sampling
from genieredux.models.world.fake import FakeWorld

CONFIG = EvalConfig(batch_size=5, resamples=200)


def measured(world, clips, config=CONFIG, **more):
    """The JSON of one test set."""
    return evaluate(world, {"a": clips}, config, **more).to_json()["a"]


def mean(found, metric, row="model"):
    """Over all horizons."""
    return found[metric][row]["average"]["mean"]


def test_a_perfect_world_reaches_the_ceiling(make_clips):
    result = measured(FakeWorld(), make_clips())
    model, ceiling = result["psnr"]["model"]["mean"], result["psnr"]["tokenizer_only"]["mean"]
    assert np.mean(ceiling) > mean(result, "psnr", "repeat_last") + 3
    # The texture stays in place, so the tokens of the truth are the world's own.
    np.testing.assert_allclose(model, ceiling, atol=0.05)
    assert result["gain"]["repeat_last"]["average"]["low"] > 0
    assert mean(result, "gain", "repeat_last") == pytest.approx(np.mean(model) - mean(result, "psnr", "repeat_last"))
    assert result["clips"] == 8
    assert result["episodes"] == 4


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_world_that_ignores_actions_has_no_delta_psnr(make_clips, noise):
    config = EvalConfig(batch_size=5, resamples=200, last_action_horizons=(1, 4, 10))
    world = FakeWorld(obeys=False, noise=noise)
    result = measured(world, make_clips(), config)
    # Exactly: with common random numbers both rollouts are the same frames.
    assert result["delta_psnr"]["genie"]["mean"] == result["delta_psnr"]["genie"]["high"] == [0] * 10
    zero, none = 0.0, None
    assert result["delta_psnr"]["last_action"]["mean"] == [zero, none, none, zero, none, none, none, none, none, zero]
    assert result["action_following"]["model"]["average"] == {"mean": 0.5, "low": 0.5, "high": 0.5}


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_world_that_obeys_has_a_positive_delta_psnr(make_clips, noise):
    result = measured(FakeWorld(noise=noise), make_clips(episodes=12))
    for name in ("genie", "last_action"):
        assert result["delta_psnr"][name]["low"][3] > 0.5
    assert [t for t, value in enumerate(result["delta_psnr"]["last_action"]["mean"], 1) if value is not None] == [4]
    assert None not in result["delta_psnr"]["genie"]["mean"]
    assert result["action_following"]["model"]["average"]["low"] > 0.6


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
    assert results.pop("version") == 2
    about = results.pop("about")
    assert list(about)[:4] == ["psnr", "ssim", "gain", "delta_psnr"]
    assert about["psnr"] == {
        "label": "PSNR",
        "unit": "dB",
        "digits": 2,
        "better": "higher",
        "pooled": False,
        "signed": False,
        "at": "average",
        "few_below": None,
        "relative_to": None,
        "cap": PSNR_CAP_DB,
    }
    for name, one in results.items():
        for metric in about:
            for estimate in one[metric].values():
                assert set(estimate) == {"mean", "low", "high", "average"}
                assert all(len(estimate[key]) == 10 for key in ("mean", "low", "high"))
        for metric in ("psnr", "ssim"):
            assert set(one[metric]) == {"model", "repeat_last", "tokenizer_only"}
        assert set(one["sharpness"]) == {"model", "repeat_last", "tokenizer_only", "truth"}
        assert set(one["delta_psnr"]) == {"genie", "last_action"}
        for estimate in one["delta_psnr"].values():
            assert (estimate["low"][3] is None) == (name == "test.one")  # one episode has no interval
        assert one["clips"] == (2 if name == "test.one" else 8)
    assert results["test.held"]["psnr"]["repeat_last"]["mean"] == [PSNR_CAP_DB] * 10
    assert results["test.held"]["capped_frames"]["repeat_last"] == 80
    assert results["test.held"]["action_following"]["model"]["mean"] == [None] * 10  # nothing moves


def test_every_rollout_of_a_clip_is_decoded_alike(make_clips):
    """Equal seeds, equal sampling, and the compared rollouts have as many frames."""
    calls = []

    class Watched(FakeWorld):
        def rollout(self, prompt, actions, seed=0, sampling=None):
            calls.append((actions.shape[1], tuple(seed), sampling))
            return super().rollout(prompt, actions, seed, sampling)

    together = Sampling(method="one_go")  # so that a rollout of t frames is not the beginning of a longer one
    evaluate(Watched(), {"a": make_clips(episodes=2)}, EvalConfig(resamples=10), sampling=together)
    assert {seeds for _, seeds, _ in calls} == {calls[0][1]}
    assert {sampling for _, _, sampling in calls} == {together}
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
    noisy = measured(FakeWorld(noise=0.2), clips, config)
    alone = [EvalConfig(batch_size=5, resamples=50, seed=seed) for seed in range(3)]
    singles = [measured(FakeWorld(noise=0.2), clips, one) for one in alone]
    said = noisy["sampling_seeds"]
    for metric, row in (("psnr", "model"), ("ssim", "model"), ("gain", "repeat_last"), ("action_following", "model")):
        means = [mean(one, metric, row) for one in singles]
        np.testing.assert_allclose(said["means"][metric][row], means)
        assert mean(noisy, metric, row) == pytest.approx(np.mean(means))
        assert said["spread"][metric][row] == pytest.approx(np.std(means, ddof=1))
    at_4 = [one["delta_psnr"]["genie"]["mean"][3] for one in singles]
    np.testing.assert_allclose(said["means"]["delta_psnr"]["genie"], at_4)
    assert set(said["means"]["psnr"]) == {"model"}  # the others need no dynamics
    assert singles[0]["sampling_seeds"] == {"seeds": [0], "means": {}, "spread": {}}
    exact = measured(FakeWorld(), clips, config)["sampling_seeds"]
    assert exact["spread"]["psnr"]["model"] == 0  # no noise, no spread


def test_parts_add_up_to_the_whole(make_clips):
    plain = make_clips(episodes=6)
    games = [("mario", "Nes", ("pl", "side")), ("sonic", "Genesis", ("pl",)), ("pong", "Atari2600", ())]
    origins = tuple(Origin(str(episode), 0, *games[episode % 3]) for episode in plain.episodes)
    clips = Clips(plain.frames, plain.actions, plain.episodes, origins)
    world = FakeWorld(noise=0.1)
    result = measured(world, clips)
    whole = mean(result, "psnr")
    for kind in ("game", "console", "action"):
        rows = result["breakdown"][kind].values()
        assert sum(row["frames"] for row in rows) == 12 * 10
        weighted = sum(row["frames"] * row["psnr"]["model"]["mean"] for row in rows) / 120
        assert weighted == pytest.approx(whole)
    assert result["breakdown"]["tag"]["pl"]["clips"] == 8
    assert "side" in result["breakdown"]["tag"]
    alone = Clips(*(array[plain.episodes % 3 == 0] for array in (plain.frames, plain.actions, plain.episodes)))
    of_mario = measured(FakeWorld(), alone)
    exact = measured(FakeWorld(), clips)["breakdown"]["game"]["mario"]
    assert exact["clips"] == of_mario["clips"] == 4
    for metric, row in (("psnr", "model"), ("sharpness", "repeat_last"), ("gain", "repeat_last")):
        assert exact[metric][row]["mean"] == pytest.approx(mean(of_mario, metric, row))
    assert exact["psnr"]["model"]["low"] <= exact["psnr"]["model"]["mean"] <= exact["psnr"]["model"]["high"]


def test_a_part_that_is_the_whole_has_its_headline_numbers(make_clips):
    plain = make_clips(episodes=4)
    origins = tuple(Origin(str(episode), 0, "mario", "Nes", ()) for episode in plain.episodes)
    clips = Clips(plain.frames, plain.actions, plain.episodes, origins)
    result = measured(FakeWorld(noise=0.1), clips)
    part = result["breakdown"]["game"]["mario"]
    assert part["delta_psnr"]["genie"]["mean"] == pytest.approx(result["delta_psnr"]["genie"]["mean"][3])
    assert part["psnr"]["model"]["mean"] == pytest.approx(mean(result, "psnr"))


def test_an_action_is_blamed_for_the_frame_it_led_to(make_clips):
    class NeverLeft(FakeWorld):
        """Obeys every action but LEFT."""

        def advance(self, tokens, action, obeys=None):
            return super().advance(tokens, action, obeys if self.action_names[action] != "LEFT" or obeys else False)

    clips = make_clips(episodes=10, length=3)
    config = EvalConfig(horizon=1, compare_at=1, resamples=100)
    rows = measured(NeverLeft(), clips, config)["breakdown"]["action"]
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
            return frames.mean((-1, -2))

    class Gap(OfRows):
        about = About("gap", "Gap", better="lower")

        def compare(self, frames, truth):
            return (frames - truth).abs().mean((-3, -2, -1))

    class AlwaysFirst:
        """Says of every transition that it shows action 0."""

        def predict(self, frames):
            return torch.zeros(len(frames), frames.shape[1] - 1, dtype=torch.int64)

    metrics = [Fid(Mean()), Gap(), ActionAccuracy(AlwaysFirst())]
    result = measured(FakeWorld(noise=0.3), make_clips(), metrics=metrics)
    assert set(result["gap"]) == {"model", "repeat_last", "tokenizer_only"}
    assert mean(result, "gap", "tokenizer_only") < mean(result, "gap")
    assert set(result["action_accuracy"]) == {*result["gap"], "truth", "random_actions"}
    counts = np.array(result["action_confusion"]["model"])
    assert counts.sum() == counts[:, 0].sum() == 8 * 10
    assert counts[0, 0] / counts.sum() == pytest.approx(mean(result, "action_accuracy"))
    fid = result["FID"]
    assert fid["rows"]["tokenizer_only"]["all"] < fid["rows"]["model"]["all"]
    assert len(fid["rows"]["model"]["by_horizon"]) == 10
    assert fid["samples"] == 80
    assert fid["floor"] >= 0
    assert "gap" in result["breakdown"]["action"]["RIGHT"]


def test_repeat_the_last_frame_is_the_prompts_last_frame(make_clips):
    """And every other row is what its name says."""
    from genieredux.evaluation.subjects.drawn import Batch
    from genieredux.evaluation.subjects.world import WorldSubject

    clips = make_clips(episodes=2)
    world = FakeWorld(noise=0.2)
    batch = Batch((0, 1), 4, clips.frames[:2], clips.actions[:2], prompt_frames=2)
    drawn = WorldSubject(world, CONFIG).draw(batch, seed=3)
    frames = batch.as_floats
    assert torch.equal(drawn.frames("repeat_last"), frames[:, 1:2].expand(-1, 10, -1, -1, -1))
    assert not torch.equal(drawn.frames("repeat_last"), frames[:, 2:])
    assert torch.equal(drawn.frames("truth"), frames[:, 2:])
    assert torch.equal(drawn.frames("tokenizer_only"), world.decode(world.encode(frames))[:, 2:])
    assert torch.equal(drawn.actions_of("model"), batch.taken)
    assert torch.equal(drawn.actions_of("random_actions")[:, :1], batch.taken[:, :1])
    assert not torch.equal(drawn.actions_of("random_actions"), batch.taken)


def test_entropies_that_are_no_numbers_are_named_before_the_work(make_clips):
    class Huge(FakeWorld):
        def rollout(self, prompt, actions, seed=0, sampling=None):
            dreamed = super().rollout(prompt, actions, seed, sampling)
            return type(dreamed)(dreamed.frames, dreamed.tokens, dreamed.entropy * torch.nan)

    with pytest.raises(UserError, match=r"entropies that are not numbers .* far too large"):
        evaluate(Huge(), {"a": make_clips(episodes=1)}, CONFIG)
