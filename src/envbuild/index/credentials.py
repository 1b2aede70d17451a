"""Who we are at an index: credentials from URLs, the environment, netrc and the keyring.

Credentials belong to a realm (scheme, host and port) and, where several indexes share one, to the
part of it below an index. They are looked up for each address anew, so a redirect to another host
never carries those of the first. Nothing here stores a secret; no message or representation holds
one.
"""

from __future__ import annotations

import os
import re
import threading
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from envbuild.frozen import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal
    from urllib.parse import SplitResult

    KeyringProvider = Literal["auto", "subprocess", "disabled"]
    Realm = tuple[str, str, int]
    """Scheme, host in lower case, port."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@frozen
class NamedIndex:
    """An index as settings declare it; its URL may hold credentials."""

    name: str | None
    url: str = field(repr=False)


@frozen
class Credentials:
    """A user name, which may itself be a token, and a password where there is one."""

    username: str = field(repr=False)
    password: str | None = field(repr=False)

    def authorization(self) -> str:
        """Return the value of the header that presents these (RFC 7617)."""
        pair = f"{self.username}:{self.password or ''}".encode()
        return "Basic " + b64encode(pair).decode("ascii")


class Accounts:
    """All credentials that can be found; safe to ask from several threads.

    Args:
        indexes: as settings declare them, in their order.
        environ: the environment.
        keyring: `auto` asks the keyring library where it is installed, `subprocess` the `keyring`
            program.
    """

    def __init__(
        self,
        indexes: Iterable[NamedIndex] = (),
        *,
        environ: Mapping[str, str],
        keyring: KeyringProvider = "auto",
    ) -> None:
        self._environ = environ
        self._keyring: KeyringProvider = keyring
        self._indexes = tuple(_Index.declared(index, environ) for index in indexes)
        self._netrc: Mapping[str, Credentials] | None = None
        self._answers: dict[tuple[tuple[str, ...], str | None], Credentials | None] = {}
        self._complaints: list[str] = []
        self._mutex = threading.Lock()

    @property
    def complaints(self) -> tuple[str, ...]:
        """Sources of credentials that could not be read, for the hint of a refused request."""
        return tuple(self._complaints)

    def known(self, url: str) -> Credentials | None:
        """Return the credentials for `url` that cost nothing to find.

        In this order: complete ones in the URL, those of the index that it belongs to, what the
        keyring has answered before, netrc, and a lone user name.
        """
        address = _Address.of(url)
        index = self._index_of(address)
        stated = _claimed(address, index)
        if stated is not None and stated.password is not None:
            return stated
        username = None if stated is None else stated.username
        with self._mutex:
            answer = self._answers.get((_services(address, index), username))
            return answer or self._from_netrc(address.host, username) or stated

    def ask_keyring(self, url: str) -> Credentials | None:
        """Return what the keyring has for `url`, asking it at most once for each index or host.

        To be called after a request was refused, since it may start a program or unlock a vault.
        """
        if self._keyring == "disabled":
            return None
        address = _Address.of(url)
        index = self._index_of(address)
        stated = _claimed(address, index)
        username = None if stated is None else stated.username
        services = _services(address, index)
        with self._mutex:
            if (services, username) not in self._answers:
                self._answers[services, username] = self._from_keyring(services, username)
            return self._answers[services, username]

    def _index_of(self, address: _Address) -> _Index | None:
        """Return the index above `address`, or the first one in its realm that has credentials."""
        realm = [index for index in self._indexes if index.realm == address.realm]
        above = [index for index in realm if address.path.startswith(index.root)]
        if above:
            return max(above, key=lambda index: len(index.root))
        return next((index for index in realm if index.credentials is not None), None)

    def _from_netrc(self, host: str, username: str | None) -> Credentials | None:
        if self._netrc is None:
            self._netrc = self._read_netrc()
        found = self._netrc.get(host) or self._netrc.get("default")
        if found is None or username not in {None, found.username}:
            return None
        return found

    def _read_netrc(self) -> dict[str, Credentials]:
        named = self._environ.get("NETRC")
        home = self._environ.get("HOME") or os.path.expanduser("~")
        paths = (named,) if named else (os.path.join(home, n) for n in (".netrc", "_netrc"))
        path = next((path for path in paths if os.path.isfile(path)), None)
        if path is None:
            return {}
        from netrc import NetrcParseError, netrc

        try:
            hosts = netrc(path).hosts
        except NetrcParseError as error:
            # The parser quotes the token that it stumbled over, which may be a password.
            self._complaints.append(f"`{path}` cannot be read: bad syntax near line {error.lineno}")
            return {}
        except (OSError, UnicodeDecodeError) as error:
            self._complaints.append(f"`{path}` cannot be read: {type(error).__name__}")
            return {}
        return {
            host: Credentials(username=login, password=password)
            for host, (login, _, password) in hosts.items()
        }

    def _from_keyring(self, services: tuple[str, ...], username: str | None) -> Credentials | None:
        ask = self._from_program if self._keyring == "subprocess" else self._from_library
        answers = (ask(service, username) for service in services)
        return next((answer for answer in answers if answer is not None), None)

    def _from_library(self, service: str, username: str | None) -> Credentials | None:
        import importlib

        try:
            keyring = importlib.import_module("keyring")
            if username:
                password = keyring.get_password(service, username)
                return Credentials(username=username, password=password) if password else None
            found = keyring.get_credential(service, None)
            if found is None:
                return None
            return Credentials(username=found.username, password=found.password)
        except ModuleNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - back ends fail in ways of their own
            self._complaints.append(f"the keyring cannot be read: {type(error).__name__}")
            return None

    def _from_program(self, service: str, username: str | None) -> Credentials | None:
        import subprocess

        wanted = ["get", service, username] if username else ["--mode", "creds", "get", service]
        try:
            answer = subprocess.run(
                ["keyring", *wanted], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
            )
        except OSError as error:
            self._complaints.append(f"the `keyring` program cannot be run: {error.strerror}")
            return None
        if answer.returncode != 0:
            return None
        lines = answer.stdout.decode("utf-8", "replace").splitlines()
        if username:
            return Credentials(username=username, password=lines[0]) if lines else None
        return Credentials(username=lines[0], password=lines[1]) if len(lines) > 1 else None


@frozen
class _Address:
    """A URL taken apart."""

    realm: Realm
    host: str
    path: str
    stated: Credentials | None = field(repr=False)
    plain: str

    @classmethod
    def of(cls, url: str) -> _Address:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return cls(
            realm=(parts.scheme, host, parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)),
            host=host,
            path=parts.path or "/",
            stated=_stated(parts),
            plain=without_userinfo(url),
        )


def without_userinfo(url: str) -> str:
    """Return `url` as it goes over the wire."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def origin(url: str) -> Realm:
    """Return the realm of `url`: scheme, host in lower case, port."""
    return _Address.of(url).realm


