"""Programs that try to get out: each attempt is real, and so is what it is aimed at.

What a program may not reach exists and could be reached by the same user without a sandbox: where an
attempt harms nobody, it is made on the rung `none` as well, and has to succeed. On the other rungs, none
may but the few that `Guarantees` names for confined files and shielded processes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from envbuild.sandbox.model import Readable
from support.sandboxes import ON_EVERY_REAL_RUNG, ON_EVERY_RUNG, Place, machine, place, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=ON_EVERY_REAL_RUNG)
def held(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from place(*request.param)


@pytest.fixture(params=ON_EVERY_RUNG)
def there(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from place(*request.param)


TRIES = """
import ctypes, errno, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

answers = {}
def attempt(name, act):
    try:
        answers[name] = ["done", str(act())[:60]]
    except OSError as error:
        answers[name] = [errno.errorcode.get(error.errno, type(error).__name__), str(error)]

secret, folder, marker = sys.argv[1:4]
here = os.getcwd()
"""

FILES = (
    TRIES
    + """
open("mine", "w").close()
attempt("read", lambda: open(secret).read())
attempt("list", lambda: os.listdir(folder))
attempt("write", lambda: open(secret, "a").write("x"))
attempt("empty", lambda: open(secret, "w"))
attempt("truncate", lambda: os.truncate(secret, 0))
attempt("open to be truncated", lambda: os.close(os.open(secret, os.O_RDONLY | os.O_TRUNC)))
attempt("remove", lambda: os.unlink(secret))
attempt("make", lambda: open(folder + "/made", "w"))
attempt("make a folder", lambda: os.mkdir(folder + "/made"))
attempt("make a link", lambda: os.symlink(secret, folder + "/made"))
attempt("make a socket", lambda: socket.socket(socket.AF_UNIX).bind(folder + "/made"))
attempt("make a pipe", lambda: os.mkfifo(folder + "/made"))
attempt("take by a link", lambda: os.link(secret, here + "/taken"))
attempt("take by a rename", lambda: os.rename(secret, here + "/taken"))
attempt("put by a link", lambda: os.link(here + "/mine", folder + "/made"))
attempt("put by a rename", lambda: os.rename(here + "/mine", folder + "/made"))
attempt("through a symbolic link",
        lambda: (os.symlink(secret, here + "/way"), open(here + "/way").read()))
attempt("through a folder above", lambda: open(here + "/../" + os.path.basename(secret)).read())
attempt("through a process", lambda: open("/proc/1/root" + secret).read())
attempt("through the parent",
        lambda: open(f"/proc/{os.getppid()}/root" + secret).read())
attempt("by a handle", lambda: call("open_by_handle_at", -100, None, 0))
attempt("execute", lambda: os.execv(secret, [secret]))
attempt("home", lambda: [open(os.path.join(marker, name)) for name in json.loads(sys.argv[4]) or ["absent"]][0])
print(json.dumps(answers))
"""
)


def test_files_elsewhere_are_out_of_reach(there: Place) -> None:
    secret = there.holds("secret", "nobody may know")
    before = secret.stat()
    inner_secret = str(secret)
    home = os.path.expanduser("~")
    names = [entry.name for entry in os.scandir(home) if entry.is_file()]
    answers = there.runs_python(
        FILES, inner_secret, str(there.path), home, json.dumps(names)
    ).answer
    done = {name for name, answer in answers.items() if answer[0] == "done"}
    if there.rung == "none":
        # The attempts are sound: what the user may do, they do.
        assert {"read", "write", "empty", "remove", "make", "list"} <= done
        return
    assert done == set()
    assert secret.read_text() == "nobody may know"
    after = secret.stat()
    assert (after.st_ino, after.st_nlink, after.st_mtime_ns) == (
        before.st_ino, 1, before.st_mtime_ns,
    )  # fmt: skip
    assert sorted(os.listdir(there.path)) == ["build", "log", "secret"]
    assert {answer[0] for name, answer in answers.items() if name in {"read", "write"}} == (
        {"ENOENT"} if sealed(there.rung) else {"EACCES"}
    )


@pytest.mark.parametrize("version", range(1, 8))
def test_an_older_landlock_keeps_files_out_of_reach_as_well(version: int) -> None:
    if version > machine().landlock:
        pytest.skip(f"the kernel's version is {machine().landlock}")
    for there in place("self", "landlock"):
        there.landlock = version
        secret = there.holds("secret", "nobody may know")
        answers = there.runs_python(FILES, str(secret), str(there.path), "/", "[]").answer
        assert {name for name, answer in answers.items() if answer[0] == "done"} == set()
        assert secret.read_text() == "nobody may know"
        assert sorted(os.listdir(there.path)) == ["build", "log", "secret"]
        # And what a build needs is left to it; renames between folders are, from version 2 on.
        script = "mkdir a b; echo x >a/f; : >a/f; truncate -s 0 a/f; mv a/f a/g; mv a/g b/g; ls b"
        assert there.runs("/bin/sh", "-c", script).lines == ["g"]
        with services(there) as (ways, arrived):
            there.runs_python(NETWORK, "", "", "", *ways)
        assert not any(arrived.values())


MODES = (
    TRIES
    + """
