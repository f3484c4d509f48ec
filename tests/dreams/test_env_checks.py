"""What Gymnasium asks of environments: its own checks by name, many at once, ends and cuts, prompts on request."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from genieredux.dreams import ENV_ID
from genieredux.dreams.env import DreamEnv, DreamVectorEnv
from genieredux.dreams.outcomes import Transitions
from genieredux.dreams.session import Prompt
from genieredux.errors import UserError
from genieredux.models.world.fake import FakeWorld
from pages import blocks

MAKE = f"genieredux:{ENV_ID}"


def test_the_shipped_world_passes_gymnasiums_checks_by_name() -> None:
    env = gymnasium.make(MAKE, world="coinrun", max_episode_steps=9, render_mode="rgb_array")
    check_env(env.unwrapped)


def test_ends_and_rewards_of_functions_pass_them_too(prompts: list[Prompt]) -> None:
    env = gymnasium.make(
        MAKE,
        world=FakeWorld(noise=0.2),
        prompts=prompts,
        reward=lambda made: made.entropy,
        ends=lambda made: made.steps > 2,
    )
    check_env(env.unwrapped)


def test_many_are_made_by_name_and_cut_as_gymnasium_says(prompts: list[Prompt]) -> None:
    envs = gymnasium.make_vec(MAKE, 3, world=FakeWorld(), prompts=prompts, max_episode_steps=2)
    assert isinstance(envs, DreamVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.spec is not None
    frames, _ = envs.reset(seed=5)
    assert frames in envs.observation_space
    cuts = [envs.step(envs.action_space.sample())[3].tolist() for _ in range(4)]
    assert cuts == [[False] * 3, [True] * 3] * 2


def test_nothing_that_was_returned_is_used_again(prompts: list[Prompt]) -> None:
    envs = DreamVectorEnv(FakeWorld(noise=0.3), prompts, 2, max_steps=2, reward=lambda made: made.steps)
    returned = [envs.reset(seed=1)[0]]
    copies = [returned[0].copy()]
    for _ in range(5):
        frames, rewards, _, _, infos = envs.step(np.array([0, 1]))
        returned += [frames, rewards, infos["entropy"], infos["prompt"]]
        copies += [item.copy() for item in returned[-4:]]
    assert all((now == then).all() for now, then in zip(returned, copies, strict=True))
    assert not any(np.shares_memory(a, b) for k, a in enumerate(returned) for b in returned[:k])


def test_a_seed_decides_the_episode_whatever_came_before(prompts: list[Prompt]) -> None:
    def play(envs: DreamVectorEnv) -> list[np.ndarray]:
        frames = [envs.reset(seed=[7, 8])[0]]
        return frames + [envs.step(np.array([k % 5, 1]))[0] for k in range(4)]

    fresh, used = (DreamVectorEnv(FakeWorld(noise=0.4), prompts, 2) for _ in range(2))
    used.reset(seed=1)
    used.step(np.array([0, 0]))
    assert all((a == b).all() for a, b in zip(play(fresh), play(used), strict=True))


def test_a_seed_that_is_none_lets_that_dream_go_on_with_its_numbers(prompts: list[Prompt]) -> None:
    one, other = (DreamVectorEnv(FakeWorld(noise=0.4), prompts, 2) for _ in range(2))
    one.reset(seed=3)
    other.reset(seed=3)
    frames = one.reset(seed=[9, None])[0]
    assert (frames[1] == other.reset()[0][1]).all()


def test_functions_judge_what_happened(prompts: list[Prompt]) -> None:
    made: list[Transitions] = []

    def reward(step: Transitions) -> np.ndarray:
        made.append(step)
        return step.actions * 10

    envs = DreamVectorEnv(FakeWorld(), prompts, 2, reward=reward, ends=lambda step: step.actions == 3, max_steps=2)
    first, _ = envs.reset(seed=0)
    second, rewards, ends, cut, infos = envs.step(np.array([3, 1]))
    assert rewards.tolist() == [30, 10]
    assert ends.tolist() == [True, False]
    assert not cut.any()
    assert (made[0].before == first).all()
    assert (made[0].after[1] == second[1]).all()
    assert (infos["final_obs"][0] == made[0].after[0]).all()
    assert infos["_final_obs"].tolist() == [True, False]
    _, _, ends, cut, _ = envs.step(np.array([1, 3]))
    assert ends.tolist() == [False, True]
    assert not cut.any()  # it ended, so it was not cut
    _, _, _, cut, _ = envs.step(np.array([1, 1]))
    assert cut.tolist() == [True, False]


def test_an_end_shows_its_own_frame(prompts: list[Prompt]) -> None:
    env = DreamEnv(FakeWorld(), prompts, ends=lambda made: made.steps == 1, render_mode="rgb_array")
    alone = DreamEnv(FakeWorld(), prompts, render_mode="rgb_array")
    env.reset(seed=2)
    alone.reset(seed=2)
    frame, _, ended, _, info = env.step(np.int64(3))
    assert ended
    assert (frame == alone.step(np.int64(3))[0]).all()
    assert (env.render() == frame).all()
    assert info["prompt"] == alone.step(np.int64(0))[4]["prompt"]


def test_gymnasiums_own_wrapper_counts_episodes(prompts: list[Prompt]) -> None:
    envs = RecordEpisodeStatistics(DreamVectorEnv(FakeWorld(), prompts, 2, reward=lambda made: [1.0, 2.0], max_steps=3))
    envs.reset(seed=0)
    infos = [envs.step(np.array([0, 0]))[4] for _ in range(3)]
    assert infos[-1]["episode"]["r"].tolist() == [3.0, 6.0]
    assert infos[-1]["episode"]["l"].tolist() == [3, 3]


def test_a_dream_begins_where_it_is_told(prompts: list[Prompt]) -> None:
    envs = DreamVectorEnv(FakeWorld(), prompts, 3)
    frames, infos = envs.reset(seed=0, options={"prompt": [2, 0, 1]})
    assert infos["prompt"].tolist() == [2, 0, 1]
    assert all((frames[k] == prompts[p].frames[-1]).all() for k, p in enumerate((2, 0, 1)))
    assert DreamEnv(FakeWorld(), prompts).reset(options={"prompt": 1})[1]["prompt"] == 1
    for wrong in (3, -1, [0, 1], 0.5):
        with pytest.raises(UserError, match=r"options\['prompt'\] is"):
            envs.reset(options={"prompt": wrong})


@pytest.mark.parametrize("wrong", [lambda made: 1.0, lambda made: [np.nan, 0.0], lambda made: ["a", "b"]])
def test_a_function_that_gives_no_numbers_is_named(prompts: list[Prompt], wrong) -> None:
    envs = DreamVectorEnv(FakeWorld(), prompts, 2, reward=wrong)
    envs.reset(seed=0)
    with pytest.raises(UserError, match="the function given as reward answers"):
        envs.step(np.array([0, 0]))


def test_the_page_of_the_environment_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in blocks("docs/dream_env.md", "python"):
        exec(code, names)
    assert (tmp_path / "agent.zip").is_file()
    envs = names["envs"]
    assert isinstance(envs, DreamVectorEnv)
    envs.reset(seed=0)
    assert envs.step(np.arange(8) % 2)[1].tolist() == [1.0, 0.0] * 4