def _stated(parts: SplitResult) -> Credentials | None:
    if not parts.username and not parts.password:
        return None
    password = parts.password
    return Credentials(
        username=unquote(parts.username or ""),
        password=None if password is None else unquote(password),
    )


@frozen
class _Index:
    """A declared index: where it is, and who we are there by its URL or the environment."""

    realm: Realm
    root: str
    url: str
    credentials: Credentials | None = field(repr=False)

    @classmethod
    def declared(cls, index: NamedIndex, environ: Mapping[str, str]) -> _Index:
        address = _Address.of(index.url)
        return cls(
            realm=address.realm,
            # Files of an index lie beside its listings, not below them.
            root=re.sub(r"/\+?simple$", "", address.path.rstrip("/")) + "/",
            url=address.plain,
            credentials=_from_environment(index.name, address.stated, environ),
        )


def _claimed(address: _Address, index: _Index | None) -> Credentials | None:
    """Return whom the URL itself names, or else its index; a lone name takes the index's secret."""
    named = address.stated
    declared = None if index is None else index.credentials
    if named is None or (
        named.password is None and declared is not None and declared.username == named.username
    ):
        return declared
    return named


def _from_environment(
    name: str | None, stated: Credentials | None, environ: Mapping[str, str]
) -> Credentials | None:
    """Return what the variables for index `name` say, completed by what its URL does."""
    key = re.sub(r"[^A-Z0-9]", "_", (name or "").upper())
    for tool in ("ENVBUILD", "UV"):
        username = environ.get(f"{tool}_INDEX_{key}_USERNAME")
        password = environ.get(f"{tool}_INDEX_{key}_PASSWORD")
        if username is not None or password is not None:
            if username is None:
                username = stated.username if stated else ""
            return Credentials(username=username, password=password)
    return stated


def _services(address: _Address, index: _Index | None) -> tuple[str, ...]:
    """Return the names under which a keyring may hold the secret, the most particular first."""
    scheme, host, port = address.realm
    place = host if port == _DEFAULT_PORTS.get(scheme) else f"{host}:{port}"
    return (index.url, place) if index else (place,)
