"""A world to walk in and prompts to begin at."""

import json
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import uvicorn

from genieredux.models.world.fake import FakeWorld
from genieredux.play import Prompt
from genieredux.play.server import HOST, listen, make_app


@dataclass
class Shown:
    """A picture as a page receives it."""

    head: dict[str, object]
    frame: np.ndarray
    entropy: np.ndarray


def unpack(message: bytes) -> Shown:
    (length,) = struct.unpack_from("<I", message)
    head = json.loads(message[4 : 4 + length])
    size = (*head["size"], 3)
    end = 4 + length + int(np.prod(size))
    assert end % 4 == 0
    frame = np.frombuffer(message[4 + length : end], np.uint8).reshape(size)
    return Shown(head, frame, np.frombuffer(message[end:], np.float32).reshape(head["grid"]))


@contextmanager
def running(world, prompts, **options):
    """The server in a thread, on a free port; gives the address without scheme."""
    listener = listen(0)
    app = make_app(world, prompts, **options)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"{HOST}:{listener.getsockname()[1]}", app
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@pytest.fixture
def world():
    return FakeWorld()


@pytest.fixture
def prompts(world):
    return [Prompt(world.play(np.array([0]), seed), np.array([0])) for seed in range(3)]


@pytest.fixture(name="unpack")
def unpack_fixture():
    return unpack


@pytest.fixture(name="running")
def running_fixture():
    return running
