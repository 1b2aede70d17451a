"""How to behave on the network, as options and the environment say it.

What is not here: whom to trust in particular (`index.authorities`), and credentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envbuild.errors import UsageError
from envbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    Number = TypeVar("Number", int, float)


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
