"""Connections to servers: kept, bounded in number, and each lent to one request at a time.

Servers that speak HTTP/2 are spoken to in HTTP/2, the others in HTTP/1.1; they say which when the
connection is secured (ALPN, RFC 7301). A connection never carries two requests at once, in HTTP/2
either: the library's HTTP/2 is not made for several threads, which now and then send streams out of
order, so that the server hangs up. `docs/decisions/http.md` has the figures.

What is not here: credentials, redirects, the meaning of answers (`index.client`), and whom to trust
(`index.authorities`).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from envbuild.index.authorities import Authorities
from envbuild.index.library import load_httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpcore
    import httpx

    from envbuild.index.authorities import Trust
    from envbuild.index.credentials import Realm
    from envbuild.index.http_settings import HttpSettings

_KEPT_FOR = 30.0
"""Seconds that an unused connection is kept."""

_OPENED = ("connect_tcp.complete", "start_tls.complete")
"""Ends of what the library tells when it has a way to the server, and when that is secured."""


class Connections:
    """Lends connections to any number of threads.

    Whoever has been lent one gives it back, or the others wait for ever. The one that was used last
    is lent first, so that no more are opened than are used at once.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._authorities = Authorities(settings)
        self._idle: list[Connection] = []
        self._lent = 0
        self._at_work: set[Connection] = set()
        self._closed = False
        self._changed = threading.Condition()

    def send(self, realm: Realm, request: httpx.Request) -> tuple[httpx.Response, Connection]:
        """Send `request` to `realm`; return the head of the answer and the connection it comes by.

        A kept connection may have been ended by the server in the meantime; such a request is sent
        again, by another one. Only requests that may be sent twice belong here.

        Raises:
            httpx.TransportError: no connection, or no answer by a new one.
            BadSetting: the authorities to trust cannot be read.
        """
        while True:
            connection = self._take(realm)
            with self._changed:
                self._at_work.add(connection)
            try:
                return connection.send(request), connection
            except BaseException as error:
                self.give_back(connection, whole=False)
                if connection.aborted or not (connection.kept and _hung_up(error)):
                    raise

    def give_back(self, connection: Connection, *, whole: bool) -> None:
        """End a loan; `whole` tells whether the answer was read to its end.

        Else the connection is closed: the rest would come before the next answer and, in HTTP/2, use
        up what the server may send.
        """
        with self._changed:
            self._at_work.discard(connection)
            keep = whole and not self._closed
            if keep:
                connection.kept = True
                self._idle.append(connection)
            self._lent -= 1
            self._changed.notify()
        if not keep:
            connection.close()

    def abort(self) -> None:
        """Hang up on every server that something is wanted from; those who wait see it break."""
        with self._changed:
            for connection in self._at_work:
                connection.abort()

    def close(self) -> None:
        """Close all that are not lent now, and those that are when they come back."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self, realm: Realm) -> Connection:
        limit = self._settings.connections
        with self._changed:
            self._changed.wait_for(lambda: self._lent < limit)
            self._lent += 1
            for connection in reversed(self._idle):
                if connection.realm == realm:
                    self._idle.remove(connection)
                    return connection
            surplus = self._idle[: max(0, self._lent + len(self._idle) - limit)]
            del self._idle[: len(surplus)]
        try:
            for connection in surplus:
                connection.close()
            return Connection(realm, self._settings, self._authorities)
        except BaseException:
            with self._changed:
                self._lent -= 1
                self._changed.notify()
            raise


class Connection:
    """A connection to one server, opened by the first request.

    Attributes:
        realm: of the server.
        kept: whether it was opened for an earlier request.
        aborted: whether it was broken off from here.
    """

    def __init__(self, realm: Realm, settings: HttpSettings, authorities: Authorities) -> None:
        load_httpx()
        import httpx

        self.realm = realm
        self.kept = False
        self.aborted = False
        self._stream: httpcore.NetworkStream | None = None
        scheme, host, port = realm
        insecure = {host, f"{host}:{port}"} & set(settings.insecure_hosts)
        trust: Trust = "any" if insecure or scheme == "http" else "known"
        self._transport = httpx.HTTPTransport(
            verify=authorities.context(trust),
            trust_env=False,
            http2=True,
            limits=httpx.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT_FOR
            ),
            proxy=_proxy(realm, authorities),
        )

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return the head of the answer, whose body comes as it is read."""
        request.extensions["trace"] = self._note
        return self._transport.handle_request(request)

    def abort(self) -> None:
        """Hang up, from another thread than the one that reads; that one sees a broken transfer."""
        import socket

        self.aborted = True
        wire = self._stream and self._stream.get_extra_info("socket")
        if isinstance(wire, socket.socket):
            # Past what a TLS socket would do first, since another thread is inside of it.
            with suppress(OSError):
                socket.socket.shutdown(wire, socket.SHUT_RDWR)

    def _note(self, event: str, found: Mapping[str, object]) -> None:
        """Keep the way to the server, to break it off even before there is an answer."""
        if event.endswith(_OPENED):
            self._stream = found["return_value"]  # type: ignore[assignment]

    def close(self) -> None:
        self._transport.close()


def _hung_up(error: BaseException) -> bool:
    """Tell whether a server may merely have ended a connection that was kept too long for it.

    Where it says so in HTTP/2, and goes on to answer what came before, the library takes that for a
    violation of the protocol, sometimes ours.
    """
    import httpx

    return isinstance(error, httpx.NetworkError | httpx.ProtocolError)


def _proxy(realm: Realm, authorities: Authorities) -> httpx.Proxy | None:
    """Return the proxy that the environment names for `realm`."""
    from urllib.request import getproxies, proxy_bypass

    import httpx

    scheme, host, port = realm
    if proxy_bypass(f"{host}:{port}"):
        return None
    proxies = getproxies()
    named = proxies.get(scheme) or proxies.get("all")
    if not named:
        return None
    url = named if "://" in named else f"http://{named}"
    secured = url.startswith("https:")
    return httpx.Proxy(url, ssl_context=authorities.context("proxy") if secured else None)
