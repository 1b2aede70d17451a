"""Requests over HTTP: credentials, redirects, and what the answers mean for another attempt.

It uses the HTTP library's transports directly, by way of `index.connections`: what a browser-like
client adds (cookies, its own redirects and authentication) is either unwanted here or has to be
decided here, and costs a third of the time of a small request.

What is not here: retries, ranges and hashes (`realise.fetch`), and the meaning of listings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from envbuild import __version__
from envbuild.errors import RealiseError
from envbuild.index.answer import Answer, TransferFailed, transfer_failed
from envbuild.index.connections import Connections
from envbuild.index.credentials import origin, without_userinfo
from envbuild.index.library import load_httpx
from envbuild.index.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from envbuild.index.credentials import Accounts, Credentials, Realm
    from envbuild.index.http_settings import HttpSettings

_HOPS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSALS = frozenset({401, 403, 404})


class Offline(RealiseError):
    """A request that would have been made if it were allowed."""

    def __init__(self, url: str) -> None:
        self.url = redact(url)
        super().__init__(f"cannot read `{self.url}`: working offline")


class Client:
    """Sends requests; safe to use from several threads; keeps connections until it is closed.

    Nothing is set up, nor is the HTTP library imported, before the first request.
    """

    def __init__(self, settings: HttpSettings, accounts: Accounts) -> None:
        self.settings = settings
        self._accounts = accounts
        self._connections = Connections(settings)

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
        self._connections.abort()

    def close(self) -> None:
        """Close every connection; those of answers that are still open, as these are closed."""
        self._connections.close()

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
        load_httpx()
        import httpx

        sent = {"User-Agent": f"envbuild/{__version__}", "Accept": "*/*", **headers}
        if credentials is not None:
            sent["Authorization"] = credentials.authorization()
        timeout = {
            "connect": self.settings.connect_timeout,
            "read": self.settings.timeout,
            "write": self.settings.timeout,
            "pool": self.settings.connect_timeout,
        }
        try:
            request = httpx.Request(
                "GET", without_userinfo(url), headers=sent, extensions={"timeout": timeout}
            )
            response, connection = self._connections.send(realm, request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise transfer_failed(url, error, self.settings) from error

        def closed(whole: bool) -> None:
            self._connections.give_back(connection, whole=whole)

        return Answer(url, response, self.settings, closed)

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
