"""The socket: keys steer a dream, it goes back, is shared and played again; worlds and the real game beside."""

import numpy as np
import pytest
from websockets.sync.client import connect

from genieredux.models.world.fake import FakeWorld
from genieredux.play import Scene
from playing import Page, prompts_for, running


def test_keys_steer_the_dream(page, world, prompts):
    assert page.hello["actions"] == list(world.action_names)
    assert page.hello["name"] == "Tiles"
    first = page.next()
    assert (first.frame == prompts[0].frames[-1]).all()
    assert first.head["action"] is None
    assert page.silent()  # no key, no NOOP: it waits
    page.send("keys", ["RIGHT"], number=7)
    played = world.play(np.array([0, 0, 0, 0]), seed=0)
    for number in (1, 2, 3):
        shown = page.next()
        assert shown.head["number"] == number
        assert shown.head["action"] == 0
        assert shown.head["took"] == 7
        assert (shown.frame == played[number + 1]).all()
        assert shown.entropy.shape == (8, 8)
    page.send("keys", ["RIGHT", "UP"], number=8)
    assert 4 in [page.next().head["action"] for _ in range(5)]


def test_the_beginnings_are_shown(page, prompts):
    shown = page.receive()
    assert shown.head == {"type": "beginnings", "size": [64, 64], "count": 3}
    assert (shown.frame.reshape(3, 64, 64, 3) == [prompt.frames[-1] for prompt in prompts]).all()


def test_keep_going_pause_single_step_restart_and_next(page, prompts):
    page.next()
    page.send("keep", True)
    page.send("keys", ["DOWN"])
    page.send("keys", [])
    assert [page.next().head["action"] for _ in range(4)] == [2] * 4
    page.send("pause", True)
    page.send("begin", {"prompt": 1})
    shown = page.until(0)
    assert shown.head["prompt"] == 1
    assert (shown.frame == prompts[1].frames[-1]).all()
    page.send("keys", ["UP"])
    assert page.silent()  # still paused
    page.send("single")
    assert page.next().head["action"] == 3
    assert page.silent()
    page.send("keys", [])
    page.send("single")
    assert page.next().head["action"] == 3  # a single step takes the last action where no key is down
    page.send("pause", False)
    page.send("begin", {})
    head = page.until(0).head
    assert (head["prompt"], head["seed"]) == (1, 2)  # there again, with other noise
    assert page.silent()  # a fresh start is not kept going


def test_going_back_is_exact_and_what_follows_is_what_would_have_followed():
    world = FakeWorld(noise=0.3)
    noisy = Scene("Noise", world, prompts_for(world))
    with running(noisy, fps=60) as (address, _), connect(f"ws://{address}/dream") as it:
        page = Page(it)
        page.next()
        page.send("keys", ["RIGHT"])
        shown = [page.next() for _ in range(40)]
        page.send("keys", [])
        page.send("back", {"number": 21})
        at = page.until(21)
        assert (at.frame == shown[20].frame).all()
        page.send("keys", ["RIGHT"])
        for number in range(22, 41):
            again = page.next()
            assert again.head["number"] == number
            assert (again.frame == shown[number - 1].frame).all()
        page.send("keys", [])
        page.send("back", {"number": 10**6})
        assert "can go back to frames 0 to" in page.message("said")["value"]


def test_a_page_that_does_not_confirm_gets_no_more(page):
    page.next(confirm=False)
    page.send("keys", ["RIGHT"])
    page.next(confirm=False)
    assert page.silent()
    page.send("seen", 2)
    page.next(confirm=False)


def test_an_own_picture_of_the_wrong_size_is_refused_and_one_of_the_right_size_dreamed(page):
    page.next()
    page.send_raw(bytes(100))
    assert "takes 64 x 64 RGB pixels" in page.message("said")["value"]
    mine = np.full((64, 64, 3), 255, np.uint8)
    mine[:, 32:] = 0
    page.send_raw(mine.tobytes())
    shown = page.next()
    assert (shown.frame == mine).all()
    assert shown.head["prompt"] is None
    page.send("keys", ["RIGHT"])
    assert (page.next().frame == np.roll(mine, -8, 1)).all()


