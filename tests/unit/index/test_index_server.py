"""The index of the other tests, as clients see it that were written by others."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from support.index_server import HTML_TYPE, JSON_TYPE, IndexServer, make_certificate
from support.wheels import build_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    build_wheel(folder, "Top.Level", "1.0+local", requires=["dep>=1"])
    build_wheel(folder, "dep", "1.2")
    newer = "Metadata-Version: 2.1\nName: dep\nVersion: 2.0\nRequires-Python: >=3.99\n"
    build_wheel(folder, "dep", "2.0", metadata=newer)
    return folder


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", [JSON_TYPE, HTML_TYPE], ids=["json", "html"])
def test_uv_resolves_from_it(kind: str, tls: bool, folder: Path, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "certificate") if tls else None
    environ = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    environ |= {"UV_INDEX_HERE_USERNAME": "alice", "UV_INDEX_HERE_PASSWORD": "hunter2"}
    if certificate is not None:
        environ["SSL_CERT_FILE"] = certificate.authority
    accounts = {"/": ("alice", "hunter2")}
    project = tmp_path / "project"
    project.mkdir()
    with IndexServer(folder, formats=(kind,), certificate=certificate, accounts=accounts) as server:
        (project / "pyproject.toml").write_text(
            '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\n'
            'dependencies = ["top-level"]\n'
            f'[[tool.uv.index]]\nname = "here"\ndefault = true\nurl = "{server.index_url}"\n'
        )
        command = [find_uv_bin(), "lock", "-q", "--no-cache", "--no-python-downloads"]
        done = subprocess.run(
            [*command, "-p", sys.executable],
            cwd=project,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lock = (project / "uv.lock").read_text()
        assert 'version = "1.0+local"' in lock
        assert 'version = "1.2"' in lock
        assert "top_level-1.0%2Blocal-py3-none-any.whl" in lock
        assert ("size = " in lock) == (kind == JSON_TYPE)
        # Metadata was enough: no archive had to be read.
        assert server.seen("*.whl") == []
        assert server.seen("*.whl.metadata") != []


RANGES = {
    "bytes=0-3": (206, b"0123", "bytes 0-3/10"),
    "bytes=7-": (206, b"789", "bytes 7-9/10"),
    "bytes=7-100": (206, b"789", "bytes 7-9/10"),
    "bytes=-2": (206, b"89", "bytes 8-9/10"),
    "bytes=10-": (416, b"", "bytes */10"),
    "bytes=5-2": (416, b"", "bytes */10"),
}


@pytest.mark.parametrize(("asked", "expected"), RANGES.items())
def test_ranges(asked: str, expected: tuple[int, bytes, str], tmp_path: Path) -> None:
    (tmp_path / "x-1.zip").write_bytes(b"0123456789")
    with IndexServer(tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/files/x-1.zip", headers={"Range": asked})
        answer = connection.getresponse()
        found = (answer.status, answer.read(), answer.getheader("Content-Range"))
        assert found == expected
        connection.request("GET", "/files/x-1.zip", headers={"Range": asked, "If-Range": '"no"'})
        assert connection.getresponse().read() == b"0123456789"
        connection.close()
        assert [(seen.status, seen.sent) for seen in server.seen()] == [
            (expected[0], len(expected[1])),
            (200, 10),
        ]


def test_a_listing_that_is_known_is_not_sent_again(folder: Path) -> None:
    with IndexServer(folder) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/simple/dep/", headers={"Accept": JSON_TYPE})
        answer = connection.getresponse()
        answer.read()
        tag = answer.getheader("ETag") or ""
        connection.request(
            "GET", "/simple/dep/", headers={"Accept": JSON_TYPE, "If-None-Match": tag}
        )
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (304, b"")
        connection.close()
