"""The socket: steering, going back, limits, who is let in."""

import json
import logging
import socket
import threading
import time
from collections import deque
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from genieredux.errors import UserError
from genieredux.models.world.fake import FakeWorld
from genieredux.play import Scene, Scenes, Settings, serve
from genieredux.play.doors import LOOPBACK, Doors
from genieredux.play.server import listen
from playing import PATIENCE, Page, prompts_for, running


@pytest.fixture
def page(scene):
    with running(scene, fps=60) as (address, _), connect(f"ws://{address}/dream") as it:
        yield Page(it)


def closed(page):
    with pytest.raises(ConnectionClosed) as error:
        list(iter(page.receive, None))
    return error.value.rcvd.code if error.value.rcvd else None


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


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ([1], "a message is an object"),
        ({}, "there is no message 'None'"),
        ({"type": "fly"}, "there is no message 'fly'"),
        ({"type": "back", "value": {"number": "x"}}, "back.number"),
        ({"type": "back", "value": {}}, "back.number is missing"),
        ({"type": "back", "value": {"number": -1}}, "back.number is -1; it must be from 0"),
        ({"type": "begin", "value": {"promt": 1}}, "begin.promt"),
        ({"type": "begin", "value": {"level": 3}}, "no real game is beside Tiles"),
        ({"type": "begin", "value": {"drawn": True, "temperature": float("nan")}}, "begin.temperature is nan"),
        ({"type": "world", "value": {"name": "Tile"}}, "did you mean Tiles"),
        ({"type": "watch", "value": {"policy": "randm"}}, "did you mean random"),
        ({"type": "record", "value": {"on": True}}, "recording is off"),
        ({"type": "replay", "value": {"world": "Tiles"}}, "the beginning of the replay"),
        ({"type": "replay", "value": {"world": "Tiles", "prompt": 0, "actions": "0x99999"}}, "20000 actions or fewer"),
        ({"type": "replay", "value": {"world": "Tiles", "prompt": 0, "actions": "7"}}, "takes action 7"),
        ({"type": "replay", "value": {"world": "Tiles", "prompt": 0, "given": 5}}, "begins with other frames"),
        ({"type": "replay", "value": {"world": "Tiles", "picture": "eJw="}}, "picture"),
    ],
)
def test_what_makes_no_sense_is_answered_and_changes_nothing(page, message, said):
    page.next()
    page.send_raw(json.dumps(message))
    answer = page.message("said")
    assert said in answer["value"]
    assert answer["bad"]
    assert "\n" not in answer["value"]
    page.send("keys", ["LEFT"])
    assert page.next().head["action"] in (1, None)


def test_what_is_no_message_at_all_is_ignored_or_ends_that_dream_alone(scene):
    with running(scene) as (address, _):
        for content, code in (("no json", 1003), ("[" * 100_000 + "]" * 100_000, 1003), ("x" * 300_000, 1009)):
            with connect(f"ws://{address}/dream") as it:
                page = Page(it)
                page.send("keys", [1, None])
                page.send("seen", 10**9)
                page.send_raw(content)
                assert closed(page) == code
        with connect(f"ws://{address}/dream") as it:
            assert Page(it).next().head["number"] == 0


def test_a_flood_is_cut_off(scene):
    with running(scene, messages_per_second=50, burst=50) as (address, _), connect(f"ws://{address}/dream") as it:
        page = Page(it)
        with pytest.raises(ConnectionClosed):
            deque((page.send("seen", 0) for _ in range(20_000)), maxlen=0)
        with connect(f"ws://{address}/dream") as other:
            assert Page(other).next().head["number"] == 0


def test_two_hundred_at_once_get_an_answer_and_those_who_play_go_on(scene):
    with running(scene, players=2) as (address, app):
        url = f"ws://{address}/dream"
        with connect(url) as first, ExitStack() as crowd:
            page = Page(first)
            page.next()
            answers = [crowd.enter_context(connect(url)).recv(PATIENCE) for _ in range(200)]
            kinds = [json.loads(answer)["type"] for answer in answers]
            assert (kinds[0], set(kinds[1:])) == ("hello", {"full"})
            assert len(app.state.hall) == 2
            page.send("keys", ["RIGHT"])
            assert page.next().head["number"] == 1


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


def test_dreams_are_separate_limited_and_freed(scene):
    with running(scene, players=3, return_seconds=0.2) as (address, app):
        url = f"ws://{address}/dream"
        people = ExitStack()
        pages = [Page(people.enter_context(connect(url))) for _ in range(3)]
        for page in pages:
            page.next()
        pages[0].send("keys", ["RIGHT"])
        assert pages[0].next().head["number"] == 1
        assert pages[1].silent(0.1)
        with connect(url) as late:
            assert json.loads(late.recv(PATIENCE)) == {"type": "full", "value": 3}
            with pytest.raises(ConnectionClosed):
                late.recv(PATIENCE)
        assert app.state.hall.present == 3
        people.close()
        for _ in range(200):
            if not len(app.state.hall):
                break
            time.sleep(0.02)
        assert not len(app.state.hall)
        with connect(url) as it:
            Page(it).next()


def test_a_page_that_comes_back_finds_its_dream(scene):
    with running(scene, players=1) as (address, _):
        with connect(f"ws://{address}/dream") as it:
            page = Page(it)
            page.next()
            page.send("keys", ["RIGHT"])
            shown = page.until(4)
        with connect(f"ws://{address}/dream?session={page.hello['session']}") as it:
            again = Page(it)
            assert again.hello["resumed"]
            found = again.next()
            assert found.head["number"] >= 4
            assert again.silent()  # the key that was down when the connection broke is up
            again.send("back", {"number": 4})
            assert (again.until(4).frame == shown.frame).all()
        with connect(f"ws://{address}/dream") as it:  # the seat of somebody who left is given away
            assert not Page(it).hello["resumed"]


