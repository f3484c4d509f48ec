"""The loop at toy size: every stage leaves what the next takes, and the same command goes on where it was stopped."""

import json
from dataclasses import replace

import pytest

from explore.explorers import config_of
from factories import make_dynamics, make_tokenizer
from genieredux.explore import loop as looping
from genieredux.explore.config import CollectionConfig, CommonConfig, LookedPlay, WorldModelConfig
from genieredux.explore.loop_config import LoopSettings
from genieredux.explore.rewards import RewardConfig
from genieredux.models.build import build_model
from genieredux.models.checkpoint import Section, load_model, save_model

NAMES = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")


def world_file(path):
    tokenizer = make_tokenizer()
    dynamics = make_dynamics(tokenizer)
    inside = Section("tokenizer", tokenizer.config, tokenizer.state_dict())
    return save_model(
        path,
        dynamics.kind,
        dynamics.config,
        dynamics.state_dict(),
        metadata={"action_names": list(NAMES)[: dynamics.num_actions], "image_size": tokenizer.config.image_size},
        sections={"tokenizer": inside},
    )


def canvas_file(path):
    settings = {"architecture": "canvas", "image_size": 32, "codebook_size": 8, "width": 8, "motion_width": 16}
    dynamics = build_model("genie_redux_guided", settings, action_names=NAMES)
    made = {"action_names": list(NAMES), "image_size": 32}
    return save_model(path, "genie_redux_guided", settings, dynamics.state_dict(), metadata=made)


def config(folder, rounds, make=world_file, reward="progress"):
    base = config_of(RewardConfig(reward, updates=2, width=4), steps=16, envs=2)
    world = make(folder / "start.pt")
    names = tuple(load_model(world).metadata["action_names"])
    return replace(
        base,
        common=CommonConfig(epochs=1, device="cpu"),
        world_model=WorldModelConfig(model_fpath=str(world)),
        collection=CollectionConfig(
            games=("Fake",), kind="fake", max_episode_steps=24, n_workers=1, train=base.collection.train,
            action_names=names, test=LookedPlay(16, 1),
        ),
        loop=LoopSettings(
            rounds=rounds, out=str(folder / "loop"), episodes=3, tokenizer_steps=2, dynamics_steps=2, batch_size=1,
            test_episodes=2, num_clips=2,
        ),
    )  # fmt: skip


def test_two_rounds_stopped_in_between(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(looping, "evaluate_file", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            looping.loop(config(tmp_path, 1))
    made = looping.loop(config(tmp_path, 2))
    out = tmp_path / "loop"
    assert [row["round"] for row in json.loads((out / "rounds.json").read_text())] == [0, 1, 2]
    assert [line.partition(":")[0] for line in made.lines[::2]] == ["round 0", "round 1", "round 2"]
    assert made.page == out / "comparison.html"
    for number in (1, 2):
        assert (out / f"round-{number}/report.html").is_file()
        assert (out / f"agents/{number:03d}_auto_explore/checkpoints/model_best_reward.pt").is_file()
    before, first, second = (load_model(path) for path in (tmp_path / "start.pt", *_worlds(out)))
    assert before.model.fingerprint != first.model.fingerprint != second.model.fingerprint
    assert before.section("tokenizer").fingerprint != first.section("tokenizer").fingerprint
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    again = looping.loop(config(tmp_path, 2))
    assert again.lines == made.lines
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} == times


def test_a_round_in_a_world_without_a_tokenizer(tmp_path):
    made = looping.loop(config(tmp_path, 1, canvas_file, "unseen"))
    before, after = load_model(tmp_path / "start.pt"), load_model(made.world)
    assert before.model.fingerprint != after.model.fingerprint
    assert not (tmp_path / "loop/checkpoints/tokenizer").exists()
    assert [line.partition(":")[0] for line in made.lines] == ["round 0"] * 2 + ["round 1"] * 2


def _worlds(out):
    return [out / f"round-{number}/world.pt" for number in (1, 2)]
