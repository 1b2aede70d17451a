"""A package index on a real socket, over a folder of distributions, that fails on request.

It serves what an index serves: project listings as HTML (PEP 503) or JSON (PEP 691, 700) by content
negotiation, files with ranges and entity tags (RFC 9110), `.metadata` beside each wheel (PEP 658,
714). Any leading folders in a path are ignored, so `/team-a/simple/` and `/team-b/simple/` are two
indexes on one host. It counts what it is asked. It is no model of any particular product.

As a program, `python tests/support/index_server.py --folder DIR` serves until it is interrupted;
the first line that it prints is the address of the index.
"""

from __future__ import annotations

import argparse
import base64
import fnmatch
import hashlib
import html
import json
import os
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, Self, cast
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

UPLOAD_TIME = "2024-03-24T00:00:00Z"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html"
_SUFFIXES = (".whl", ".tar.gz", ".zip")


@dataclass(slots=True, kw_only=True)
class Seen:
    """One request: header names in lower case, `sent` in bytes of body, `status` 0 for none."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with this status and no more."""

    code: int
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a redirect to this address."""

    location: str
    code: int = 302


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection after so many bytes of body."""

    after: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Send no more after so many bytes of body, and keep the connection open."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Change the byte at this offset of the body."""

    at: int


@dataclass(frozen=True, slots=True)
class ClaimLength:
    """Announce this length whatever is sent, then close."""

    length: int


@dataclass(frozen=True, slots=True)
class Unframed:
    """Announce no length: the body ends where the connection does."""


@dataclass(frozen=True, slots=True)
class NoRanges:
    """Take no notice of `Range`."""


Fault = Status | Redirect | Drop | Cut | Stall | Corrupt | ClaimLength | Unframed | NoRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Files in PEM form: a throw-away authority, and a server's certificate that it signed."""

    authority: str
    chain: str
    key: str


