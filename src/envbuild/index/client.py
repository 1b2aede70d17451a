"""Requests over HTTP: one pool of connections, credentials, redirects, trust, proxies.

The only module that knows the HTTP library. It uses the library's transports directly: what a
browser-like client adds (cookies, its own redirects and authentication) is either unwanted here or
has to be decided here, and costs a third of the time of a small request.

HTTP/1.1 on purpose: with several threads on one HTTP/2 connection the library now and then sends
streams out of order and the server hangs up; with one thread it is slower for large bodies.
`docs/decisions/http.md` has the figures.

What is not here: retries, ranges and hashes (`realise.fetch`), and the meaning of listings.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from envbuild import __version__
from envbuild.errors import RealiseError, UsageError
from envbuild.frozen import frozen
from envbuild.index.credentials import origin, without_userinfo
from envbuild.index.redaction import redact

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from typing import Literal, Self, TypeVar

    import httpcore
    import httpx

    from envbuild.index.credentials import Accounts, Credentials, Realm

    Trust = Literal["known", "any"]
    Number = TypeVar("Number", int, float)

_HOPS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSALS = frozenset({401, 403, 404})
_PASSING = frozenset({408, 425, 429})
_LONGEST_WAIT = 120.0
_DRAINED = 1 << 16


class Offline(RealiseError):
    """A request that would have been made if it were allowed."""

    def __init__(self, url: str) -> None:
        self.url = redact(url)
        super().__init__(f"cannot read `{self.url}`: working offline")


class TransferFailed(RealiseError):
    """A request or an answer that broke.

    Attributes:
        url: without credentials.
        reason: what happened, in a few words.
        passing: whether it may go well another time.
        status: of the answer, `None` where none came.
        wait: seconds that the server asks to wait before another attempt.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        passing: bool,
        status: int | None = None,
        wait: float = 0.0,
        hint: str | None = None,
    ) -> None:
        self.url = redact(url)
        self.reason = redact(reason)
        self.passing = passing
        self.status = status
        self.wait = wait
        super().__init__(f"cannot read `{self.url}`: {self.reason}", hint=hint)


class BadSetting(UsageError):
    """An environment variable whose value cannot be used."""

    def __init__(self, variable: str, value: str, reason: str) -> None:
        super().__init__(f"the variable `{variable}` is `{value}`, {reason}")
        self.variable = variable
        self.value = value


@frozen
class HttpSettings:
    """How to behave on the network.

    Attributes:
        offline: make no request.
        timeout: seconds to wait for the next bytes.
        connect_timeout: seconds to wait for a connection.
        retries: how often a failed transfer is tried again.
        backoff: seconds before the first retry; each further one waits twice as long.
        connections: how many may be open at a time.
        insecure_hosts: `host` or `host:port` whose certificates are not checked.
        authorities_file: certificates that replace those of the system.
        authorities_folder: the same, as a folder that OpenSSL has hashed.
    """

    offline: bool = False
    timeout: float = 30.0
    connect_timeout: float = 10.0
    retries: int = 3
    backoff: float = 0.5
    connections: int = 16
    insecure_hosts: tuple[str, ...] = ()
    authorities_file: str | None = None
    authorities_folder: str | None = None

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        *,
        offline: bool = False,
        connections: int = 16,
        insecure_hosts: tuple[str, ...] = (),
    ) -> HttpSettings:
        """Return the given settings, completed by what only the environment says.

        Raises:
            BadSetting: a variable that should be a number is none.
        """
        default = cls()
        return cls(
            offline=offline,
            timeout=_number(environ, "HTTP_TIMEOUT", default.timeout, float),
            connect_timeout=_number(
                environ, "HTTP_CONNECT_TIMEOUT", default.connect_timeout, float
            ),
            retries=_number(environ, "HTTP_RETRIES", default.retries, int),
            connections=connections,
            insecure_hosts=insecure_hosts,
            authorities_file=environ.get("SSL_CERT_FILE") or None,
            authorities_folder=environ.get("SSL_CERT_DIR") or None,
        )