attempt("mode", lambda: os.chmod(secret, 0o777))
attempt("times", lambda: os.utime(secret, (0, 0)))
attempt("see", lambda: os.stat(secret))
attempt("attribute", lambda: os.setxattr(secret, "user.x", b"y"))
print(json.dumps(answers))
"""
)


def test_modes_and_times_elsewhere_are_as_the_guarantees_say(held: Place) -> None:
    secret = held.holds("secret", "x")
    answers = held.runs_python(MODES, str(secret), str(held.path), "").answer
    done = {name for name, answer in answers.items() if answer[0] == "done"}
    if sealed(held.rung):
        assert done == set()
        assert secret.stat().st_mode & 0o777 == 0o600
    else:
        assert {"mode", "times", "see"} <= done


SYSTEM = (
    TRIES
    + """
for path in ("/usr/bin/made", "/etc/made", "/made", "/dev/made", "/proc/made", "/lib/made"):
    attempt(path, lambda: open(path, "w"))
attempt("mount", lambda: call("mount", b"tmpfs", here.encode(), b"tmpfs", 0, None))
attempt("device", lambda: os.mknod(here + "/disk", 0o60600, os.makedev(254, 0)))
if marker == "sealed":
    attempt("mode of the system", lambda: os.chmod("/usr/bin/env", 0o4755))
    attempt("mode of the root", lambda: os.chmod("/", 0o755))
for path in ("kernel/core_pattern", "kernel/modprobe", "vm/overcommit_memory", "kernel/hostname"):
    attempt(path, lambda: os.close(os.open("/proc/sys/" + path, os.O_WRONLY)))
attempt("sysrq", lambda: os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY)))
attempt("groups", lambda: os.listdir("/sys/fs/cgroup"))
attempt("hardware", lambda: os.listdir("/sys/class/net"))
attempt("disk", lambda: os.open("/dev/vda", os.O_RDONLY))
attempt("log", lambda: os.open("/dev/kmsg", os.O_RDONLY))
attempt("terminal", lambda: os.open("/dev/tty", os.O_RDWR))
attempt("host name", lambda: call("sethostname", b"x", 1))
attempt("root", lambda: call("chroot", b"/usr"))
attempt("superuser", lambda: os.setuid(0) if os.getuid() else open("/root/x", "w"))
attempt("new user namespace, writing",
        lambda: (call("unshare", 0x10020000),
                 call("mount", None, b"/usr", None, ctypes.c_ulong(32 | 4096), None),
                 open("/usr/bin/made", "w")))
print(json.dumps(answers))
"""
)


def test_the_system_cannot_be_changed(held: Place) -> None:
    marker = "sealed" if sealed(held.rung) else ""
    answers = held.runs_python(SYSTEM, "", "", marker).answer
    assert {name: answer for name, answer in answers.items() if answer[0] == "done"} == {}


@dataclass
class Service:
    """Something that listens: where, and what has arrived."""

    address: Any
    got: list[bytes]


@contextmanager
def listener(family: int, address: Any, kind: int = socket.SOCK_STREAM) -> Iterator[Service]:
    """Listen; a connection is noted as `connected`, a datagram with its content."""
    with closing(socket.socket(family, kind)) as server:
        server.bind(address)
        if isinstance(address, str) and address.startswith("/"):
            os.chmod(address, 0o777)
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.settimeout(0.05)
        service = Service(server.getsockname(), [])
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    if kind == socket.SOCK_STREAM:
                        server.accept()[0].close()
                        service.got.append(b"connected")
                    else:
                        service.got.append(server.recv(100))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield service
        finally:
            over.set()
            thread.join()


NETWORK = (
    TRIES
    + """
tcp, udp, tcp6 = (int(word) for word in sys.argv[4:7])
abstract, named = sys.argv[7:9]
def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as client:
        client.settimeout(10)
        if kind == socket.SOCK_DGRAM:
            client.sendto(b"hello", address)
        else:
            client.connect(address)
            client.recv(1)
