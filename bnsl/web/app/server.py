"""The app, served: to this machine alone unless asked otherwise."""

from __future__ import annotations

import contextlib
import io
import socket
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bnsl._base.checks import InputError, check_count

if TYPE_CHECKING:
    from dash import Dash
    from werkzeug.serving import BaseWSGIServer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT = 8050
LAST_PORT = 65535


def make_app(file: str | None = None) -> Dash:
    """The Dash app, to be served by any WSGI server as `make_app().server`.

    Args:
        file: a file or folder, or the name of a data set, that is there from the start.

    Raises:
        InputError: a missing dash, or a file that cannot be read.
    """
    try:
        import dash
    except ImportError:
        raise InputError("the app needs dash; pip install 'broken-neural-scaling-laws[app]'") from None
    from bnsl.web.app.page import page
    from bnsl.web.app.reactions import react
    from bnsl.web.app.session import Sessions

    app = dash.Dash("bnsl.web.app", title="bnsl", update_title="", serve_locally=True)
    sessions = Sessions()
    start = None if file is None else sessions.add_path(file)
    app.layout = page(start)
    react(app, sessions, start)
    return app


def serve(
    host: str = LOOPBACK[0],
    port: int = PORT,
    *,
    file: str | None = None,
    ready: Callable[[str], Any] | None = None,
    open_browser: bool = False,
) -> None:
    """Serve the app until interrupted.

    Args:
        host: where to listen. Everybody who can reach another address than the loopback's can use the app.
        port: 0 for a free one.
        file: as for `make_app`.
        ready: called with the address once it can be opened.
        open_browser: open it in the user's browser.

    Raises:
        InputError: a port that is taken, a file that cannot be read, or a missing dash.
    """
    server = make_server(host, port, file)
    address = f"http://{f'[{host}]' if ':' in host else host}:{server.port}/"
    try:
        if ready is not None:
            ready(address)
        if open_browser:
            webbrowser.open(address)
        server.serve_forever()
    finally:
        server.server_close()


def make_server(host: str, port: int, file: str | None = None) -> BaseWSGIServer:
    """A server of the app that listens, to be started by `serve_forever`.

    On the loopback it answers only requests made to the loopback by name, so that no page of the web can
    reach it by a name of its own that it points here (DNS rebinding).

    Raises:
        InputError: a port that is taken, an unknown host, a file that cannot be read, or a missing dash.
    """
    if check_count(port, "port") > LAST_PORT:
        raise InputError(f"port = {port} must be a whole number from 0 to {LAST_PORT}")
    try:
        socket.getaddrinfo(host, port)
    except OSError as error:
        raise InputError(f"host = {host!r} is not known: {error.strerror}") from None
    app = make_app(file)
    import flask
    from werkzeug.serving import WSGIRequestHandler
    from werkzeug.serving import make_server as listen

    class Quiet(WSGIRequestHandler):
        def log_request(self, *_: Any, **__: Any) -> None:
            """No line for every request."""

    if host in LOOPBACK:

        @app.server.before_request
        def refuse_strangers() -> None:
            if (flask.request.host.rsplit(":", 1)[0]).strip("[]") not in LOOPBACK:
                flask.abort(403)

    try:
        with contextlib.redirect_stderr(io.StringIO()):  # Werkzeug's own lines about it, before it leaves
            return listen(host, port, app.server, threaded=True, request_handler=Quiet)
    except (OSError, SystemExit) as error:
        reason = getattr(error, "strerror", None) or "it may be in use"
        raise InputError(f"cannot listen on {host}, port {port}: {reason}; port=0 finds a free one") from None