def make_certificate(folder: str | os.PathLike[str]) -> Certificate:
    """Make an authority and a certificate for `127.0.0.1` and `localhost`, good for two days."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "extensions"), "w", encoding="ascii") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=envbuild test authority")  # fmt: skip
    openssl("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=index")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", "server.pem")  # fmt: skip
    paths = (os.path.join(folder, name) for name in ("ca.pem", "server.pem", "server.key"))
    return Certificate(**dict(zip(("authority", "chain", "key"), paths, strict=True)))


class IndexServer:
    """The server; it listens from construction on and answers inside its `with` block.

    Args:
        folder: the distributions; files that come and go are noticed.
        port: 0 for any free one.
        delay: seconds before every answer.
        accounts: path prefix to the user name and password that it asks for.
        certificate: speak TLS with this.
        formats: media types of listings, best first.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        port: int = 0,
        delay: float = 0.0,
        accounts: Mapping[str, tuple[str, str]] | None = None,
        certificate: Certificate | None = None,
        formats: tuple[str, ...] = (JSON_TYPE, HTML_TYPE),
    ) -> None:
        self.delay = delay
        self.accounts = dict(accounts or {})
        self.formats = formats
        self.listings = Listings(os.fspath(folder))
        self.stopping = threading.Event()
        self._faults: list[tuple[str, list[Fault]]] = []
        self._standing: dict[str, Fault] = {}
        self._seen: list[Seen] = []
        self._mutex = threading.Lock()
        self._sockets = _Sockets(("127.0.0.1", port), self, certificate)
        self._scheme = "https" if certificate else "http"

    @property
    def port(self) -> int:
        return self._sockets.server_address[1]

    @property
    def url(self) -> str:
        """Scheme, address and port, without a final slash."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def index_url(self) -> str:
        return f"{self.url}/simple/"

    def file_url(self, name: str) -> str:
        return f"{self.url}/files/{quote(name)}"

    def fail(self, pattern: str, *faults: Fault) -> None:
        """Give the next requests whose path fits the glob these faults, one each, in order."""
        with self._mutex:
            self._faults.append((pattern, list(faults)))

    def always(self, pattern: str, fault: Fault) -> None:
        """Give every request whose path fits the glob this fault."""
        with self._mutex:
            self._standing[pattern] = fault

    def seen(self, pattern: str = "*") -> list[Seen]:
        """Return the requests so far whose path fits the glob."""
        with self._mutex:
            return [seen for seen in self._seen if fnmatch.fnmatchcase(seen.path, pattern)]

    def note(self, seen: Seen) -> Fault | None:
        """Count a request and return the fault that it is to meet."""
        with self._mutex:
            self._seen.append(seen)
            for pattern, faults in self._faults:
                if faults and fnmatch.fnmatchcase(seen.path, pattern):
                    return faults.pop(0)
            for pattern, fault in self._standing.items():
                if fnmatch.fnmatchcase(seen.path, pattern):
                    return fault
            return None

    def __enter__(self) -> Self:
        threading.Thread(target=self._sockets.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._sockets.shutdown()
        self._sockets.server_close()
        self._sockets.hang_up()


class Listings:
    """What the folder holds, as pages; read again when the folder changes."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._stamp = -1
        self._projects: dict[str, list[str]] = {}
        self._facts: dict[str, tuple[tuple[int, int], _Facts]] = {}
        self._mutex = threading.Lock()

    def page(self, project: str, media_type: str) -> bytes | None:
        """Return a project's listing, or the list of projects for an empty name."""
        with self._mutex:
            self._refresh()
            if project and project not in self._projects:
                return None
            files = [(name, self._facts_of(name)) for name in self._projects.get(project, ())]
            if media_type == JSON_TYPE:
                return _json_page(project, files, list(self._projects))
            return _html_page(files, list(self._projects) if not project else [])

    def metadata(self, name: str) -> bytes | None:
        """Return METADATA of a wheel in the folder."""
        with self._mutex:
            return self._facts_of(name).metadata

    def _refresh(self) -> None:
        stamp = os.stat(self.folder).st_mtime_ns
        if stamp == self._stamp:
            return
        self._projects = {}
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(_SUFFIXES):
                self._projects.setdefault(_project_and_version(name)[0], []).append(name)
        self._stamp = stamp

    def _facts_of(self, name: str) -> _Facts:
        path = os.path.join(self.folder, name)
        found = os.stat(path)
        stamp = (found.st_mtime_ns, found.st_size)
        known = self._facts.get(name)
        if known is None or known[0] != stamp:
            known = self._facts[name] = (stamp, _Facts.read(path))
        return known[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What a listing says of one file."""

    sha256: str
    size: int
    metadata: bytes | None
    requires_python: str | None

    @classmethod
    def read(cls, path: str) -> _Facts:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        metadata = requires_python = None
        if path.endswith(".whl"):
            with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if re.fullmatch(r"[^/]+\.dist-info/METADATA", member):
                        metadata = archive.read(member)
                        requires_python = BytesHeaderParser().parsebytes(metadata)[
                            "Requires-Python"
                        ]
        return cls(
            sha256=sha256,
            size=os.path.getsize(path),
            metadata=metadata,
            requires_python=requires_python,
        )


def _project_and_version(name: str) -> tuple[str, str]:
    if name.endswith(".whl"):
        project, version = name.split("-")[:2]
    else:
        stem = name.removesuffix(".tar.gz").removesuffix(".zip")
        project, version = stem.rsplit("-", 1)
    return re.sub(r"[-_.]+", "-", project).lower(), version


def _json_page(project: str, files: list[tuple[str, _Facts]], projects: list[str]) -> bytes:
    meta = {"api-version": "1.1"}
    if not project:
        entries = [{"name": name} for name in projects]
        return json.dumps({"meta": meta, "projects": entries}).encode()
    versions = {_project_and_version(name)[1] for name, _ in files}
    page = {
        "meta": meta,
        "name": project,
        "versions": sorted(versions),
        "files": [
            {
                "filename": name,
                "url": f"../../files/{quote(name)}",
                "hashes": {"sha256": facts.sha256},
                "size": facts.size,
                "upload-time": UPLOAD_TIME,
                "yanked": False,
                "core-metadata": {"sha256": hashlib.sha256(facts.metadata).hexdigest()}
                if facts.metadata
                else False,
                **({"requires-python": facts.requires_python} if facts.requires_python else {}),
            }
            for name, facts in files
        ],
    }
    return json.dumps(page).encode()


def _html_page(files: list[tuple[str, _Facts]], projects: list[str]) -> bytes:
    lines = [f'<a href="{name}/">{name}</a><br>' for name in projects]
    for name, facts in files:
        attributes = f'href="../../files/{quote(name)}#sha256={facts.sha256}"'
        if facts.metadata is not None:
            attributes += (
                f' data-core-metadata="sha256={hashlib.sha256(facts.metadata).hexdigest()}"'
            )
        if facts.requires_python is not None:
            attributes += f' data-requires-python="{html.escape(facts.requires_python)}"'
        lines.append(f"<a {attributes}>{name}</a><br>")
    body = "\n".join(lines)
    head = '<meta name="pypi:repository-version" content="1.0">'
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{body}\n</body></html>\n".encode()


class _Sockets(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], index: IndexServer, certificate: Certificate | None
    ) -> None:
        super().__init__(address, _Connection)
        self.index = index
        self._open: set[socket.socket] = set()
        self._mutex = threading.Lock()
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.chain, certificate.key)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            connection = self._context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._mutex:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        with self._mutex:
            self._open.discard(cast("socket.socket", request))
        super().shutdown_request(cast("socket.socket", request))

    def hang_up(self) -> None:
        """Close every connection that is still open."""
        with self._mutex:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: clients that hang up belong to the tests."""


@dataclass(slots=True, kw_only=True)
class _Answer:
    """What goes out: a body in memory, or a part of a file."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: BinaryIO | None = None
    offset: int = 0
    length: int = 0


class _Connection(socketserver.StreamRequestHandler):
    server: _Sockets
    request: socket.socket

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def handle(self) -> None:
        with suppress(OSError):
            while self._one():
                pass

    def _one(self) -> bool:
        """Answer one request; tell whether the connection stays open."""
        line = self.rfile.readline()
        if not line.strip():
            return False
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := self.rfile.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        index = self.server.index
        seen = Seen(method=method, path=unquote(target.partition("?")[0]), headers=headers)
        fault = index.note(seen)
        if index.delay:
            time.sleep(index.delay)
        match fault:
            case Drop():
                return False
            case Status(code=code, retry_after=after):
                answer = _Answer(status=code, headers={"Retry-After": after} if after else {})
            case Redirect(location=location, code=code):
                answer = _Answer(status=code, headers={"Location": location})
            case _:
                ranges = headers.get("range") if not isinstance(fault, NoRanges) else None
                answer = self._authorised(seen) or self._route(seen, ranges)
        try:
            return self._send(seen, answer, fault) and headers.get("connection") != "close"
        finally:
            if answer.file is not None:
                answer.file.close()

    def _authorised(self, seen: Seen) -> _Answer | None:
        for prefix, (user, password) in self.server.index.accounts.items():
            if seen.path.startswith(prefix):
                expected = base64.b64encode(f"{user}:{password}".encode()).decode()
                if seen.headers.get("authorization") != f"Basic {expected}":
                    return _Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="index"'})
        return None

    def _route(self, seen: Seen, ranges: str | None) -> _Answer:
        if found := re.search(r"/files/([^/]+)$", seen.path):
            return self._file(found[1], ranges, seen.headers.get("if-range"))
        if found := re.search(r"/simple/(?:([^/]+)(/)?)?$", seen.path):
            project = re.sub(r"[-_.]+", "-", found[1] or "").lower()
            if project and (found[2] is None or project != found[1]):
                root = seen.path[: found.start()]
                return _Answer(status=301, headers={"Location": f"{root}/simple/{project}/"})
            return self._listing(project, seen.headers)
        return _Answer(status=404)

    def _listing(self, project: str, headers: Mapping[str, str]) -> _Answer:
        wanted = _accepted(headers.get("accept", "*/*"))
        offered = self.server.index.formats
        media_type = max(offered, key=lambda kind: wanted.get(kind, wanted.get("*/*", 0.0)))
        page = self.server.index.listings.page(project, media_type)
        if page is None:
            return _Answer(status=404)
        tag = f'"{hashlib.sha256(page).hexdigest()[:16]}"'
        common = {"ETag": tag, "Content-Type": media_type, "Vary": "Accept"}
        if headers.get("if-none-match") == tag:
            return _Answer(status=304, headers=common)
        return _Answer(status=200, headers=common, body=page)

    def _file(self, name: str, ranges: str | None, if_range: str | None) -> _Answer:
        listings = self.server.index.listings
        try:
            if name.endswith(".whl.metadata"):
                metadata = listings.metadata(name.removesuffix(".metadata"))
                return _Answer(status=200, body=metadata) if metadata else _Answer(status=404)
            file = open(os.path.join(listings.folder, name), "rb")  # noqa: SIM115
        except FileNotFoundError:
            return _Answer(status=404)
        found = os.fstat(file.fileno())
        size = found.st_size
        tag = f'"{found.st_mtime_ns:x}-{size:x}"'
        answer = _Answer(
            status=200,
            headers={
                "ETag": tag,
                "Accept-Ranges": "bytes",
                "Content-Type": "application/octet-stream",
            },
            file=file,
            length=size,
        )
        if ranges is None or (if_range is not None and if_range != tag):
            return answer
        span = _span(ranges, size)
        if span is None:
            file.close()
            return _Answer(status=416, headers={"Content-Range": f"bytes */{size}"})
        answer.status = 206
        answer.offset, answer.length = span
        last = answer.offset + answer.length - 1
        answer.headers["Content-Range"] = f"bytes {answer.offset}-{last}/{size}"
        return answer

    def _send(self, seen: Seen, answer: _Answer, fault: Fault | None) -> bool:
        seen.status = answer.status
        length = answer.length if answer.file is not None else len(answer.body)
        seen.sent = length if seen.method != "HEAD" else 0
        headers = dict(answer.headers)
        if not isinstance(fault, Unframed):
            claimed = fault.length if isinstance(fault, ClaimLength) else length
            headers["Content-Length"] = str(claimed)
        reason = HTTPStatus(answer.status).phrase
        head = f"HTTP/1.1 {answer.status} {reason}\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items()
        )
        self.request.sendall(head.encode("latin-1") + b"\r\n")
        if seen.method == "HEAD":
            return True
        match fault:
            case Cut(after=after):
                seen.sent = min(after, length)
                self._body(answer, seen.sent)
                return False
            case Stall(after=after):
                seen.sent = min(after, length)
                self._body(answer, seen.sent)
                self.server.index.stopping.wait()
                return False
            case Corrupt(at=at):
                if answer.file is not None:
                    answer.file.seek(answer.offset)
                    answer.body = answer.file.read(length)
                    answer.file.close()
                    answer.file = None
                answer.body = (
                    answer.body[:at] + bytes([answer.body[at] ^ 0xFF]) + answer.body[at + 1 :]
                )
                self._body(answer, length)
                return True
            case _:
                self._body(answer, length)
                return not isinstance(fault, Unframed | ClaimLength)

    def _body(self, answer: _Answer, length: int) -> None:
        if length == 0:
            return
        if answer.file is None:
            self.request.sendall(answer.body[:length])
        else:
            self.request.sendfile(answer.file, answer.offset, length)


def _accepted(header: str) -> dict[str, float]:
    """Return media type to weight."""
    weights: dict[str, float] = {}
    for item in header.split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        weights[kind] = float(weight)
    return weights


def _span(ranges: str, size: int) -> tuple[int, int] | None:
    """Return offset and length of a single byte range, `None` where it cannot be satisfied."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", ranges)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return (size - length, length) if length else None
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return (first, last - first + 1) if first <= last else None


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a folder of distributions as an index.")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    options = parser.parse_args()
    with IndexServer(options.folder, port=options.port, delay=options.delay) as server:
        print(server.index_url, flush=True)
        with suppress(KeyboardInterrupt):
            server.stopping.wait()


if __name__ == "__main__":
    main()