attempt("tcp", lambda: connect(socket.AF_INET, ("127.0.0.1", tcp)))
attempt("tcp6", lambda: connect(socket.AF_INET6, ("::1", tcp6)))
attempt("udp", lambda: connect(socket.AF_INET, ("127.0.0.1", udp), socket.SOCK_DGRAM))
attempt("abstract", lambda: connect(socket.AF_UNIX, "\\0" + abstract))
attempt("named", lambda: connect(socket.AF_UNIX, named))
attempt("name", lambda: socket.getaddrinfo("index.example", 443))
attempt("elsewhere", lambda: connect(socket.AF_INET, ("192.0.2.1", 9), socket.SOCK_DGRAM))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("host of the machine", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("bluetooth", lambda: socket.socket(31, socket.SOCK_RAW, 1))
attempt("ring", lambda: call("syscall", 425, 8, ctypes.create_string_buffer(200)))
attempt("keys", lambda: call("syscall", {"x86_64": 250}.get(os.uname().machine, 219), 0, -3, 0))
print(json.dumps(answers))
"""
)


@contextmanager
def services(there: Place) -> Iterator[tuple[list[str], dict[str, list[bytes]]]]:
    """Start what programs must not reach; yield the arguments that lead there, and what arrives."""
    abstract = f"envbuild-test-{os.getpid()}"
    named = str(there.path / "service")
    ways = {
        "tcp": (socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_STREAM),
        "udp": (socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM),
        "tcp6": (socket.AF_INET6, ("::1", 0), socket.SOCK_STREAM),
        "abstract": (socket.AF_UNIX, "\0" + abstract, socket.SOCK_STREAM),
        "named": (socket.AF_UNIX, named, socket.SOCK_STREAM),
    }
    if not HAS_IPV6:
        del ways["tcp6"]
    with ExitStack() as stack:
        all_of_them = {name: stack.enter_context(listener(*way)) for name, way in ways.items()}
        ports = [
            str(all_of_them[name].address[1]) if name in all_of_them else "9"
            for name in ("tcp", "udp", "tcp6")
        ]
        arrived = {name: service.got for name, service in all_of_them.items()}
        yield [*ports, abstract, named], arrived


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _has_ipv6()


def test_no_socket_leads_out(held: Place) -> None:
    with services(held) as (ways, arrived):
        answers = held.runs_python(NETWORK, "", "", "", *ways).answer
    assert {name: got for name, got in arrived.items() if got} == {}
    if sealed(held.rung):
        # The loopback device is one of its own, on which nobody listens; a datagram gets lost there.
        assert answers.pop("udp")[0] == "done"
        assert answers["tcp"][0] == "ECONNREFUSED"
    else:
        assert answers["tcp"][0] == "ENETUNREACH"
    assert {name for name, answer in answers.items() if answer[0] == "done"} == set()
    assert answers["host of the machine"][0] == "EAFNOSUPPORT"
    assert answers["ring"][0] == answers["keys"][0] == "ENOSYS"
    assert answers["name"][0] == "gaierror"


def test_a_program_that_is_permitted_the_network_gets_that_and_no_service_of_the_machine(
    held: Place,
) -> None:
    with services(held) as (ways, arrived):
        answers = held.runs_python(NETWORK, "", "", "", *ways, network=True).answer
    assert arrived.pop("tcp6", [b"connected"]) == [b"connected"]
    assert (arrived["tcp"], arrived["udp"]) == ([b"connected"], [b"hello"])
    assert answers["tcp"][0] == answers["udp"][0] == "done"
    assert (arrived["abstract"], arrived["named"]) == ([], [])
    assert answers["named"][0] != "done"
    assert answers["abstract"][0] != "done"
    for name in ("raw", "packet", "host of the machine", "ring", "keys"):
        assert answers[name][0] != "done", name


def test_the_permission_to_use_the_network_brings_its_configuration(held: Place) -> None:
    configuration = "/etc/resolv.conf"
    if not os.path.exists(configuration):
        pytest.skip("there is no configuration of names")
    ran = held.runs("/bin/cat", configuration, network=True)
    with open(configuration, encoding="utf-8") as file:
        assert ran.lines == file.read().splitlines()
    assert not held.runs("/bin/cat", configuration).outcome.succeeded


def test_without_a_sandbox_every_service_can_be_reached() -> None:
    for there in place("self", "none"):
        with services(there) as (ways, arrived):
            there.runs_python(NETWORK, "", "", "", *ways)
        assert all(arrived.values()), arrived


OWN_SOCKETS = """
import json, multiprocessing, os, socket, threading
def talk(family, address):
    with socket.socket(family) as server:
        server.bind(address)
        server.listen()
        client = socket.socket(family)
        client.connect(server.getsockname())
        server.accept()[0].sendall(b"x")
        return client.recv(1).decode()
left, right = socket.socketpair()
left.sendall(b"pair")
print(json.dumps([right.recv(4).decode(), talk(socket.AF_INET, ("127.0.0.1", 0)),
                  talk(socket.AF_UNIX, os.getcwd() + "/own")]))
"""


@pytest.mark.parametrize("user", ["self", "nobody"])
@pytest.mark.parametrize("rung", ["bubblewrap", "namespaces"])
def test_programs_of_one_sealed_sandbox_can_talk_to_each_other(user: str, rung: str) -> None:
    for there in place(user, rung):  # type: ignore[arg-type]  # a rung
        assert there.runs_python(OWN_SOCKETS).answer == ["pair", "x", "x"]


POOL = """
import json, multiprocessing
def double(number):
    return 2 * number
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(json.dumps(pool.map(double, range(5))))
"""


def test_pools_of_processes_work(held: Place) -> None:
    before = set(os.listdir("/dev/shm"))
    assert held.runs_python(POOL).answer == [0, 2, 4, 6, 8]
    assert set(os.listdir("/dev/shm")) - before == set()


PROCESSES = (
    TRIES
    + """
import signal
victim, parent = int(sys.argv[4]), os.getppid()
names = []
for name in os.listdir("/proc"):
    if name.isdecimal():
        try:
            names.append(open(f"/proc/{name}/cmdline").read())
        except OSError:
            pass
answers["seen"] = ["done" if any(marker in name and "program.py" not in name for name in names) else "hidden", ""]
attempt("signal", lambda: os.kill(victim, signal.SIGKILL))
attempt("its group", lambda: os.killpg(victim, signal.SIGKILL))
attempt("attach", lambda: call("ptrace", 16, victim, 0, 0))
attempt("seize", lambda: call("ptrace", 0x4206, victim, 0, 0))
attempt("memory", lambda: os.open(f"/proc/{victim}/mem", os.O_RDWR))
attempt("variables", lambda: open(f"/proc/{victim}/environ").read())
attempt("folder", lambda: os.listdir(f"/proc/{victim}/cwd"))
attempt("descriptors", lambda: os.readlink(f"/proc/{victim}/fd/0"))
attempt("limits", lambda: __import__("resource").prlimit(victim, 7, (1, 1)))
if os.uname().machine == "x86_64":
    attempt("descriptor", lambda: call("syscall", 438, call("syscall", 434, victim, 0), 0, 0))
if sys.argv[5] == "parent":
    attempt("attach to the parent", lambda: call("ptrace", 16, parent, 0, 0))
    attempt("memory of the parent", lambda: os.open(f"/proc/{parent}/mem", os.O_RDWR))
print(json.dumps(answers))
"""
)


def test_other_processes_are_out_of_reach(there: Place) -> None:
    marker = f"victim-{os.getpid()}"
    prefix: tuple[str, ...] = ()
    if there.user == "nobody":
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    with subprocess.Popen(
        (*prefix, "sh", "-c", "sleep 300", marker), start_new_session=True, cwd="/"
    ) as victim:
        try:
            # The superuser can do that without a sandbox; and the first process of bubblewrap's is
            # one of the sandbox, whose loss is nobody else's: in both cases it would never end.
            free = there.rung == "none" and there.user == "self" and os.geteuid() == 0
            parent = "" if free or there.rung == "bubblewrap" else "parent"
            answers = there.runs_python(PROCESSES, "", "", marker, str(victim.pid), parent).answer
            alive = victim.poll() is None
        finally:
            if victim.poll() is None:
                os.killpg(victim.pid, signal.SIGKILL)
    done = {name for name, answer in answers.items() if answer[0] == "done"}
    if there.rung == "none":
        assert {"seen", "signal"} <= done
        # Even there, the supervisor does not let itself be traced.
        assert not {"attach to the parent", "memory of the parent"} & done
        return
    assert alive
    if sealed(there.rung):
        assert done == set()
        return
    assert "seen" in done
    unruled = {"signal", "its group"} if machine().landlock < 6 else set()
    assert done - {"seen"} <= unruled


def test_what_an_earlier_program_left_leads_a_later_one_nowhere(held: Place) -> None:
    target = held.own_folder("target")
    shown = held.own_folder("shown")
    held.reads.append(Readable(outer=str(shown), inner=str(shown)))
    above = str(shown.parent).strip("/").split("/")[1]
    first = held.runs(
        "/bin/sh", "-c",
        f"rm -r home tmp && ln -s {target} home && ln -s {target} tmp && ls -l tmp",
    )  # fmt: skip
    assert first.outcome.succeeded, first.log
    second = held.runs("/bin/sh", "-c", 'ls -d ~ "$TMPDIR"; echo x >~/made; echo y >"$TMPDIR/made"')
    assert second.outcome.succeeded, second.log
    third = held.runs("/bin/sh", "-c", f"rm -r tmp && mkdir tmp && ln -s {target} tmp/{above}")
    assert third.outcome.succeeded, third.log
    held.runs("/bin/sh", "-c", "echo z >/tmp/made; ls /tmp")
    assert os.listdir(target) == []
    assert os.listdir(shown) == []
