import json
import logging
import socket
import threading
import time
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from genieredux.dreams.session import DreamSession
from genieredux.errors import UserError
from genieredux.models.world.fake import FakeWorld
from genieredux.play import serve
from genieredux.play.bindings import bind
from genieredux.play.connection import Connection
from genieredux.play.server import HOST, MAX_DREAMS, listen

PATIENCE = 30  # seconds; only a machine with much else to do needs them


class Page:
    """What play.js does, in Python."""

    def __init__(self, connection, unpack):
        self._connection, self._unpack, self._seen = connection, unpack, 0
        self.hello = json.loads(connection.recv(PATIENCE))

    def send(self, kind, value=None):
        self._connection.send(json.dumps({"type": kind, "value": value}))

    def next(self, timeout=PATIENCE, confirm=True):
        shown = self._unpack(self._connection.recv(timeout))
        self._seen += 1
        if confirm:
            self.send("seen", self._seen)
        return shown

    def silent(self, seconds=0.25):
        with pytest.raises(TimeoutError):
            self._connection.recv(seconds)
        return True


@pytest.fixture
def page(world, prompts, unpack, running):
    with (
        running(world, prompts, max_fps=200, name="Tiles") as (address, _),
        connect(f"ws://{address}/dream") as it,
    ):
        yield Page(it, unpack)


def test_keys_steer_the_dream(page, world, prompts):
    assert page.hello["actions"] == list(world.action_names)
    assert page.hello["name"] == "Tiles"
    first = page.next()
    assert (first.frame == prompts[0].frames[-1]).all()
    assert first.head["action"] is None
    assert page.silent()  # no key, no NOOP: it waits
    page.send("keys", ["RIGHT"])
    played = world.play(np.array([0, 0, 0, 0]), seed=0)
    for number in (1, 2, 3):
        shown = page.next()
        assert shown.head["number"] == number
        assert shown.head["action"] == 0
        assert (shown.frame == played[number + 1]).all()
        assert shown.entropy.shape == (8, 8)
    page.send("keys", ["RIGHT", "UP"])
    assert 4 in [page.next().head["action"] for _ in range(5)]


def test_a_short_tap_counts_once(world, prompts):
    connection = Connection(None, DreamSession(world, prompts), bind(world.action_names), max_fps=15)

    def keys(*held):
        connection._take({"type": "keys", "value": list(held)})

    keys("LEFT")
    keys()  # released before the loop looked
    assert [connection._next_action() for _ in range(2)] == [1, None]
    keys("UP")
    assert [connection._next_action() for _ in range(2)] == [3, 3]
    keys("UP", "RIGHT")
    keys("UP")
    assert connection._next_action() == 3  # what is down counts, not what was
    keys()
    assert connection._next_action() is None
    connection._take({"type": "pause", "value": True})
    keys("UP")
    keys()
    assert connection._next_action() is None
    connection._take({"type": "pause", "value": False})
    assert connection._next_action() is None  # tapped while paused: forgotten


def test_keep_going_pause_restart_and_next(page, prompts):
    page.next()
    page.send("keep", True)
    page.send("keys", ["DOWN"])
    page.send("keys", [])
    assert [page.next().head["action"] for _ in range(4)] == [2] * 4
    page.send("pause", True)
    page.send("next")
    shown = page.next()
    while shown.head["number"]:  # dreamed before the pause arrived
        shown = page.next()
    assert shown.head["prompt"] == 1
    assert (shown.frame == prompts[1].frames[-1]).all()
    page.send("keys", ["UP"])
    assert page.silent()  # still paused
    page.send("pause", False)
    assert page.next().head["action"] == 3
    page.send("keys", [])
    page.send("restart")
    head = page.next().head
    while head["number"]:
        head = page.next().head
    assert head["prompt"] == 1
    assert page.silent()  # a fresh start is not kept going


def test_a_page_that_does_not_confirm_gets_no_more(page):
    page.next(confirm=False)
    page.send("keys", ["RIGHT"])
    page.next(confirm=False)
    assert page.silent()
    page.send("seen", 2)
    page.next(confirm=False)


def test_nonsense_changes_nothing(page):
    page.next()
    for message in ({}, {"type": "keys"}, {"type": "keys", "value": [1, None]}, {"type": "fly"}, [1], 3):
        page._connection.send(json.dumps(message))
    page.send("seen", 10**9)
    assert page.silent()
    page.send("keys", ["LEFT"])
    assert page.next().head["action"] == 1
    page._connection.send("no json")
    with pytest.raises(ConnectionClosed):
        list(iter(lambda: page._connection.recv(PATIENCE), None))


