"""The socket: what makes no sense, who is let in, seats and limits, where the page is served."""

import json
import logging
import socket
import threading
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import torch
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from genieredux import play
from genieredux.errors import UserError
from genieredux.frames import to_bytes, to_float
from genieredux.models.world.fake import FakeWorld
from genieredux.play import Scene, Scenes, Settings, serve
from genieredux.play.doors import LOOPBACK, Doors
from genieredux.play.server import listen
from playing import PATIENCE, Page, running

STATIC = Path(play.__file__).parent / "static"


def closed(page):
    with pytest.raises(ConnectionClosed) as error:
        list(iter(page.receive, None))
    return error.value.rcvd.code if error.value.rcvd else None


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


def test_players_who_coincide_are_computed_together_and_who_is_gone_is_waited_for_by_nobody(world, prompts):
    class Slow(FakeWorld):
        def advance(self, tokens, action, obeys=None):
            if obeys is None:
                time.sleep(0.01)
            return super().advance(tokens, action, obeys)

    scene = Scene("Slow", Slow(noise=0.2), prompts)
    with running(scene, fps=60, players=5) as (address, _), ExitStack() as people:
        url = f"ws://{address}/dream"
        pages = [Page(people.enter_context(connect(url))) for _ in range(3)]
        for page in pages:
            page.next()
            page.send("begin", {"prompt": 1, "seed": 7})
            page.until(0)
            page.send("keep", True)
        sleepy = Page(people.enter_context(connect(url)))  # shows nothing of what it is sent
        sleepy.next(confirm=False)
        sleepy.send("keys", ["RIGHT"])
        with connect(url) as gone:
            leaving = Page(gone)
            leaving.next()
            leaving.send("keys", ["RIGHT"])
            leaving.until(2)
            gone.socket.shutdown(socket.SHUT_RDWR)  # as a cable that is pulled
        for page in pages:
            page.send("keys", ["RIGHT"])
        seen: dict[int, list] = {}
        threads = [
            threading.Thread(target=lambda k=k, page=page: seen.update({k: [page.until(n) for n in range(1, 31)]}))
            for k, page in enumerate(pages)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert sorted(seen) == [0, 1, 2]
        together = scene.together.passes
        assert sum(count for size, count in together.items() if size > 1) > 5
        alone = scene.world.dream(to_float(prompts[1].frames)[None], torch.tensor(prompts[1].actions)[None], 7)
        for number in range(30):
            frame = to_bytes(alone.step(torch.tensor([0])).frames[0])
            assert all((shown[number].frame == frame).all() for shown in seen.values())


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
        names += [path.name for path in STATIC.glob("*.js")]
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
    with pytest.raises(UserError, match="port is 70000; it must be from 0 to 65535"):
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