def test_one_broken_dream_leaves_the_others(scene, world, prompts, caplog):
    class Breaking(FakeWorld):
        def advance(self, tokens, action, obeys=None):
            if action == 1:
                raise RuntimeError("broken on purpose")
            return super().advance(tokens, action, obeys)

    with (
        running(Scene("Breaking", Breaking(), prompts)) as (address, _),
        connect(f"ws://{address}/dream") as other,
        connect(f"ws://{address}/dream") as it,
    ):
        well, page = Page(other), Page(it)
        page.next()
        page.send("keys", ["LEFT"])
        assert "broke" in page.message("said")["value"]
        assert closed(page) == 1011
        well.next()
        well.send("keys", ["RIGHT"])
        assert well.next().head["number"] == 1
    assert "broken on purpose" in caplog.text


def test_only_our_own_page_may_steer(scene):
    with running(scene) as (address, _):
        url, port = f"ws://{address}/dream", address.partition(":")[2]
        with connect(url, origin=f"http://{address}") as it:
            assert Page(it).hello
        for origin in ("http://evil.example", f"http://localhost:{port}", "http://127.0.0.1:1", "null", "http://["):
            with pytest.raises(InvalidStatus, match="403"), connect(url, origin=origin):
                pass
        # A name that an attacker makes resolve to 127.0.0.1.
        assert httpx.get(f"http://{address}/", headers={"host": "evil.example"}).status_code == 400
        evil = f"ws://evil.example:{port}/dream"
        with (
            socket.create_connection((LOOPBACK, int(port))) as sock,
            pytest.raises(InvalidStatus, match="400"),
            connect(evil, sock=sock, origin=f"http://evil.example:{port}"),
        ):
            pass


def test_where_others_can_reach_it_a_token_is_needed(scene):
    with running(scene, token="open-sesame", doors=Doors("0.0.0.0", "open-sesame")) as (address, _):
        for query in ("", "?token=", "?token=wrong", "?token=open-sesam%C3%A9"):
            with pytest.raises(InvalidStatus, match="403"), connect(f"ws://{address}/dream{query}"):
                pass
        with connect(f"ws://{address}/dream?token=open-sesame") as it:
            assert Page(it).hello
    with pytest.raises(UserError, match="token is None"):
        Doors("0.0.0.0")
    with pytest.raises(UserError, match="host is 'here'"):
        Doors("here")


def test_films_are_of_those_who_know_the_session(page):
    address = page._connection.remote_address
    base = f"http://{address[0]}:{address[1]}/film"
    page.next()
    page.send("keys", ["RIGHT"])
    page.until(3)
    assert httpx.get(f"{base}/{page.hello['session']}.png").headers["content-type"] == "image/png"
    for name in (f"{page.hello['session']}.exe", "nobody.png", "..%2f..%2fserver.py"):
        assert httpx.get(f"{base}/{name}").status_code == 404


def test_the_page_needs_nothing_from_elsewhere(scene):
    with running(scene) as (address, _):
        names = ["", "page.css", "controls.css", "icon.svg"]
        names += [
            f"{part}.js" for part in ("main", "socket", "keys", "touchpad", "screen", "strip", "panel", "sharing")
        ]
        for name in names:
            answer = httpx.get(f"http://{address}/{name}")
            assert answer.status_code == 200
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert "https://" not in answer.text
        assert httpx.get(f"http://{address}/nothing").status_code == 404
        assert httpx.get(f"http://{address}/../server.py").status_code == 404


def test_only_loopback_is_bound():
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    with pytest.raises(UserError, match="no address of this machine"):
        listen(0, "192.0.2.1")


@pytest.mark.parametrize("fps", [0, -1.0, float("nan"), float("inf")])
def test_a_pace_that_is_none_is_refused(scene, fps):
    with pytest.raises(UserError, match="fps is"):
        serve(Scenes({"Tiles": lambda: scene}), Settings(fps=fps), port=0, open_browser=False)


def test_a_taken_port_names_a_free_one(scene):
    scenes = Scenes({"Tiles": lambda: scene})
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"Port {port} on 127.0.0.1 is in use: try port=(\d+)") as error:
            serve(scenes, port=port, open_browser=False)
    free = int(str(error.value).rpartition("=")[2].rstrip("."))
    with socket.socket() as probe:
        probe.bind((LOOPBACK, free))
    with pytest.raises(UserError, match="port=70000 is no port"):
        serve(scenes, port=70000, open_browser=False)


def test_serve_announces_itself_opens_a_browser_and_ends(scene, monkeypatch, caplog):
    said, opened = [], threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda address: opened.set() or True)

    def stop(server, sockets):
        answer = {}
        thread = threading.Thread(target=original, args=(server,), kwargs={"sockets": sockets})
        thread.start()
        address = said[0].split()[4]
        for _ in range(100):
            if server.started:
                break
            time.sleep(0.02)
        answer["status"] = httpx.get(address).status_code
        server.should_exit = True
        thread.join(PATIENCE)
        assert answer["status"] == 200
        raise KeyboardInterrupt

    original = uvicorn.Server.run
    monkeypatch.setattr(uvicorn.Server, "run", stop)
    with caplog.at_level(logging.INFO):
        serve(Scenes({"Tiles": lambda: scene}), port=0, announce=said.append)
    assert opened.wait(PATIENCE)
