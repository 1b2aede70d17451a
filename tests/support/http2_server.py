"""A server on a real socket that speaks HTTP/2 over TLS and nothing else, and misbehaves on request.

It serves contents by name, whole or from an offset, one answer after the other on each connection,
and notes what it is asked and by which connection.
"""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamReset
from h2.exceptions import H2Error
from hyperframe.frame import GoAwayFrame

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from support.index_server import Certificate

_BLOCK = 1 << 14


@dataclass(frozen=True, slots=True)
class GoAway:
    """Announce the end of the connection after so many bytes of body; answer to the end all the same.

    From then on nothing is answered, and it is the client who closes.
    """

    after: int = 0


@dataclass(frozen=True, slots=True)
class Refuse:
    """Announce the end of the connection and say that this request was not looked at."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the stream after so many bytes of body; the connection goes on."""

    after: int


@dataclass(frozen=True, slots=True)
class Short:
    """End the stream after so many bytes of body, as if that were all."""

    after: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Send no more after so many bytes of body."""

    after: int


@dataclass(frozen=True, slots=True)
class Unannounced:
    """Say nothing of the body's length."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Answer, then close the connection without a word."""


Fault = GoAway | Refuse | Reset | Short | Stall | Unannounced | HangUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: the number of its connection, and how many were open on that, itself included."""

    path: str
    headers: Mapping[str, str]
    connection: int
    at_once: int


class Http2Server:
    """Listens from construction on and answers inside its `with` block.

    Args:
        contents: by path, with its leading slash; everything else is 404, with a short body.
        certificate: to show.
        lifetime: requests after which a connection is ended as by `GoAway`; 0 for never.

    Attributes:
        asked: every request, in order of arrival.
        connections: how many were made.
        open: how many there are now.
    """

    def __init__(
        self, contents: Mapping[str, bytes], certificate: Certificate, *, lifetime: int = 0
    ) -> None:
        self.contents = contents
        self.lifetime = lifetime
        self.asked: list[Asked] = []
        self.connections = 0
        self.open = 0
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        self._faults: deque[Fault | None] = deque()
        self._sockets = _Sockets(self, certificate)

    @property
    def port(self) -> int:
        return self._sockets.server_address[1]

    @property
    def url(self) -> str:
        """Scheme, address and port, without a final slash."""
        return f"https://127.0.0.1:{self.port}"

    def fail(self, *faults: Fault | None) -> None:
        """Give the next requests these faults, one each, in order."""
        self._faults.extend(faults)

    def note(self, asked: Asked) -> Fault | None:
        """Remember a request and return the fault that it is to meet."""
        with self.changed:
            self.asked.append(asked)
            return self._faults.popleft() if self._faults else None

    def opened(self) -> int:
        """Count a new connection and return its number."""
        with self.changed:
            self.connections += 1
            self.open += 1
            return self.connections

    def closed(self) -> None:
        with self.changed:
            self.open -= 1
            self.changed.notify_all()

    def wait_for_open(self, count: int) -> bool:
        """Wait until so many connections are open; tell whether it came to that."""
        with self.changed:
            return self.changed.wait_for(lambda: self.open == count, 10.0)

    def __enter__(self) -> Self:
        threading.Thread(target=self._sockets.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._sockets.shutdown()
        self._sockets.server_close()


class _Sockets(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, owner: Http2Server, certificate: Certificate) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.owner = owner
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.chain, certificate.key)
        self.context.set_alpn_protocols(["h2"])

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: clients that hang up belong to the tests."""


class _Connection(socketserver.BaseRequestHandler):
    server: _Sockets
    request: socket.socket

    def handle(self) -> None:
        self.owner = self.server.owner
        self.number = self.owner.opened()
        self.answered = 0
        self.waiting: deque[tuple[int, dict[str, str]]] = deque()
        try:
            with self.server.context.wrap_socket(self.request, server_side=True) as self.wire:
                if self.wire.selected_alpn_protocol() == "h2":
                    with suppress(OSError, EOFError, H2Error):
                        self.serve()
        finally:
            self.owner.closed()

    def serve(self) -> None:
        self.http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.http2.initiate_connection()
        fault: Fault | None = None
        while not isinstance(fault, HangUp):
            while not self.waiting or isinstance(fault, GoAway | Refuse):
                self.receive()
            stream, headers = self.waiting[0]
            asked = Asked(
                path=headers[":path"],
                headers=headers,
                connection=self.number,
                at_once=len(self.waiting),
            )
            fault = self.owner.note(asked)
            self.answered += 1
            if self.answered == self.owner.lifetime:
                fault = GoAway()
            if isinstance(fault, Refuse):
                self.go_away(stream - 2)
            else:
                self.answer(stream, headers, fault)
            self.waiting.popleft()

    def answer(self, stream: int, headers: Mapping[str, str], fault: Fault | None) -> None:
        content = self.owner.contents.get(headers[":path"])
        status, body = ("404", b"there is no such thing") if content is None else ("200", content)
        said = {}
        if content is not None and (
            found := re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        ):
            first = int(found[1])
            status, body = "206", content[first:]
            said["content-range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if not isinstance(fault, Unannounced):
            said["content-length"] = str(len(body))
        if fault == GoAway():
            self.go_away(stream)
        self.http2.send_headers(stream, [(":status", status), *said.items()])
        match fault:
            case GoAway(after=after):
                self.send(stream, body[:after])
                if after:
                    self.go_away(stream)
                self.send(stream, body[after:])
                self.http2.end_stream(stream)
            case Reset(after=after):
                self.send(stream, body[:after])
                self.http2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
            case Short(after=after):
                self.send(stream, body[:after])
                self.http2.end_stream(stream)
            case Stall(after=after):
                self.send(stream, body[:after])
                self.flush()
                self.owner.stopping.wait()
            case _:
                self.send(stream, body)
                self.http2.end_stream(stream)
        self.flush()

    def go_away(self, stream: int) -> None:
        """Say that no request after `stream` is answered; the library would send nothing more."""
        self.flush()
        self.wire.sendall(GoAwayFrame(0, last_stream_id=stream).serialize())

    def send(self, stream: int, body: bytes) -> None:
        """Send body as far as the client lets us, until it does."""
        rest = memoryview(body)
        while rest:
            while not (window := self.http2.local_flow_control_window(stream)):
                self.receive()
            size = min(window, _BLOCK, len(rest))
            self.http2.send_data(stream, bytes(rest[:size]))
            self.flush()
            rest = rest[size:]

    def receive(self) -> None:
        self.flush()
        data = self.wire.recv(1 << 16)
        if not data:
            raise EOFError
        for event in self.http2.receive_data(data):
            match event:
                case RequestReceived(stream_id=stream, headers=headers):
                    self.waiting.append(
                        (stream, {str(name): str(value) for name, value in headers})
                    )
                case StreamReset():
                    raise EOFError

    def flush(self) -> None:
        self.wire.sendall(self.http2.data_to_send())
