"""One person's seat, without a browser: films, recordings, the real game, memory."""

import io
import resource
from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image

from genieredux.dreams.prompts import places_of
from genieredux.envs import EnvConfig
from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter, Track
from genieredux.errors import UserError
from genieredux.models.sampling import Sampling
from genieredux.models.world.fake import FakeWorld
from genieredux.play import Policies, Prompt, Scene
from genieredux.play.beside import RealGame
from genieredux.play.keeping import EPISODE_FRAMES, Budget
from genieredux.play.scenes import Scenes, changed
from genieredux.play.seat import Begin, Drawn, Seat
from genieredux.play.watching import Watched
from genieredux.policies import PolicySpec
from playing import prompts_for


def frames_of(content):
    with av.open(io.BytesIO(content)) as film:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])


def test_films_show_what_was_dreamed(scene):
    seat = Seat(scene)
    shown = [seat.begin(), *(seat.step(action) for action in (0, 0, 3, 1, 4))]
    expected = np.stack([one.picture.frame for one in shown]).repeat(4, 1).repeat(4, 2)
    film = frames_of(seat.film("mp4", 15))
    assert film.shape == expected.shape
    assert np.abs(film.astype(int) - expected).mean() < 4  # H.264 at half the colour resolution
    loop = Image.open(io.BytesIO(seat.film("gif", 15)))
    assert loop.n_frames == len({one.picture.frame.tobytes() for one in shown})  # GIF joins frames that are equal
    assert (np.asarray(Image.open(io.BytesIO(seat.film("png", 15)))) == expected[-1]).all()


def test_what_is_played_becomes_episodes_that_hold_it(beside, tmp_path):
    seat = Seat(beside, tmp_path)
    seat.begin(Begin(level=3))
    seat.record(True)
    shown = [seat.step(action) for action in (0, 0, 4, 0)]
    seat.back_to(2)
    seat.step(1)
    seat.record(False)
    data = Dataset.open(str(tmp_path / "play_Platforms_game"))
    assert data.spec.action_names == beside.game.action_names
    first, second = (data.episode(k) for k in range(2))
    assert first.actions.tolist() == [0, 0, 4, 0]
    assert (first.frames[1:] == np.stack([one.game.frame for one in shown])).all()
    assert (first.policy, first.game, first.instance) == ("person", "Fake", 3)
    assert second.actions.tolist() == [1]
    assert (second.frames[0] == shown[1].game.frame).all()

    seat.begin(Begin(prompt=1))
    seat.record(True)
    dreamed = [seat.step(0) for _ in range(3)]
    seat.close()  # whoever leaves loses nothing
    data = Dataset.open(str(tmp_path / "play_Platforms_dream"))
    assert (data.episode(0).frames[1:] == np.stack([one.picture.frame for one in dreamed])).all()


def test_recordings_are_cut_and_bounded(scene, tmp_path):
    seat = Seat(scene, tmp_path, Budget(EPISODE_FRAMES + 5))
    seat.begin()
    seat.record(True)
    for _ in range(EPISODE_FRAMES + 5):
        seat.step(0)
    with pytest.raises(UserError, match="frames were recorded"):
        seat.step(0)
    lengths = Dataset.open(str(tmp_path / "play_Tiles_dream")).lengths
    assert sorted(lengths.tolist()) == [7, EPISODE_FRAMES]  # an episode begins with the last frame of the one before
    with pytest.raises(UserError, match="recording is off"):
        Seat(scene).record(True)


def test_the_game_goes_the_same_way_and_ends(beside):
    seat = Seat(beside)
    seat.begin(Begin(level=0))
    ended = None
    for number in range(400):
        shown = seat.step(0)
        if shown.game.ended:
            ended = number
            break
    assert ended is not None
    last = shown.game.frame.copy()
    assert (seat.step(1).game.frame == last).all()  # nothing happens any more
    assert not seat.back_to(ended - 1).game.ended
    assert seat.begin(Begin(prompt=0)).game is None
    with pytest.raises(UserError, match="no real game"):
        Seat(Scene("Tiles", FakeWorld(), prompts_for(FakeWorld()))).begin(Begin(level=1))


