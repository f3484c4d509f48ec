"""What tests of the page share: the server in a thread, and a page in Python."""

import json
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import uvicorn

from genieredux.play import Prompt, Scenes, Settings
from genieredux.play.doors import Doors
from genieredux.play.server import LOOPBACK, listen, make_app, make_config

PATIENCE = 30  # seconds; only a machine with much else to do needs them


@dataclass
class Shown:
    """A picture as a page receives it."""

    head: dict[str, object]
    frame: np.ndarray
    entropy: np.ndarray
    game: np.ndarray | None


def unpack(message: bytes) -> Shown:
    (length,) = struct.unpack_from("<I", message)
    assert (4 + length) % 4 == 0
    head = json.loads(message[4 : 4 + length])
    if head["type"] != "picture":
        return Shown(head, np.frombuffer(message[4 + length :], np.uint8), np.zeros(0), None)
    tokens, pixels = int(np.prod(head["grid"])), int(np.prod(head["size"])) * 3
    end = 4 + length + 4 * tokens
    entropy = np.frombuffer(message[4 + length : end], np.float32).reshape(head["grid"])
    frames = np.frombuffer(message[end:], np.uint8).reshape(-1, *head["size"], 3)
    assert len(frames) == (2 if head["game"] else 1)
    assert frames.size == pixels * len(frames)
    return Shown(head, frames[0], entropy, frames[1] if head["game"] else None)


class Page:
    """What the page does, in Python."""

    def __init__(self, connection):
        self._connection, self._seen, self.said = connection, 0, []
        self.hello = self.message("hello")

    def send(self, kind, value=None, **more):
        self._connection.send(json.dumps({"type": kind, "value": value, **more}))

    def send_raw(self, content):
        self._connection.send(content)

    def receive(self, timeout=PATIENCE):
        message = self._connection.recv(timeout)
        return unpack(message) if isinstance(message, bytes) else json.loads(message)

    def message(self, kind, timeout=PATIENCE):
        """The next message of a type; pictures before it are confirmed."""
        while True:
            message = self.receive(timeout)
            if isinstance(message, Shown):
                self._confirm(message)
            elif message["type"] == kind:
                return message
            else:
                self.said.append(message)

    def next(self, timeout=PATIENCE, confirm=True):
        """The next picture."""
        while True:
            message = self.receive(timeout)
            if isinstance(message, Shown) and message.head["type"] == "picture":
                self._confirm(message, confirm)
                return message
            if not isinstance(message, Shown):
                self.said.append(message)

    def until(self, number):
        """The picture of this number."""
        while (shown := self.next()).head["number"] != number:
            pass
        return shown

    def silent(self, seconds=0.25):
        with pytest.raises(TimeoutError):
            self._connection.recv(seconds)
        return True

    def _confirm(self, shown, confirm=True):
        if shown.head["type"] == "picture":
            self._seen += 1
            if confirm:
                self.send("seen", self._seen)


@contextmanager
def running(*scenes, doors=None, **settings):
    """The server in a thread, on a free port; gives the address without scheme."""
    listener = listen(0)
    settings = Settings(**settings)
    loaders = {scene.name: (lambda scene=scene: scene) for scene in scenes}
    app = make_app(Scenes(loaders), settings, doors=doors or Doors(token=settings.token))
    config = make_config(app, settings)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{listener.getsockname()[1]}", app
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


def prompts_for(world, count=3):
    return [Prompt(world.play(np.array([0]), seed), np.array([0])) for seed in range(count)]
