"""What a program sees and is: the same for everyone on the sealed rungs, little on the others."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

import pytest

from envbuild.sandbox.model import Readable
from support.sandboxes import ON_EVERY_REAL_RUNG, ON_EVERY_RUNG, Place, place, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@pytest.fixture(params=ON_EVERY_RUNG)
def there(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from place(*request.param)


REPORT = """
import json, os, pwd, sys
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())
mask = os.umask(0)
print(json.dumps({
    "variables": dict(os.environ),
    "folder": os.getcwd(),
    "mask": mask,
    "input": sys.stdin.read(),
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "privileges": [status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapPrm"], 16)],
    "session": os.getsid(0) != 0 and os.getpgrp() == os.getsid(0),
    "host": os.uname().nodename,
    "user": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
    "signals": [status["SigIgn"], status["SigBlk"]],
    "limit": __import__("resource").getrlimit(__import__("resource").RLIMIT_CORE)[0],
}))
"""


def test_a_program_gets_what_was_asked_for_and_nothing_else(there: Place) -> None:
    answer = there.runs_python(REPORT, declared={"DECLARED": "ä"}).answer
    inner = there.inner
    assert answer["variables"] == {
        "DECLARED": "ä",
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": f"{inner}/home",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "builder",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PWD": inner,
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "SOURCE_DATE_EPOCH": "315619200",
        "TEMP": f"{inner}/tmp",
        "TMP": f"{inner}/tmp",
        "TMPDIR": f"{inner}/tmp",
        "TZ": "UTC",
        "USER": "builder",
    }
    assert answer["folder"] == inner
    assert answer["mask"] == 0o022
    assert answer["input"] == ""
    # The fourth is that of the listing itself.
    assert answer["descriptors"] == ["0", "1", "2", "3"]
    assert answer["session"]
    assert answer["limit"] == 0
    # Python itself ignores two: 13 and 25, that is bits 12 and 24.
    ignored, blocked = (int(text, 16) for text in answer["signals"])
    assert ignored & ~(1 << 12 | 1 << 24) == 0
    assert blocked == 0
    if there.rung == "none":
        return
    assert answer["privileges"] == ["1", 0, 0]
    if sealed(there.rung):
        assert inner == "/build"
        assert answer["host"] == "localhost"
        assert answer["user"] == [1000] * 4
    else:
        assert answer["host"] == platform.node()


LISTING = """
import hashlib, json, os, pwd, grp, socket
tops = {}
for folder in ("/", "/dev", "/etc", "/dev/shm", "/tmp", "/var", "/var/tmp", "/build", os.environ["HOME"]):
    for name in sorted(os.listdir(folder)):
        status = os.lstat(os.path.join(folder, name))
        tops[os.path.join(folder, name)] = [oct(status.st_mode), status.st_uid, status.st_gid]
mounts = sorted(line.split()[1:3] for line in open("/proc/mounts"))
writable = [path for path in ("/", "/dev", "/etc", "/proc", "/usr", "/tmp", "/var/tmp", "/build",
                              "/dev/shm", "/proc/sys/kernel") if os.access(path, os.W_OK)]
users = [list(each) for each in pwd.getpwall()] + [list(each) for each in grp.getgrall()]
texts = {name: open(f"/etc/{name}").read() for name in ("hosts", "nsswitch.conf")}
address = socket.gethostbyname(socket.gethostname())
print(json.dumps([tops, mounts, writable, users, texts, address]))
"""


@pytest.mark.parametrize("user", ["self", "nobody"])
def test_the_sealed_rungs_show_the_same(user: str) -> None:
    views: list[Any] = []
    for rung in ("bubblewrap", "namespaces"):
        for there in place(user, rung):
            view = there.runs_python(LISTING).answer
            # bubblewrap covers parts of `/proc` once more where they could be written to.
            view[1] = [mount for mount in view[1] if not mount[0].startswith("/proc/")]
            views.append(view)
    assert views[0] == views[1]
    tops, _, writable, users, texts, address = views[0]
    assert {path for path in tops if path.count("/") == 1} <= {
        "/bin", "/build", "/dev", "/etc", "/gnu", "/lib", "/lib32", "/lib64", "/libx32", "/nix",
        "/proc", "/sbin", "/tmp", "/usr", "/var",
    } | {"/" + each.inner.split("/")[1] for each in there.reads}  # fmt: skip
    assert {path for path in tops if path.startswith("/dev/")} == {
        "/dev/fd", "/dev/full", "/dev/null", "/dev/random", "/dev/shm", "/dev/stderr",
        "/dev/stdin", "/dev/stdout", "/dev/urandom", "/dev/zero",
    }  # fmt: skip
    assert {path for path in tops if path.startswith("/etc/")} <= {
        "/etc/alternatives", "/etc/group", "/etc/hosts", "/etc/ld.so.cache", "/etc/ld.so.conf",
        "/etc/ld.so.conf.d", "/etc/nsswitch.conf", "/etc/passwd",
    }  # fmt: skip
    assert writable == ["/tmp", "/var/tmp", "/build", "/dev/shm"]
    assert [user[0] for user in users] == [
        "root",
        "builder",
        "nobody",
        "root",
        "builder",
        "nogroup",
    ]
    assert texts["hosts"].startswith("127.0.0.1 localhost\n")
    assert address == "127.0.0.1"


@pytest.fixture(params=ON_EVERY_REAL_RUNG)
def held(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from place(*request.param)


TRY = """
import json, sys
answer = []
for path in sys.argv[1:]:
    for mode in ("r", "a"):
        try:
            open(path, mode).close()
            answer.append("done")
        except OSError as error:
            answer.append(error.strerror)
print(json.dumps(answer))
"""


def test_what_is_listed_can_be_read_where_it_was_put_and_not_written(held: Place) -> None:
    folder = held.path / "project" / "environment"
    folder.mkdir(parents=True)
    (folder.parent / "secret").write_text("not this")
    (folder / "listed").write_text("but this")
    single = held.holds("single", "and this")
    for path in (folder.parent, folder, folder / "listed", folder.parent / "secret"):
        held.own(path)
    inner = "/environment" if sealed(held.rung) else str(folder)
    other = "/some/where/single" if sealed(held.rung) else str(single)
    held.reads.append(Readable(outer=str(folder), inner=inner))
    held.reads.append(Readable(outer=str(single), inner=other))
    answer = held.runs_python(
        TRY, f"{inner}/listed", other, str(folder.parent / "secret"), f"{inner}/../secret"
    ).answer
    refused = "Read-only file system" if sealed(held.rung) else "Permission denied"
    hidden = "No such file or directory" if sealed(held.rung) else "Permission denied"
    assert answer[:4] == ["done", refused, "done", refused]
    assert answer[4:6] == [hidden, hidden]
    # Beside the environment, there is nothing but what is made up.
    assert answer[6] == hidden
    assert answer[7] in {hidden, refused}


def test_a_folder_can_be_shown_inside_one_that_is_shown(held: Place) -> None:
    outer = held.path / "outer"
    (outer / "inner").mkdir(parents=True)
    (outer / "inner" / "file").write_text("here")
    for path in (outer, outer / "inner", outer / "inner" / "file"):
        held.own(path)
    for path in (outer / "inner", outer):
        held.reads.append(Readable(outer=str(path), inner=str(path)))
    assert held.runs("/bin/cat", str(outer / "inner" / "file")).lines == ["here"]


def test_the_build_folder_is_what_it_was(held: Place) -> None:
    held.build_holds("given", "before")
    ran = held.runs("/bin/sh", "-c", "echo after >given; mkdir -p a/b; echo x >a/b/c; umask")
    assert ran.outcome.succeeded
    assert ran.lines == ["0022"]
    assert (held.folder / "given").read_text() == "after\n"
    made = held.folder / "a" / "b" / "c"
    assert made.stat().st_mode & 0o777 == 0o644
    assert made.stat().st_uid == held.folder.stat().st_uid
    assert sorted(os.listdir(held.folder)) == ["a", "given", "home", "tmp"]
