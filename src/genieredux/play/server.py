"""The page and the socket, on this machine only. It knows a world through its protocol and dreams in
`connection.py`.
"""

import logging
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.staticfiles import StaticFiles
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware

from genieredux.checking import above
from genieredux.dreams.session import DreamSession, check_prompts
from genieredux.errors import UserError
from genieredux.models.world.protocol import World
from genieredux.play.bindings import bind
from genieredux.play.connection import Connection

HOST = "127.0.0.1"
MAX_DREAMS = 4  # each holds a cache and wants a core
_NAMES = (HOST, "localhost")
_STATIC = Path(__file__).parent / "static"
_POLICY = "default-src 'self'; connect-src 'self' ws://127.0.0.1:* ws://localhost:*; frame-ancestors 'none'"

log = logging.getLogger(__name__)


def serve(
    world: World,
    prompts: Sequence[tuple[np.ndarray, np.ndarray]],
    port: int = 8765,
    open_browser: bool = True,
    max_fps: float = 15.0,
    name: str = "",
    announce: Callable[[str], None] = log.info,
) -> None:
    """Let people walk in `world` at http://127.0.0.1:port until Ctrl-C. Nobody outside this machine can
    connect.

    prompts: where a dream may begin, (frames uint8 (P, S, S, 3), actions (P - 1,)) each. port: 0 takes any
    free one. max_fps: frames a second at most. name: of the world, for the page. announce: is told the
    address. Raises UserError for a port that is taken or prompts that do not fit.
    """
    above("fps", max_fps, 0)
    app = make_app(world, prompts, max_fps, name)
    listener = listen(port)
    address = f"http://{HOST}:{listener.getsockname()[1]}"
    announce(f"The dream is at {address} (Ctrl-C ends it)")
    if open_browser:
        threading.Thread(target=_open, args=(address,), daemon=True).start()
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        listener.close()


def make_app(
    world: World, prompts: Sequence[tuple[np.ndarray, np.ndarray]], max_fps: float = 15.0, name: str = ""
) -> FastAPI:
    """The application: the page at `/`, the dream at `/dream`. Raises UserError for prompts that do not
    fit.
    """
    starts = check_prompts(world, prompts)
    bindings = bind(world.action_names)
    hello = {
        "type": "hello",
        "name": name,
        "actions": list(world.action_names),
        "chords": bindings.chords,
        "keys": bindings.keys,
        "idle": bindings.idle,
        "prompts": len(starts),
    }
    alive: set[Connection] = set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.connections = alive
        yield

    app = FastAPI(title="GenieRedux dream", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    # Another site's page may try to reach us through the person's own browser: by a name that resolves to
    # 127.0.0.1 (the Host check) or by a plain websocket, which no same-origin rule stops (the Origin check).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(_NAMES))

    @app.middleware("http")
    async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Cache-Control"] = "no-cache"
        return response

    @app.websocket("/dream")
    async def dream(websocket: WebSocket) -> None:
        if not _own_page(websocket):
            await websocket.close(1008, "only the page of this program may steer it")
            return
        await websocket.accept()
        if len(alive) >= MAX_DREAMS:
            await websocket.send_json({"type": "full", "value": MAX_DREAMS})
            await websocket.close(1013, "too many dreams")
            return
        connection = Connection(websocket, DreamSession(world, starts), bindings, max_fps)
        alive.add(connection)
        try:
            await websocket.send_json(hello)
            await connection.run()
        finally:
            alive.discard(connection)

    app.mount("/", StaticFiles(directory=_STATIC, html=True))
    return app


def listen(port: int) -> socket.socket:
    """A socket bound to the loopback address. Raises UserError that names a free port when this one is
    taken.
    """
    if not 0 <= port <= 65535:
        raise UserError(f"port={port} is no port: choose one from 1024 to 65535, or 0 for any free one.")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left by us may be taken again
    try:
        listener.bind((HOST, port))
        listener.listen(64)  # from now on nobody else can, and a browser that comes early waits in line
    except OSError as error:
        listener.close()
        reason = "may not be used" if isinstance(error, PermissionError) else "is in use"
        raise UserError(f"Port {port} on {HOST} {reason}: try port={_free_port()}.") from error
    return listener


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _own_page(websocket: WebSocket) -> bool:
    """Whether a browser says that our own page opened this socket; programs that are no browser send no
    origin.
    """
    origin = websocket.headers.get("origin")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as http://[
        return False
    return parts.scheme == "http" and parts.hostname in _NAMES and parts.netloc == websocket.headers.get("host")


def _open(address: str) -> None:
    if not webbrowser.open(address):
        log.info("no browser could be opened: go to %s", address)
