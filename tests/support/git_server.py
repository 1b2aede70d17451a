"""Repositories over HTTP on loopback: by git's own back end, or as plain files as long ago."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class GitServer:
    """A running server.

    Attributes:
        url: of the folder that it serves.
        requests: method and path of each request so far.
        authorizations: what the requests had to say about who sends them, `None` for nothing.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[str] = []
        self.authorizations: list[str | None] = []


@contextmanager
def serve_repositories(
    root: Path, *, dumb: bool = False, password: str | None = None
) -> Iterator[GitServer]:
    """Serve the repositories below `root`.

    Args:
        root: folder.
        dumb: hand out files alone.
        password: of the user `me`, without which nothing is given.
    """
    wanted = None
    if password is not None:
        wanted = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            server.requests.append(f"{self.command} {self.path}")
            given = self.headers.get("Authorization")
            server.authorizations.append(given)
            if wanted is not None and given != wanted:
                self._send(401, b"", {"WWW-Authenticate": 'Basic realm="git"'})
            elif dumb:
                self._send_file()
            else:
                self._run_backend()

        def _send_file(self) -> None:
            path = root / unquote(urlsplit(self.path).path).lstrip("/")
            if path.is_file():
                self._send(200, path.read_bytes(), {})
            else:
                self._send(404, b"", {})

        def _run_backend(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environ = {
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROJECT_ROOT": str(root),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "PATH": os.environ["PATH"],
                "PATH_INFO": unquote(parts.path),
                "QUERY_STRING": parts.query,
                "REMOTE_USER": "me",
                "REQUEST_METHOD": self.command,
            }
            answer = subprocess.run(
                ("git", "http-backend"), input=body, env=environ, capture_output=True, check=False
            ).stdout
            head, _, content = answer.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self._send(int(headers.pop("Status", "200").split()[0]), content, headers)

        def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = GitServer(listening.server_port)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
