"""What arrives from a page that may have left already."""

import asyncio

import pytest
from fastapi import WebSocketDisconnect

from genieredux.play import Scenes, Settings
from genieredux.play.visit import Visit, dismiss
from genieredux.play.watching import Policies


class Left:
    """A socket with messages still to be read, whose other side has gone: all that is said to it fails."""

    def __init__(self, error, *texts):
        self.error, self.texts, self.codes = error, list(texts), []

    async def receive(self):
        if not self.texts:
            raise RuntimeError("nothing more comes")
        return {"type": "websocket.receive", "text": self.texts.pop(0)}

    async def close(self, code, reason):
        self.codes.append(code)
        raise self.error

    async def send_json(self, message):
        raise self.error


ERRORS = [RuntimeError('Cannot call "send" once a close message has been sent.'), WebSocketDisconnect(1006)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("texts", "code"), [(["no json"], 1003), (["[" * 100_000], 1003), (["{}"] * 9, 1008)])
def test_a_page_that_left_is_no_broken_dream(scene, monkeypatch, error, texts, code):
    async def listen():
        visit = Visit(Scenes({"Tiles": lambda: scene}), Settings(burst=4, messages_per_second=1), Policies())
        visit._socket = socket
        await visit._listen(socket)
        await visit.close()

    socket = Left(error, *texts)
    monkeypatch.setattr("genieredux.play.visit.asyncio.sleep", lambda seconds: done())
    asyncio.run(listen())
    assert socket.codes == [code]


async def done():
    """Nothing to wait for."""


def test_other_errors_of_a_socket_are_heard():
    with pytest.raises(ValueError, match="a defect"):
        asyncio.run(dismiss(Left(ValueError("a defect")), 1003, "this is no JSON"))