def test_what_is_nested_without_end_ends_that_dream_alone(world, prompts, running):
    with running(world, prompts) as (address, _):
        with connect(f"ws://{address}/dream") as it:
            it.recv(timeout=10)
            it.send("[" * 100_000 + "]" * 100_000)
            with pytest.raises(ConnectionClosed):
                list(iter(lambda: it.recv(timeout=10), None))
        with connect(f"ws://{address}/dream") as it:
            assert "hello" in it.recv(timeout=10)


@pytest.mark.parametrize("fps", [0, -1.0, float("nan"), float("inf")])
def test_a_pace_that_is_none_is_refused(world, prompts, fps):
    with pytest.raises(UserError, match="fps is"):
        serve(world, prompts, 0, False, fps)


def test_the_pace_is_kept(world, prompts, unpack, running):
    with running(world, prompts, max_fps=20) as (address, _), connect(f"ws://{address}/dream") as it:
        page = Page(it, unpack)
        page.next()
        page.send("keys", ["RIGHT"])
        page.next()
        began = time.perf_counter()
        for _ in range(10):
            page.next()
        assert time.perf_counter() - began > 0.4  # ten frames at twenty a second, two of them on their way


def test_a_world_with_a_noop_goes_on_by_itself(unpack, running):
    world = FakeWorld(("NOOP", "RIGHT"))
    prompts = [(world.play(np.array([0]), 0), np.array([0]))]
    with running(world, prompts, max_fps=100) as (address, _), connect(f"ws://{address}/dream") as it:
        page = Page(it, unpack)
        assert [page.next().head["action"] for _ in range(3)] == [None, 0, 0]


def test_dreams_are_separate_limited_and_freed(world, prompts, unpack, running):
    with running(world, prompts, max_fps=100) as (address, app):
        url = f"ws://{address}/dream"
        people = ExitStack()
        pages = [Page(people.enter_context(connect(url)), unpack) for _ in range(MAX_DREAMS)]
        pages[0].next()
        pages[1].next()
        pages[0].send("keys", ["RIGHT"])
        assert pages[0].next().head["number"] == 1
        assert pages[1].silent(0.1)
        with connect(url) as late:
            assert json.loads(late.recv(PATIENCE)) == {"type": "full", "value": MAX_DREAMS}
            with pytest.raises(ConnectionClosed):
                late.recv(PATIENCE)
        assert len(app.state.connections) == MAX_DREAMS
        people.close()
        for _ in range(100):
            if not app.state.connections:
                break
            time.sleep(0.02)
        assert not app.state.connections
        with connect(url) as it:
            Page(it, unpack).next()


def test_only_our_own_page_may_steer(world, prompts, running):
    with running(world, prompts) as (address, _):
        url, port = f"ws://{address}/dream", address.partition(":")[2]
        with connect(url, origin=f"http://{address}") as it:
            assert "hello" in it.recv(PATIENCE)
        for origin in ("http://evil.example", f"http://localhost:{port}", "http://127.0.0.1:1", "null", "http://["):
            with pytest.raises(InvalidStatus, match="403"), connect(url, origin=origin):
                pass
        # A name that an attacker makes resolve to 127.0.0.1.
        assert httpx.get(f"http://{address}/", headers={"host": "evil.example"}).status_code == 400
        evil = f"ws://evil.example:{port}/dream"
        with (
            socket.create_connection((HOST, int(port))) as sock,
            pytest.raises(InvalidStatus, match="400"),
            connect(evil, sock=sock, origin=f"http://evil.example:{port}"),
        ):
            pass


def test_the_page_needs_nothing_from_elsewhere(world, prompts, running):
    with running(world, prompts) as (address, _):
        for name in ("", "play.js", "play.css", "icon.svg"):
            answer = httpx.get(f"http://{address}/{name}")
            assert answer.status_code == 200
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert "https://" not in answer.text
        assert httpx.get(f"http://{address}/nothing").status_code == 404
        assert httpx.get(f"http://{address}/../server.py").status_code == 404


def test_only_loopback_is_bound():
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_names_a_free_one(world, prompts):
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"Port {port} on 127.0.0.1 is in use: try port=(\d+)") as error:
            serve(world, prompts, port=port, open_browser=False)
    free = int(str(error.value).rpartition("=")[2].rstrip("."))
    with socket.socket() as probe:
        probe.bind((HOST, free))
    with pytest.raises(UserError, match="port=70000 is no port"):
        serve(world, prompts, port=70000, open_browser=False)


def test_serve_announces_itself_opens_a_browser_and_ends(world, prompts, monkeypatch, caplog):
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
        serve(world, prompts, port=0, announce=said.append)
    assert opened.wait(PATIENCE)