class Client:
    """Sends requests; safe to use from several threads; keeps connections until it is closed.

    Nothing is set up, nor is the HTTP library imported, before the first request.
    """

    def __init__(self, settings: HttpSettings, accounts: Accounts) -> None:
        self.settings = settings
        self._accounts = accounts
        self._by_realm: dict[Realm, httpx.HTTPTransport] = {}
        self._transports: dict[tuple[Trust, str | None], httpx.HTTPTransport] = {}
        self._authorities: ssl.SSLContext | None = None
        self._open: set[Answer] = set()
        self._mutex = threading.Lock()

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask for `url` and return the answer as soon as its head is here, whatever its status.

        Redirects are followed, each with the credentials of its own address alone, and never from
        TLS to plain text. After a refusal the keyring is asked, and the request sent once more.

        Raises:
            Offline: the settings forbid it.
            TransferFailed: no answer, or a redirect that cannot be followed.
        """
        address = url
        for _ in range(_HOPS):
            answer = self._get_with_credentials(address, headers)
            location = answer.header("Location") if answer.status in _REDIRECTS else None
            if location is None:
                return answer
            answer.close()
            address = self._redirected(address, location)
        raise TransferFailed(url, f"more than {_HOPS} redirects", passing=False)

    def abort(self) -> None:
        """Break every transfer that is going on, as if the servers had hung up."""
        with self._mutex:
            for answer in self._open:
                answer.abort()

    def close(self) -> None:
        """Close every connection."""
        with self._mutex:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()
            self._by_realm.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get_with_credentials(self, url: str, headers: Mapping[str, str]) -> Answer:
        try:
            realm = origin(url)
            credentials = self._accounts.known(url)
        except ValueError as error:
            raise TransferFailed(url, "this is not a URL", passing=False) from error
        answer = self._send(realm, url, headers, credentials)
        if answer.status not in _REFUSALS:
            return answer
        found = self._accounts.ask_keyring(url)
        if found is not None and found != credentials:
            answer.close()
            credentials = found
            answer = self._send(realm, url, headers, credentials)
        if answer.status in {401, 403}:
            answer.hint = "; ".join(
                (
                    f"the credentials for `{realm[1]}` were refused"
                    if credentials
                    else f"no credentials for `{realm[1]}` were found",
                    *self._accounts.complaints,
                )
            )
        return answer

    def _send(
        self,
        realm: Realm,
        url: str,
        headers: Mapping[str, str],
        credentials: Credentials | None,
    ) -> Answer:
        if self.settings.offline:
            raise Offline(url)
        import httpx

        sent = {"User-Agent": f"envbuild/{__version__}", "Accept": "*/*", **headers}
        if credentials is not None:
            sent["Authorization"] = credentials.authorization()
        timeout = {
            "connect": self.settings.connect_timeout,
            "read": self.settings.timeout,
            "write": self.settings.timeout,
            "pool": None,
        }
        try:
            request = httpx.Request(
                "GET", without_userinfo(url), headers=sent, extensions={"timeout": timeout}
            )
            response = self._transport(realm).handle_request(request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise _failure(url, error, self.settings) from error
        answer = Answer(url, response, self.settings, self._forget)
        with self._mutex:
            self._open.add(answer)
        return answer

    def _forget(self, answer: Answer) -> None:
        with self._mutex:
            self._open.discard(answer)

    def _redirected(self, address: str, location: str) -> str:
        target = urljoin(address, location)
        try:
            old, new = origin(address), origin(target)
        except ValueError as error:
            raise TransferFailed(address, "it redirects to no URL", passing=False) from error
        if new[0] not in {"http", "https"}:
            reason = f"it redirects to a `{new[0]}` address"
            raise TransferFailed(address, reason, passing=False)
        if (old[0], new[0]) == ("https", "http") and not self._is_insecure(new):
            reason = f"it redirects from `https` to `http` at `{new[1]}`"
            raise TransferFailed(address, reason, passing=False)
        return target

    def _is_insecure(self, realm: Realm) -> bool:
        _, host, port = realm
        return bool({host, f"{host}:{port}"} & set(self.settings.insecure_hosts))

    def _transport(self, realm: Realm) -> httpx.HTTPTransport:
        with self._mutex:
            found = self._by_realm.get(realm)
            if found is None:
                plain = realm[0] == "http" or self._is_insecure(realm)
                key: tuple[Trust, str | None] = ("any" if plain else "known", _proxy(realm))
                found = self._transports.get(key)
                if found is None:
                    found = self._transports[key] = self._new_transport(*key)
                self._by_realm[realm] = found
            return found

    def _new_transport(self, trust: Trust, proxy: str | None) -> httpx.HTTPTransport:
        import httpx

        connections = self.settings.connections
        limits = httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
        )
        tunnel = None
        if proxy is not None:
            to_proxy = self._known_authorities() if proxy.startswith("https:") else None
            tunnel = httpx.Proxy(proxy, ssl_context=to_proxy)
        verify = self._known_authorities() if trust == "known" else False
        return httpx.HTTPTransport(verify=verify, trust_env=False, limits=limits, proxy=tunnel)

    def _known_authorities(self) -> ssl.SSLContext:
        import ssl

        if self._authorities is None:
            file, folder = self.settings.authorities_file, self.settings.authorities_folder
            if file is None and folder is None:
                import truststore

                self._authorities = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            else:
                try:
                    self._authorities = ssl.create_default_context(cafile=file, capath=folder)
                except OSError as error:
                    reason = f"which cannot be read: {error.strerror or 'no certificates in it'}"
                    raise BadSetting("SSL_CERT_FILE", file or "", reason) from error
        return self._authorities


class Answer:
    """The head of an answer, and its body as it arrives.

    Attributes:
        status: as in RFC 9110.
        hint: what is known of the reason for a refusal, else `None`.
    """

    def __init__(
        self,
        url: str,
        response: httpx.Response,
        settings: HttpSettings,
        closed: Callable[[Answer], None],
    ) -> None:
        self.status = response.status_code
        self.hint: str | None = None
        self._url = url
        self._response = response
        self._settings = settings
        self._closed = closed

    def failure(self) -> TransferFailed:
        """Return the error that this answer is, for a status that was not hoped for."""
        try:
            phrase = f" {HTTPStatus(self.status).phrase}"
        except ValueError:
            phrase = ""
        reason = f"the server answers {self.status}{phrase}"
        passing = self.status in _PASSING or self.status >= 500
        wait = _seconds(self.header("Retry-After") or "") if passing else 0.0
        if wait > _LONGEST_WAIT:
            reason, passing = f"{reason} and asks to wait {wait:.0f} s", False
        return TransferFailed(
            self._url, reason, passing=passing, status=self.status, wait=wait, hint=self.hint
        )

    def header(self, name: str) -> str | None:
        """Return the value of header `name`, whatever its case."""
        value: str | None = self._response.headers.get(name)
        return value

    def chunks(self) -> Iterator[bytes]:
        """Give the body as it is sent (no content coding undone), in pieces of any size.

        Raises:
            TransferFailed: the connection breaks, or nothing comes for too long.
        """
        import httpx

        try:
            yield from self._response.iter_raw()
        except httpx.TransportError as error:
            raise _failure(self._url, error, self._settings) from error

    def close(self) -> None:
        """Give the connection back, or close it where much of the body is still to come."""
        import httpx

        length = self.header("Content-Length") or ""
        if not self._response.is_closed and length.isdecimal() and int(length) <= _DRAINED:
            with suppress(httpx.TransportError, httpx.StreamError):
                for _ in self._response.iter_raw():
                    pass
        self._response.close()
        self._closed(self)

    def abort(self) -> None:
        """Hang up, from another thread than the one that reads; that one sees a broken transfer."""
        import socket

        stream: httpcore.NetworkStream = self._response.extensions["network_stream"]
        wire = stream.get_extra_info("socket")
        if isinstance(wire, socket.socket):
            # Past what a TLS socket would do first, since another thread is inside of it.
            with suppress(OSError):
                socket.socket.shutdown(wire, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _failure(
    url: str, error: httpx.TransportError | httpx.InvalidURL, settings: HttpSettings
) -> TransferFailed:
    import ssl

    import httpx

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            host = origin(url)[1]
            return TransferFailed(
                url,
                f"the certificate of `{host}` is not trusted: {cause.verify_message}",
                passing=False,
                hint=f"name the authority that signed it in `SSL_CERT_FILE`, or allow `{host}`"
                " with `--allow-insecure-host`",
            )
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx.ConnectTimeout():
            reason, passing = f"no connection within {settings.connect_timeout:g} s", True
        case httpx.TimeoutException():
            reason, passing = f"no data within {settings.timeout:g} s", True
        case httpx.ProxyError():
            reason, passing = f"the proxy refuses: {error}", not str(error).startswith("4")
        case httpx.InvalidURL() | httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            reason, passing = str(error), False
        case _:
            reason, passing = str(error) or type(error).__name__, True
    return TransferFailed(url, reason, passing=passing)


def _seconds(retry_after: str) -> float:
    """Return what a `Retry-After` means from now on, 0 where it means nothing."""
    if retry_after.isdecimal():
        return float(retry_after)
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        then = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (then.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _proxy(realm: Realm) -> str | None:
    """Return the proxy that the environment names for `realm`."""
    from urllib.request import getproxies, proxy_bypass

    scheme, host, port = realm
    if proxy_bypass(f"{host}:{port}"):
        return None
    proxies = getproxies()
    named = proxies.get(scheme) or proxies.get("all")
    return f"http://{named}" if named and "://" not in named else named or None


def _number(
    environ: Mapping[str, str], name: str, default: Number, read: Callable[[str], Number]
) -> Number:
    """Return what the variable says, ours before uv's; an empty one says nothing."""
    for variable in (f"ENVBUILD_{name}", f"UV_{name}"):
        text = environ.get(variable)
        if text:
            try:
                value = read(text)
            except ValueError:
                value = read("-1")
            if not 0 <= value < 1_000_000:
                raise BadSetting(variable, text, "expected a number that is not negative")
            return value
    return default