def test_the_game_stands_where_a_picture_of_a_data_set_was_taken(beside, tmp_path):
    played = RealGame(beside.game)
    actions = [0, 0, 4, 0, 2, 0, 0, 0, 4, 0, 0, 0]
    frames = [played.begin(9).frame, *(played.step(action).frame for action in actions)]
    track = Track(frames[0])
    for action, frame in zip(actions, frames[1:], strict=True):
        track.step(action, 0.0, frame)
    with DatasetWriter(tmp_path / "d", DatasetSpec("d", 64, beside.game.action_names)) as writer:
        writer.append(track.episode(False, True, game="Fake", instance=9, seed=9))
    ((frames_of_prompt, led), origin), *_ = places = places_of(beside.world, tmp_path / "d", count=3)
    assert len(places) == 3
    number = len(origin.actions)
    assert (frames_of_prompt[-1] == frames[number]).all()
    prompts = [Prompt(*prompt) for prompt, _ in places]
    seat = Seat(replace(beside, prompts=prompts, origins=tuple(origin for _, origin in places)))
    assert (seat.begin(Begin(prompt=0)).game.frame == frames[number]).all()
    shown = [seat.step(0).game.frame for _ in range(2)]
    assert (seat.back_to(1).game.frame == shown[0]).all()
    other = [Prompt(255 - prompt.frames, prompt.actions) for prompt in prompts]  # not what the game shows
    assert Seat(replace(seat.scene, prompts=other)).begin(Begin(prompt=0)).game is None
    assert len(led) == len(frames_of_prompt) - 1


def test_procgen_is_beside_a_world_of_its_actions():
    names = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")
    world = FakeWorld(names)
    game = EnvConfig(kind="procgen", game="coinrun", image_size=64, action_names=names)
    seat = Seat(Scene("coinrun", world, prompts_for(world), game=game, to_game=(0, 1, 2, 3, 4)))
    first = seat.begin(Begin(level=100_000))
    shown = [seat.step(0).game.frame.copy() for _ in range(10)]
    assert (first.picture.frame == first.game.frame).all()
    assert (shown[0] != shown[-1]).any()
    assert (seat.back_to(4).game.frame == shown[3]).all()
    seat.close()


def test_a_policy_that_is_watched_sees_what_it_would_see(scene):
    seen = []

    class Looking:
        name, plays_alone = "looking", True

        def act(self, now):
            seen.append((now.frames[0].copy(), int(now.actions[0]), bool(now.begun[0])))
            return np.array([3])

    seat = Seat(scene)
    begun = seat.begin()
    seat.watch(Policies(), "random")
    seat._watched._policy = Looking()
    shown = [seat.watched_step() for _ in range(3)]
    assert [one.picture.action for one in shown] == [3, 3, 3]
    assert [(action, begun) for _, action, begun in seen] == [(-1, True), (3, False), (3, False)]
    assert (seen[0][0] == begun.picture.frame).all()
    assert (seen[2][0] == shown[1].picture.frame).all()
    seat.back_to(1)
    seat.watched_step()
    assert seen[-1][2]  # what comes after going back has nothing to do with what it saw


def test_those_who_can_play_here_are_offered(world):
    names = Policies().names(world)
    assert {"random", "held"} <= set(names)
    assert "recorded" not in names  # it needs to be told of what
    assert Watched(PolicySpec("held", 5), 1).act(np.zeros((64, 64, 3), np.uint8), 0.0, None) in range(5)


def test_sampling_is_chosen_and_kept_until_chosen_again(scene):
    asked = []

    class Choosy(FakeWorld):
        sampling = Sampling(steps=2)

        def dream(self, prompts, actions, seeds=0, sampling=None):
            asked.append(sampling)
            return super().dream(prompts, actions, seeds)

    world = Choosy()
    seat = Seat(Scene("Choosy", world, prompts_for(world)))
    seat.begin()
    seat.begin(drawn=Drawn(steps=5, choice="mode"))
    seat.begin()
    assert asked == [None, Sampling(steps=5, choice="mode"), Sampling(steps=5, choice="mode")]
    assert changed(scene, 5, None, None) is None  # this world has nothing to choose


def test_worlds_are_let_go_of_when_others_are_wanted():
    made = []

    def loader(name):
        world = FakeWorld()
        return lambda: made.append(name) or Scene(name, world, prompts_for(world, 1))

    scenes = Scenes({name: loader(name) for name in "abc"})
    for name in "ababcab":
        scenes.get(name)
    assert made == ["a", "b", "c", "a", "b"]


@pytest.mark.slow
def test_ten_thousand_frames_need_no_more_than_a_thousand(scene):
    """Memory and time per frame of a long session. Wherever it is, going back works."""
    seat = Seat(scene)
    seat.begin()
    peaks = []
    for number in range(10_000):
        seat.step(number // 7 % 5)
        if number in (2_500, 9_999):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[1] - peaks[0] < 8 * 1024  # KiB
    assert seat.back_to(9_500).picture.number == 9_500
