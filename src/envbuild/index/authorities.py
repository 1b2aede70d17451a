"""Whom to trust: the contexts in which TLS connections are made.

The authorities are those that the settings name, else the system's. The system's are read once for
all connections, by OpenSSL where it finds them, else by `truststore` (macOS with its keychain, or a
Python that was built for another system).
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

from envbuild.index.http_settings import BadSetting

if TYPE_CHECKING:
    import ssl
    from typing import Literal

    from envbuild.index.http_settings import HttpSettings

    Trust = Literal["known", "any", "proxy"]
    """Check certificates; take any; check those of a proxy.

    Proxies have a context of their own because the HTTP library writes into a context which
    protocols it offers, and to a proxy it offers others.
    """


class Authorities:
    """The contexts, made when they are needed; safe to use from several threads."""

    def __init__(self, settings: HttpSettings) -> None:
        self._file = settings.authorities_file
        self._folder = settings.authorities_folder
        self._contexts: dict[Trust, ssl.SSLContext] = {}
        self._mutex = threading.Lock()

    def context(self, trust: Trust) -> ssl.SSLContext:
        """Return a context for a connection that needs this trust.

        Raises:
            BadSetting: the authorities that the settings name cannot be read.
        """
        import ssl

        named = self._file is not None or self._folder is not None
        if trust != "any" and not named and not _openssl_finds_any():
            import truststore

            # One for each connection, since it lets but one handshake at a time through.
            return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with self._mutex:
            found = self._contexts.get(trust)
            if found is None:
                found = self._contexts[trust] = self._new(trust)
            return found

    def _new(self, trust: Trust) -> ssl.SSLContext:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if trust == "any":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self._file is None and self._folder is None:
            context.set_default_verify_paths()
        else:
            try:
                context.load_verify_locations(self._file, self._folder)
            except OSError as error:
                reason = f"which cannot be read: {error.strerror or 'no certificates in it'}"
                raise BadSetting("SSL_CERT_FILE", self._file or "", reason) from error
        return context


def _openssl_finds_any() -> bool:
    """Tell whether there are authorities where OpenSSL looks: in a file, or named by their hash."""
    import ssl

    if sys.platform == "darwin":
        return False
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return True
    return bool(paths.capath) and any(name.endswith(".0") for name in os.listdir(paths.capath))
