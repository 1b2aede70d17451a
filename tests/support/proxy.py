"""A forward proxy on a real socket: `CONNECT` for TLS, absolute addresses for plain HTTP.

It takes one request on each connection, notes what was asked, and can demand credentials.
"""

from __future__ import annotations

import base64
import socket
import socketserver
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Listens inside its `with` block.

    Attributes:
        seen: `METHOD target` of every request, in order.
    """

    def __init__(self, account: tuple[str, str] | None = None) -> None:
        self.seen: list[str] = []
        self.account = account
        self._sockets = _Sockets(("127.0.0.1", 0), _Connection)
        self._sockets.proxy = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._sockets.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._sockets.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sockets.shutdown()
        self._sockets.server_close()


class _Sockets(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    proxy: Proxy


class _Connection(socketserver.StreamRequestHandler):
    server: _Sockets
    request: socket.socket

    def handle(self) -> None:
        proxy = self.server.proxy
        method, target, version = self.rfile.readline().decode("latin-1").split()
        lines: list[str] = []
        while line := self.rfile.readline().decode("latin-1").strip():
            lines.append(line)
        proxy.seen.append(f"{method} {target}")
        if proxy.account is not None:
            pair = base64.b64encode(":".join(proxy.account).encode()).decode()
            if f"proxy-authorization: basic {pair}".lower() not in map(str.lower, lines):
                self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            head = b""
        else:
            parts = urlsplit(target)
            host, port = parts.hostname or "", str(parts.port or 80)
            kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection"))]
            head = "\r\n".join(
                (f"{method} {parts.path} {version}", *kept, "Connection: close", "", "")
            ).encode("latin-1")
        with socket.create_connection((host, int(port))) as onward:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            onward.sendall(head)
            back = threading.Thread(target=_pump, args=(onward, self.request), daemon=True)
            back.start()
            _pump(self.request, onward)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
