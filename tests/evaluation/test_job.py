"""`evaluate_file` on the toy data set, as the command line calls it."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from factories import ACTIONS, make_tokenizer
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig
from genieredux.evaluation.clips import cut_clips
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.job import evaluate_file
from genieredux.evaluation.numbers import read_parquet
from genieredux.evaluation.opening import model_name
from genieredux.evaluation.subjects.world import begins_alike
from genieredux.models.build import build_model
from genieredux.models.checkpoint import load_model, save_model
from genieredux.models.sampling import Sampling
from genieredux.models.world.model import WorldModel
from genieredux.report import write


def config_of(toy, tmp_path, **changes):
    values = {
        "model_fpath": str(getattr(toy, "world", "")),
        "num_clips": 4,
        "seq_step": 5,
        "resamples": 50,
        "keep_clips": 2,
        "precision": "32",
        "metrics": (),
        "save_root_dpath": str(tmp_path / "out"),
    }
    return EvalJobConfig(**{**values, **changes})


@pytest.fixture
def dataset(toy):
    return Dataset.open(str(toy.dataset))


def results_of(made):
    results = json.loads(made.results.read_text())
    made_by = results.pop("made_by")
    assert results.pop("version") == 2
    about = results.pop("about")
    for one in results.values():
        assert {"psnr", "ssim"} <= set(one) & set(about)
    return results, made_by


def test_a_world_leaves_everything_that_is_promised(toy, dataset, tmp_path):
    config = config_of(toy, tmp_path, drift_frames=15, drift_clips=2, sampling_seeds=2)
    seen = []
    made = evaluate_file(config, dataset, lambda *step: seen.append(step))
    assert made.folder == tmp_path / "out" / "run-7" / "toy"
    results, made_by = results_of(made)
    assert list(results) == ["test.held", "test.random"]
    assert seen[-1] == (4, 4, "test.random, drift")
    for one in results.values():
        assert set(one["breakdown"]) == {"game", "console", "tag", "policy", "action"}
        assert set(one["breakdown"]["tag"]) == {"side", "pl", "shooter"}
        assert one["breakdown"]["game"]["mario"]["clips"] + one["breakdown"]["game"]["sonic"]["clips"] == 4
        assert one["drift"]["frames"] == 15
        assert one["sampling_seeds"]["seeds"] == [0, 1]
        assert one["calibration"]["tokens"] == 4 * 10 * 64
    assert made_by["model"]["step"] == 7
    assert made_by["config"]["sampling_seeds"] == 2
    numbers = read_parquet(made.folder / "clips.parquet")
    for name, one in numbers.items():
        np.testing.assert_allclose(one.values["psnr"]["model"].mean(0), results[name]["psnr"]["model"]["mean"])
    rows = list(csv.DictReader((made.folder / "results.csv").open()))
    of_game = [row for row in rows if row["part"] == "mario" and row["metric"] == "psnr" and row["row"] == "model"]
    assert float(of_game[0]["mean"]) == pytest.approx(
        results["test.held"]["breakdown"]["game"]["mario"]["psnr"]["model"]["mean"], rel=1e-5
    )
    with np.load(made.folder / "pictures.npz") as pictures:
        assert pictures["test.held/even/model"].shape == (2, 12, 32, 32, 3)
        assert pictures["test.held/worst/truth"].shape == (3, 12, 32, 32, 3)
        assert pictures["drift/test.held/model"].shape == (2, 17, 32, 32, 3)
    assert not (made.folder / "report.html").exists()  # whoever wants a page has it made from the folder
    assert (made.folder / "media" / "test.held.drift.mp4").stat().st_size > 0
    assert "over 2 sampling seeds" in "\n".join(made.lines)


def test_without_control_nothing_is_said_of_it(toy, dataset, tmp_path):
    made = evaluate_file(config_of(toy, tmp_path, eval_control=False, keep_extremes=0), dataset)
    results, _ = results_of(made)
    assert "delta_psnr" not in results["test.held"]
    assert "action_following" not in results["test.held"]
    assert "delta_psnr" not in results["test.held"]["breakdown"]["action"]["RIGHT"]
    with np.load(made.folder / "pictures.npz") as pictures:
        assert not [name for name in pictures if "random_actions" in name or "worst" in name]


def test_the_cache_changes_no_number_and_saves_the_tokenizer(toy, dataset, tmp_path, monkeypatch):
    config = config_of(toy, tmp_path, enable_cache=True, num_clips=2, keep_clips=1, keep_extremes=0, eval_control=False)
    encoded = []
    encode = WorldModel.encode
    monkeypatch.setattr(WorldModel, "encode", lambda world, f: encoded.append(f.shape[1]) or encode(world, f))
    fresh, _ = results_of(evaluate_file(replace(config, enable_cache=False), dataset))
    first, _ = results_of(evaluate_file(config, dataset))
    assert 12 in encoded  # whole clips
    encoded.clear()
    files = sorted((tmp_path / "out" / "cache").glob("truth-*.npz"))
    assert len(files) == 2
    second, _ = results_of(evaluate_file(config, dataset))
    assert fresh == first == second
    assert set(encoded) <= {2}  # prompts at the most
    files[0].write_bytes(b"damaged")
    assert results_of(evaluate_file(config, dataset))[0] == first
    other = replace(config, seed=1)
    assert results_of(evaluate_file(other, dataset))[0] != first
    assert len(list((tmp_path / "out" / "cache").glob("truth-*.npz"))) > 2  # other clips, another file


def test_one_go_of_a_world_that_cannot_is_said_and_measured_frame_by_frame(toy, dataset, tmp_path, caplog):
    config = config_of(toy, tmp_path, num_clips=2, keep_clips=1, keep_extremes=0)
    plain, _ = results_of(evaluate_file(config, dataset))
    for changes in ({"inference_method": "one_go"}, {"dream_length": 2}):
        caplog.clear()
        asked, made_by = results_of(evaluate_file(replace(config, **changes), dataset))
        assert asked == plain
        assert made_by["sampling"]["method"] == "autoregressive"
        assert made_by["config"]["inference_method"] == changes.get("inference_method")
        (line,) = [record for record in caplog.records if "one frame at a time" in record.message]
        assert line.levelname == "WARNING"


def test_a_rollout_of_t_frames_is_the_beginning_of_a_longer_one(toy, dataset):
    """Why the true rollout is not dreamed again for delta PSNR."""
    world = WorldModel.load(toy.world)
    frames, actions = cut_clips(dataset, 12, 4).batch(0, 4)
    sampling = Sampling(steps=3)
    assert begins_alike(world, sampling, 4)
    long = world.rollout(frames[:, :2], actions, [1, 2, 3, 4], sampling)
    short = world.rollout(frames[:, :2], actions[:, :5], [1, 2, 3, 4], sampling)
    assert (short.tokens == long.tokens[:, :4]).all()
    assert torch.equal(short.frames, long.frames[:, :4])
    assert not begins_alike(world, Sampling(method="one_go"), 4)
    assert not begins_alike(world, Sampling(dream_length=2), 3)
    assert begins_alike(world, Sampling(dream_length=2), 4)


@pytest.fixture(scope="module")
def st_world(toy, tmp_path_factory):
    """The file of a world that decides frames together."""
    tokenizer = make_tokenizer()
    torch.manual_seed(1)
    settings = {"architecture": "st_maskgit", "dim": 32, "blocks": 1, "heads": 2, "dim_head": 16}
    model = build_model("genie_redux_guided", settings, tokenizer=tokenizer, action_names=ACTIONS)
    section = load_model(toy.tokenizer).model
    return save_model(
        tmp_path_factory.mktemp("st") / "st" / "model-1.pt",
        model.kind,
        model.config,
        model.state_dict(),
        metadata={"action_names": list(ACTIONS)},
        sections={"tokenizer": section},
    )


def test_the_papers_protocol_in_one_go_and_two_frames_at_a_time(st_world, dataset, tmp_path, caplog):
    small = {"model_fpath": str(st_world), "num_clips": 2, "keep_clips": 1, "keep_extremes": 0}
    papers = {"inference_steps": 3, "temperature": 1.0, "choice": "mode", "dream_length": 2}
    config = config_of(None, tmp_path, **small, **papers)
    two, by_two = results_of(evaluate_file(config, dataset))
    once, at_once = results_of(evaluate_file(replace(config, inference_method="one_go"), dataset))
    assert (by_two["sampling"]["method"], by_two["sampling"]["dream_length"]) == ("autoregressive", 2)
    assert at_once["sampling"]["method"] == "one_go"
    assert two["test.held"]["psnr"]["model"] != once["test.held"]["psnr"]["model"]
    assert two["test.held"]["psnr"]["tokenizer_only"] == once["test.held"]["psnr"]["tokenizer_only"]
    assert not [record for record in caplog.records if "one frame at a time" in record.message]


def test_which_rule_decides_tokens_is_asked_for_said_and_shown(st_world, dataset, tmp_path):
    asked = {"inference_steps": 4, "temperature": 5.0, "choice": "mode", "num_clips": 2, "keep_extremes": 0}
    config = config_of(None, tmp_path, model_fpath=str(st_world), keep_clips=1, **asked)
    as_the_world = evaluate_file(replace(config, save_root_dpath=str(tmp_path / "world")), dataset)
    by_rule = {}
    for rule in ("kept", "published"):
        made = evaluate_file(replace(config, decided=rule, save_root_dpath=str(tmp_path / rule)), dataset)
        numbers, made_by = results_of(made)
        by_rule[rule] = numbers["test.held"]["psnr"]
        assert made_by["sampling"]["decided"] == rule
        assert f"(eval.decided={rule})" in made.lines[-1]
        assert f"sampling.decided: {rule}" in write(made.folder).read_text()
    assert by_rule["kept"]["model"] != by_rule["published"]["model"]
    assert by_rule["kept"]["tokenizer_only"] == by_rule["published"]["tokenizer_only"]
    assert results_of(as_the_world)[0]["test.held"]["psnr"] == by_rule["kept"]
    assert as_the_world.lines[-1].startswith("drawn: 4 steps at temperature 5, choice mode, frame by frame; a token")


def test_whole_steps_of_two_frames_begin_alike(st_world, dataset):
    world = WorldModel.load(st_world)
    frames, actions = cut_clips(dataset, 12, 4).batch(0, 4)
    sampling = Sampling(steps=3, dream_length=2)
    assert begins_alike(world, sampling, 4)
    long = world.rollout(frames[:, :2], actions, [1, 2, 3, 4], sampling)
    short = world.rollout(frames[:, :2], actions[:, :5], [1, 2, 3, 4], sampling)
    assert (short.tokens == long.tokens[:, :4]).all()


@pytest.mark.parametrize("part", ["model", "tokenizer"])
def test_weights_that_are_finite_and_far_too_large_are_one_line(toy, dataset, tmp_path, part):
    data = load_model(toy.world)
    sections = {**data.sections, "model": data.model}
    state = {name: of * 1e30 if of.is_floating_point() else of for name, of in sections[part].state_dict.items()}
    sections[part] = replace(sections[part], state_dict=state)
    model = sections.pop("model")
    facts = {"metadata": data.metadata, "sections": sections}
    path = save_model(tmp_path / "huge" / "model-1.pt", model.kind, model.config, model.state_dict, **facts)
    with pytest.raises(UserError, match=r"are not numbers .*far too large; use another checkpoint") as caught:
        evaluate_file(config_of(None, tmp_path, model_fpath=str(path)), dataset)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_action_by_index_and_by_name_are_the_same(toy, dataset, tmp_path):
    made = [evaluate_file(config_of(toy, tmp_path, action_to_take=which), dataset) for which in (1, "left", "1")]
    assert len({one.folder for one in made}) == 1
    said = json.loads(made[0].results.read_text())
    assert (said["action"], said["index"]) == ("LEFT", 1)
    assert {"change", "scroll", "psnr_to_true_actions"} <= set(said["test.held"]["mean"])
    assert len(said["test.held"]["clips"]) == 2
    assert (made[0].folder / "test.held.0.png").is_file()
    assert made[0].film is not None
    assert made[0].film.stat().st_size > 0
    assert not (made[0].folder.parents[1] / "results.json").exists()


def test_a_tokenizer_is_measured_alone(toy, dataset, tmp_path):
    made = evaluate_file(config_of(toy, tmp_path, model_fpath=str(toy.tokenizer)), dataset)
    alone, made_by = results_of(made)
    of_world, _ = results_of(evaluate_file(config_of(toy, tmp_path), dataset))
    assert made_by["model"]["kind"] == "tokenizer"
    for name, one in alone.items():
        # The very row of the world's table.
        assert one["psnr"]["tokenizer_only"] == of_world[name]["psnr"]["tokenizer_only"]
        use = one["codebook"]
        assert 1 <= use["perplexity"] <= use["used"] <= use["size"] == 24
        assert set(one["breakdown"]["game"]) == {"mario", "sonic"}
    assert made.film is not None
    assert len(read_parquet(made.folder / "clips.parquet")["test.held"]) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 40}, r"split test.held, is long enough: clips need 42 frames .* has 30"),
        ({"drift_frames": 60}, r"for eval.drift_frames=60 is long enough: clips need 62 frames .* has 30"),
        ({"split": "tset"}, r"no episode of a split 'tset'; did you mean eval.split=test"),
        ({"action_to_take": 5}, r"nearest is 4 \(RIGHT_UP\)"),
        ({"action_to_take": -2}, r"nearest is 0 \(RIGHT\), and -1 replays"),
        ({"action_to_take": "JUMPRIGHT"}, r"nearest is RIGHT \(there are: 0 RIGHT"),
        ({"num_actions": 7}, r"eval.num_actions=7, but .* knows 5 actions"),
        ({"accelerator": "cuda"}, r"finds no GPU"),
        ({"keep_clips": 0}, r"eval.keep_clips is 0"),
        ({"model_fpath": "nothing.pt"}, r"no checkpoint at nothing.pt"),
        ({"model_fpath": None}, r"eval.model_fpath is not set"),
        ({"temperature": -1.0}, r"temperature is -1"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(toy, dataset, tmp_path, changes, message):
    if changes.get("accelerator") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match=message) as caught:
        evaluate_file(config_of(toy, tmp_path, **changes), dataset)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_damaged_and_foreign_weights_are_named(toy, dataset, tmp_path):
    data = load_model(toy.world)
    state = {name: tensor.clone() for name, tensor in data.state_dict.items()}
    state["stem.weight"][0, 0, 0, :2] = torch.nan
    broken = save_model(
        tmp_path / "model-1.pt", data.kind, data.config, state, metadata=data.metadata, sections=data.sections
    )
    with pytest.raises(UserError, match=r"2 of the \d+ weights of stem.weight .* are NaN"):
        evaluate_file(config_of(toy, tmp_path, model_fpath=str(broken)), dataset)
    (tmp_path / "text.pt").write_text("no model")
    with pytest.raises(UserError, match=r"text.pt is damaged"):
        evaluate_file(config_of(toy, tmp_path, model_fpath=str(tmp_path / "text.pt")), dataset)
    other = save_model(tmp_path / "model-2.pt", "picture_book", {}, {})
    with pytest.raises(UserError, match=r"holds a 'picture_book'"):
        evaluate_file(config_of(toy, tmp_path, model_fpath=str(other)), dataset)


def test_another_set_of_actions_is_refused(toy, dataset, tmp_path):
    data = load_model(toy.world)
    names = {**data.metadata, "action_names": ["A", "B", "C", "D", "E"]}
    other = save_model(
        tmp_path / "model-1.pt", data.kind, data.config, data.state_dict, metadata=names, sections=data.sections
    )
    with pytest.raises(UserError, match=r"the world's actions \(A, B, C, D, E\) are not those of"):
        evaluate_file(config_of(toy, tmp_path, model_fpath=str(other)), dataset)


def test_folders_are_called_after_the_run():
    assert model_name("checkpoints/genie_redux_guided/guided_50/model-100000.pt") == "guided_50-100000"
    assert model_name(Path("runs/demo/world.pt")) == "demo-world"
    assert model_name("worlds/coinrun.pt") == "coinrun"


def test_settings_out_of_range_are_named():
    for changes, message in {
        ("num_frames", 11): r"eval.num_frames is 11; it must be 12 or more",
        ("seq_step", 0): "eval.seq_step is 0",
        ("sampling_seeds", 0): "eval.sampling_seeds is 0",
        ("drift_frames", -1): "eval.drift_frames is -1",
        (
            "metrics",
            ("FOD",),
        ): r"eval.metrics is 'FOD'; did you mean .* FID, FVD.* of your own is a class, named as module:Class",
        ("num_processes", 0): "eval.num_processes is 0",
        ("precision", "16"): "eval.precision is '16'",
    }.items():
        with pytest.raises(UserError, match=message):
            EvalJobConfig(**dict([changes]))
    assert EvalConfig(sampling_seeds=3, seed=4).seeds == (4, 5, 6)


def test_a_latent_action_model_is_measured_alone(toy, dataset, tmp_path):
    torch.manual_seed(0)
    settings = {"architecture": "conv", "image_size": 32, "width": 16, "dim": 16, "codebook_size": 5}
    model = build_model("latent_action_model", settings)
    torch.nn.init.zeros_(model.paint[1].bias)
    path = save_model(tmp_path / "lam" / "model-3.pt", model.kind, model.config, model.state_dict(), step=3)
    made = evaluate_file(config_of(toy, tmp_path, model_fpath=str(path)), dataset)
    results, made_by = results_of(made)
    assert made.folder.parent.name == "lam-3"
    assert made_by["model"]["kind"] == "latent_action_model"
    for one in results.values():
        # It paints no change, so what it draws is the frame before, whatever the code.
        assert one["psnr"]["model"]["mean"] == pytest.approx(one["psnr"]["repeat_previous"]["mean"])
        assert one["delta_psnr"]["other_code"]["mean"] == [0.0] * 10
        assert 1 <= one["codebook"]["perplexity"] <= 5
        mapping = one["mapping"]
        assert mapping["counted_on"] == "train"
        assert mapping["transitions"] == 4 * 11
        assert 0 <= mapping["accuracy"] <= 1
        assert len(mapping["to_true"]) == 5
    only_test = dataset.select(split=["test.held", "test.random"])
    again, _ = results_of(evaluate_file(config_of(toy, tmp_path, model_fpath=str(path)), only_test))
    assert again["test.held"]["mapping"]["counted_on"] == "even clips of the test set"
    assert again["test.held"]["mapping"]["transitions"] == 2 * 11
