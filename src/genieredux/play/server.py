"""The page and its socket. It knows a world through its protocol; the dreaming is in `visit.py`."""

import asyncio
import contextlib
import logging
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.base import RequestResponseEndpoint
from starlette.types import ASGIApp, Receive, Scope, Send

from genieredux.checking import above, at_least, within
from genieredux.errors import UserError
from genieredux.play.doors import LOOPBACK, Doors
from genieredux.play.hall import Hall
from genieredux.play.keeping import KINDS
from genieredux.play.scenes import Scenes
from genieredux.play.settings import Settings
from genieredux.play.visit import GONE, dismiss
from genieredux.play.watching import Policies

_STATIC = Path(__file__).parent / "static"
_POLICY = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

log = logging.getLogger(__name__)


def serve(
    scenes: Scenes,
    settings: Settings | None = None,
    policies: Policies | None = None,
    host: str = LOOPBACK,
    port: int = 8765,
    open_browser: bool = True,
    announce: Callable[[str], None] = log.info,
) -> None:
    """Let people walk in worlds at http://host:port until Ctrl-C. Unless another `host` is asked for, nobody outside
    this machine can connect; with another one, settings.token is needed.

    scenes: the worlds; the first is loaded before the page opens. port: 0 takes any free one. announce: is told the
    address. Raises UserError for a port that is taken, or a world that cannot be loaded.
    """
    settings, policies = settings or Settings(), policies or Policies()
    above("fps", settings.fps, 0)
    at_least("players", settings.players, 1)
    doors = Doors(host, settings.token)
    policies.check(scenes.get(scenes.names[0]).world)
    app = make_app(scenes, settings, policies, doors)
    listener = listen(port, host)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}" + (f"/#token={settings.token}" if settings.token else "")
    announce(f"The dream is at {address} (Ctrl-C ends it)")
    if open_browser:
        threading.Thread(target=_open, args=(address,), daemon=True).start()
    server = uvicorn.Server(make_config(app, settings))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        listener.close()


def make_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How the server runs: what is too large is refused, whoever is silent is let go."""
    return uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=2,
        ws_max_size=settings.message_bytes,
        ws_max_queue=8,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=16 * 1024,
    )


def make_app(
    scenes: Scenes, settings: Settings | None = None, policies: Policies | None = None, doors: Doors | None = None
) -> FastAPI:
    """The application: the page at `/`, the dream at `/dream`, films at `/film/SESSION.KIND`."""
    settings = settings or Settings()
    doors = doors or Doors(token=settings.token)
    hall = Hall(scenes, settings, policies or Policies())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(hall.sweep())
        yield
        sweeping.cancel()
        await hall.close()

    app = FastAPI(title="GenieRedux dream", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.hall = hall
    app.add_middleware(_KnownHosts, doors=doors)

    @app.middleware("http")
    async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.websocket("/dream")
    async def dream(websocket: WebSocket) -> None:
        if not doors.admits(websocket.headers, websocket.url.query):
            await dismiss(websocket, 1008, "only the page of this program may steer it")
            return
        await websocket.accept()
        visit = await hall.enter(websocket.query_params.get("session", ""))
        if visit is None:
            with contextlib.suppress(*GONE):
                await websocket.send_json({"type": "full", "value": settings.players})
                await websocket.close(1013, "all seats are taken")
            return
        broken = False
        try:
            await visit.serve(websocket)
        except Exception as error:
            broken = True
            log.exception("a dream broke; the others go on")
            with contextlib.suppress(*GONE):
                said = str(error) if isinstance(error, UserError) else "this dream broke; the program's log says how"
                await websocket.send_json({"type": "said", "value": said, "bad": True})
                await websocket.close(1011, "this dream broke")
        finally:
            await hall.leave(visit, for_good=broken)

    @app.get("/film/{session}.{kind}")
    async def film(session: str, kind: str) -> Response:
        visit = hall.find(session)
        if visit is None or kind not in KINDS:
            return PlainTextResponse("there is no such film", 404)
        try:
            content = await visit.film(kind)
        except UserError as error:
            return PlainTextResponse(str(error), 409)
        name = {"Content-Disposition": f'attachment; filename="dream.{kind}"'}
        return Response(content, media_type=KINDS[kind], headers=name)

    app.mount("/", StaticFiles(directory=_STATIC, html=True))
    return app


def listen(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket bound to the address. Raises UserError that names a free port when this one is taken."""
    within("port", port, 0, 65535)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left by us may be taken again
    try:
        listener.bind((host, port))
        listener.listen(64)  # from now on nobody else can, and a browser that comes early waits in line
    except OSError as error:
        listener.close()
        if error.errno == 99:  # EADDRNOTAVAIL
            raise UserError(f"host={host} is no address of this machine: say host=0.0.0.0 for all it has.") from error
        reason = "may not be used" if isinstance(error, PermissionError) else "is in use"
        raise UserError(f"Port {port} on {host} {reason}: try port={_free_port()}.") from error
    return listener


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class _KnownHosts:
    """Refuses requests, and sockets, that were meant for another host."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            said = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if not self._doors.knows_host(said):
                return await PlainTextResponse("there is no such host here", 400)(scope, receive, send)
        await self._app(scope, receive, send)


def _open(address: str) -> None:
    if not webbrowser.open(address):
        log.info("no browser could be opened: go to %s", address)
