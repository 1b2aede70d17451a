"""What a server answers to a request: the head, the body as it arrives, or how either failed.

What is not here: sending (`index.client`), and what to do about a failure (`realise.fetch`).
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from envbuild.errors import RealiseError
from envbuild.index.credentials import origin
from envbuild.index.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    import httpx

    from envbuild.index.http_settings import HttpSettings

_PASSING = frozenset({408, 425, 429})
_LONGEST_WAIT = 120.0
_DRAINED = 1 << 16


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


class Answer:
    """The head of an answer, and its body as it arrives.

    Args:
        url: that was asked for.
        response: what the HTTP library gave, its body not read.
        settings: to speak of in failures.
        closed: called once, with whether the body was read to its end.

    Attributes:
        status: as in RFC 9110.
        hint: what is known of the reason for a refusal, else `None`.
    """

    def __init__(
        self,
        url: str,
        response: httpx.Response,
        settings: HttpSettings,
        closed: Callable[[bool], None],
    ) -> None:
        self.status = response.status_code
        self.hint: str | None = None
        self._url = url
        self._response = response
        self._settings = settings
        self._closed: Callable[[bool], None] | None = closed
        self._whole = False

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
        except Exception as error:
            if isinstance(error, httpx.TransportError) or _http2_breakage(error) is not None:
                raise transfer_failed(self._url, error, self._settings) from error
            raise
        self._whole = True

    def close(self) -> None:
        """Give the connection back, or close it where much of the body is still to come."""
        if self._closed is None:
            return
        closed, self._closed = self._closed, None
        if not self._whole:
            self._drain()
        self._response.close()
        closed(self._whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drain(self) -> None:
        """Read what is left of a body that was not begun, unless there is much of it."""
        import httpx

        length = self.header("Content-Length") or ""
        if length.isdecimal() and int(length) > _DRAINED:
            return
        drained = 0
        with suppress(TransferFailed, httpx.StreamError):
            for chunk in self.chunks():
                drained += len(chunk)
                if drained > _DRAINED:
                    return


def transfer_failed(url: str, error: Exception, settings: HttpSettings) -> TransferFailed:
    """Return what an error of the HTTP library means for the request for `url`."""
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
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            reason, passing = str(error), False
        case _ if (broken := _http2_breakage(error)) is not None:
            reason, passing = broken, True
        case httpx.LocalProtocolError():
            reason, passing = str(error), False
        case _:
            reason, passing = str(error) or type(error).__name__, True
    return TransferFailed(url, reason, passing=passing)


def _http2_breakage(error: BaseException) -> str | None:
    """Return how HTTP/2 ended or was violated, where that is what an error is about."""
    import h2.events
    import h2.exceptions

    cause: BaseException | None = error
    while cause is not None:
        match cause, *cause.args:
            case _, h2.events.ConnectionTerminated(error_code=code):
                return f"the server ended the connection ({getattr(code, 'name', code)})"
            case _, h2.events.StreamReset(error_code=code):
                return f"the server broke off ({getattr(code, 'name', code)})"
            case (h2.exceptions.H2Error(), *_) | (_, h2.exceptions.H2Error()):
                return f"HTTP/2 broke: {cause}"
        cause = cause.__cause__ or cause.__context__
    return None


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