def test_a_play_is_shared_and_played_again_to_the_same_frames():
    world = FakeWorld(noise=0.3)
    with running(Scene("Noise", world, prompts_for(world)), fps=60) as (address, _):
        frames = []
        with connect(f"ws://{address}/dream") as it:
            page = Page(it)
            page.next()
            page.send("begin", {"prompt": 2, "seed": 77})
            page.until(0)
            for pieces in (["RIGHT"], ["UP"], ["RIGHT", "UP"]):
                page.send("keys", pieces)
                frames += [page.next() for _ in range(5)]
            page.send("pause", True)
            page.send("share")
            replay = page.message("replay")["value"]
        assert (replay["prompt"], replay["seed"], replay["world"]) == (2, 77, "Noise")
        with connect(f"ws://{address}/dream") as it:
            page = Page(it)
            page.send("replay", replay)
            count = page.message("replaying")["value"]
            assert count >= 15
            again = [page.until(1), *(page.next() for _ in range(14))]
            for one, other in zip(frames, again, strict=True):
                assert one.head["number"] == other.head["number"]
                assert (one.frame == other.frame).all()
            assert page.message("replayed")["value"] is True
            page.send("replay", {**replay, "checksum": replay["checksum"] ^ 1})
            assert page.message("replayed")["value"] is False


def test_whoever_presses_a_key_takes_over(page):
    page.next()
    page.send("watch", {"policy": "held"})
    assert page.message("watch")["value"] == "held"
    assert page.next().head["by"] == "held"
    page.send("keys", ["DOWN"])
    assert page.message("watch")["value"] is None
    while (shown := page.next()).head["by"] != "person":
        pass
    assert shown.head["action"] == 2


@pytest.mark.parametrize(("name", "value"), [("watch", {"policy": None}), ("record", {"on": False}), ("share", {})])
def test_a_key_tapped_while_something_is_asked_for_counts(page, name, value):
    page.next()
    page.send("watch", {"policy": "held"})
    assert page.next().head["by"] in ("person", "held")
    page.send("keys", ["DOWN"])
    page.send("keys", [])
    page.send(name, value)
    while (shown := page.next()).head["by"] != "person":
        pass
    assert shown.head["action"] == 2


def test_worlds_are_chosen_on_the_page(scene):
    other = FakeWorld(("NOOP", "RIGHT"), image_size=32)
    small = Scene("Small", other, prompts_for(other))
    with running(scene, small) as (address, _), connect(f"ws://{address}/dream") as it:
        page = Page(it)
        assert page.hello["worlds"] == ["Tiles", "Small"]
        page.send("world", {"name": "Small"})
        hello = page.message("hello")
        assert (hello["name"], hello["size"], hello["idle"]) == ("Small", 32, 0)
        shown = [page.next() for _ in range(4)]
        assert shown[0].frame.shape == (32, 32, 3)
        assert [one.head["action"] for one in shown] == [None, 0, 0, 0]  # it goes on by itself


def test_the_real_game_is_beside_the_dream(beside):
    with running(beside, fps=60) as (address, _), connect(f"ws://{address}/dream") as it:
        page = Page(it)
        assert page.next().game is None
        page.send("begin", {"level": 5})
        shown = page.until(0)
        assert shown.head["level"] == 5
        assert (shown.game == shown.frame).all()  # the dream begins at the game's own picture
        page.send("keys", ["RIGHT"])
        seen = [page.next() for _ in range(6)]
        assert (seen[0].game != seen[5].game).any()
        page.send("keys", [])
        page.send("back", {"number": 3})
        back = page.until(3)
        assert (back.game == seen[2].game).all()
