"""Dreams as environments: Gymnasium's own checks, seeds, what is cut, and that many are as one."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from genieredux.dreams.env import DreamEnv, DreamVectorEnv
from genieredux.dreams.session import Prompt
from genieredux.errors import UserError
from genieredux.frames import to_bytes
from genieredux.models.world.fake import FakeWorld


def test_one_dream_passes_gymnasiums_checks(prompts: list[Prompt]) -> None:
    check_env(DreamEnv(FakeWorld(noise=0.2), prompts, render_mode="rgb_array"), skip_render_check=True)


def test_it_is_made_by_name_with_the_world_that_ships() -> None:
    code = (
        "import gymnasium; env = gymnasium.make('genieredux:genieredux/Dream-v0', max_episode_steps=3);"
        "frame, info = env.reset(seed=1); ends = [env.step(0)[3] for _ in range(3)];"
        "print(frame.shape, ends)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "(64, 64, 3) [False, False, True]"


def test_it_shows_what_the_world_plays(world: FakeWorld, prompts: list[Prompt]) -> None:
    env = DreamVectorEnv(world, prompts, 2, render_mode="rgb_array")
    frames, infos = env.reset(seed=4)
    played = [world.play(np.array([0, 3, 1]), seed=int(prompt)) for prompt in infos["prompt"]]
    assert all((frames[k] == played[k][1]).all() for k in range(2))
    for number, action in enumerate((3, 1)):
        frames, rewards, ended, cut, infos = env.step(np.array([action, action]))
        assert all((frames[k] == played[k][2 + number]).all() for k in range(2))
        assert not rewards.any()
        assert not (ended | cut).any()
        assert infos["entropy"].shape == (2,)
        shown = env.render()
        assert shown is not None
        assert (np.stack(shown) == frames).all()


def test_of_longer_prompts_the_last_frames_serve_with_the_actions_between_them() -> None:
    begun = []

    class Watched(FakeWorld):
        def dream(self, prompts, actions, seeds=0, sampling=None):  # type: ignore[no-untyped-def]
            begun.append((prompts, actions))
            return super().dream(prompts, actions, seeds, sampling)

    world = Watched()
    short, long = (Prompt(world.play(taken, 3), taken) for taken in (np.array([0, 3]), np.array([1, 2, 0, 4])))
    env = DreamVectorEnv(world, [short, long], 2)
    env.reset(seed=0, options={"prompt": np.array([0, 1])})
    frames, actions = begun[-1]
    assert actions.tolist() == [[0, 3], [0, 4]]
    assert (to_bytes(frames[0]) == short.frames).all()
    assert (to_bytes(frames[1]) == long.frames[2:]).all()


def test_one_seed_for_many_is_the_first_and_the_others_count_on(prompts: list[Prompt]) -> None:
    first, second = (DreamVectorEnv(FakeWorld(noise=0.4), prompts, 3) for _ in range(2))
    frames, infos = first.reset(seed=5)
    others, about = second.reset(seed=[5, 6, 7])
    assert np.array_equal(frames, others)
    assert np.array_equal(infos["prompt"], about["prompt"])
    for _ in range(3):
        taken = np.zeros(3, np.int64)
        frames, others = first.step(taken)[0], second.step(taken)[0]
        assert np.array_equal(frames, others)
    assert not np.array_equal(frames[0], frames[1])


def test_many_dreams_are_as_one_of_the_same_seed(prompts: list[Prompt]) -> None:
    many = DreamVectorEnv(FakeWorld(noise=0.4), prompts, 3, max_steps=4)
    frames, _ = many.reset(seed=[5, 6, 7])
    alone = [DreamVectorEnv(FakeWorld(noise=0.4), prompts, max_steps=4) for _ in range(3)]
    assert (frames == np.concatenate([env.reset(seed=5 + k)[0] for k, env in enumerate(alone)])).all()
    for number in range(9):
        actions = np.array([number % 5, 1, 2])
        frames, _, _, cut, infos = many.step(actions)
        each = [env.step(actions[k : k + 1]) for k, env in enumerate(alone)]
        assert (frames == np.concatenate([step[0] for step in each])).all()
        assert cut.all() == (number % 4 == 3)
        if cut.any():
            assert infos["_final_obs"].all()
            assert infos["final_obs"][0].shape == frames[0].shape


def test_some_begin_anew_and_the_others_go_on(prompts: list[Prompt]) -> None:
    env, untouched = (DreamVectorEnv(FakeWorld(noise=0.4), prompts, 2, max_steps=5) for _ in range(2))
    env.reset(seed=1)
    untouched.reset(seed=1)
    env.step(np.array([0, 1]))
    untouched.step(np.array([0, 1]))
    env.reset(seed=9, options={"reset_mask": np.array([True, False])})
    cuts = []
    for _ in range(4):
        frames, _, _, cut, _ = env.step(np.array([2, 2]))
        expected = untouched.step(np.array([2, 2]))[0]
        cuts.append(cut.tolist())
        assert cut[1] or (frames[1] == expected[1]).all()
    assert cuts == [[False, False], [False, False], [False, False], [False, True]]


@pytest.mark.parametrize(
    ("action", "said"),
    [(1.5, "whole numbers"), (float("nan"), "whole numbers"), ("RIGHT", "whole numbers"), (-1, "go from 0 to"),
     (99, "go from 0 to"), ([0], "of shape")],
)  # fmt: skip
def test_what_is_no_action_is_refused_and_the_dream_goes_on(action: object, said: str, prompts: list[Prompt]) -> None:
    env, untouched = DreamEnv(FakeWorld(), prompts), DreamEnv(FakeWorld(), prompts)
    for one in (env, untouched):
        one.reset(seed=1)
    with pytest.raises(UserError, match=said):
        env.step(action)  # type: ignore[arg-type]
    assert (env.step(np.int64(1))[0] == untouched.step(np.int64(1))[0]).all()


def test_misuse_is_named(prompts: list[Prompt]) -> None:
    env = DreamVectorEnv(FakeWorld(), prompts, 2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.array([0, 0]))
    with pytest.raises(UserError, match="never begun"):
        env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(UserError, match="3 seeds for 2 dreams"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(UserError, match="no frame to begin with"):
        DreamEnv(FakeWorld())
    with pytest.raises(UserError, match="num_envs is 0"):
        DreamVectorEnv(FakeWorld(), prompts, 0)
