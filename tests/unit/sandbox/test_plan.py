"""Orders: what is asked for, in the words of a rung."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envbuild.sandbox import bubblewrap
from envbuild.sandbox.machine import Machine
from envbuild.sandbox.model import Limits, Readable, Request
from envbuild.sandbox.plan import System, plan

if TYPE_CHECKING:
    from envbuild.sandbox.model import Rung
    from envbuild.sandbox.plan import Mount, Order

SYSTEM = System(
    present=frozenset(
        {
            "/usr", "/etc/alternatives", "/etc/ld.so.cache", "/etc/passwd", "/etc/hosts",
            "/etc/ssl", "/etc/group", "/dev/shm",
        }
    ),
    links=(
        ("/bin", "usr/bin"),
        ("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        ("/lib", "/usr/lib"),
    ),
)  # fmt: skip
PREFIX = Readable(outer="/opt/python/3.12", inner="/opt/python/3.12")
ENVIRONMENT = Readable(outer="/store/environment", inner="/environment")


def ordered(
    rung: Rung,
    *reads: Readable,
    network: bool = False,
    landlock: int = 7,
    architecture: str = "x86_64",
    limits: Limits | None = None,
) -> Order:
    request = Request(
        argv=("python", "-c", "pass"),
        cwd="/build/src",
        variables={"PATH": "/usr/bin", "NAME": "a value"},
        folder="/outer/build",
        reads=reads,
        network=network,
        limits=limits or Limits(),
    )
    machine = Machine(
        identity=(),
        architecture=architecture,
        landlock=landlock,
        bubblewrap="/usr/bin/bwrap",
        missing=(),
    )
    return plan(request, rung, machine, SYSTEM)


def named(mounts: tuple[Mount, ...], kind: str) -> dict[str, object]:
    return {
        (mount[2] if mount[0] == "bind" else mount[1]): mount[1:]
        for mount in mounts
        if mount[0] == kind
    }


def test_the_root_is_made_of_what_is_needed() -> None:
    mounts = ordered("namespaces", PREFIX, ENVIRONMENT)["mounts"]
    binds = named(mounts, "bind")
    assert binds == {
        "/usr": ("/usr", "/usr", "read"),
        "/etc/alternatives": ("/etc/alternatives", "/etc/alternatives", "read"),
        "/etc/ld.so.cache": ("/etc/ld.so.cache", "/etc/ld.so.cache", "read"),
        **{
            f"/dev/{name}": (f"/dev/{name}", f"/dev/{name}", "device")
            for name in ("full", "null", "random", "urandom", "zero")
        },
        "/tmp": ("/outer/build/tmp", "/tmp", "write"),
        "/var/tmp": ("/outer/build/tmp", "/var/tmp", "write"),
        "/environment": ("/store/environment", "/environment", "read"),
        "/opt/python/3.12": ("/opt/python/3.12", "/opt/python/3.12", "read"),
        "/build": ("/outer/build", "/build", "write"),
    }
    assert named(mounts, "link")["/lib"] == ("/lib", "usr/lib")
    assert set(named(mounts, "text")) == {
        "/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd",
    }  # fmt: skip


def test_the_network_brings_what_it_needs() -> None:
    mounts = ordered("namespaces", network=True)["mounts"]
    shown = set(named(mounts, "bind"))
    assert {"/etc/resolv.conf", "/etc/hosts", "/etc/ssl"} <= shown
    # Who the user is stays made up.
    assert set(named(mounts, "text")) == {"/etc/group", "/etc/nsswitch.conf", "/etc/passwd"}


def test_both_sealed_rungs_get_the_same_root() -> None:
    first, second = ordered("bubblewrap", PREFIX), ordered("namespaces", PREFIX)
    assert first["mounts"] == second["mounts"]
    assert first["rules"] == second["rules"]
    assert first["filter"] == second["filter"]


PATHS = st.lists(st.sampled_from(["a", "b", "tmp", "usr", "opt"]), min_size=1, max_size=4).map(
    lambda names: "/" + "/".join(names)
)


@given(st.lists(PATHS, unique=True))
def test_every_place_has_a_folder_before_something_is_put_there(paths: list[str]) -> None:
    reads = [Readable(outer=path, inner=path) for path in paths]
    made = {"/"}
    bound: list[str] = []
    for mount in ordered("namespaces", *reads)["mounts"]:
        inner = mount[2] if mount[0] == "bind" else mount[1]
        folder = posixpath.dirname(inner)
        inside_another = any(inner.startswith(f"{other}/") for other in bound)
        assert folder in made or inside_another
        if mount[0] == "bind":
            # What is put there later would be hidden by it.
            assert not any(other.startswith(f"{inner}/") for other in bound if inner != other)
            bound.append(inner)
            if mount[3] == "write":
                assert inner in {"/tmp", "/var/tmp", "/build"}
        made.add(inner)


def test_a_readable_path_in_a_temporary_folder_leaves_that_to_it() -> None:
    shown = named(ordered("namespaces", Readable(outer="/x", inner="/tmp/x"))["mounts"], "bind")
    assert "/tmp" not in shown
    assert "/var/tmp" in shown


def test_paths_stay_where_they_are_without_a_root_of_its_own() -> None:
    assert ordered("landlock", PREFIX)["mounts"] == ()
    with pytest.raises(AssertionError):
        ordered("landlock", ENVIRONMENT)


WRITE_FILE, READ = 1 << 1, 0b1101


def test_landlock_rules_over_all_it_knows_and_leaves_the_listed() -> None:
    rules = ordered("landlock", PREFIX)["rules"]
    assert rules is not None
    files, network, scopes, exceptions = rules
    assert (files, network, scopes) == ((1 << 16) - 1, 0b11, 0b11)
    allowed = dict(exceptions)
    assert allowed["/usr"] == allowed["/opt/python/3.12"] == allowed["/proc"] == READ
    assert allowed["/outer/build"] == files
    writable = {path for path, kinds in exceptions if kinds & WRITE_FILE}
    assert writable == {
        "/outer/build", "/dev/shm", "/dev/full", "/dev/null", "/dev/random", "/dev/urandom",
        "/dev/zero",
    }  # fmt: skip
    assert "/etc/ssl" not in allowed
    assert "/etc" not in allowed
    assert "/" not in allowed


VERSIONS = {
    1: ((1 << 13) - 1, 0, 0),
    2: ((1 << 14) - 1, 0, 0),
    3: ((1 << 15) - 1, 0, 0),
    4: ((1 << 15) - 1, 3, 0),
    5: ((1 << 16) - 1, 3, 0),
    6: ((1 << 16) - 1, 3, 3),
    7: ((1 << 16) - 1, 3, 3),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_landlock_is_asked_for_what_it_has(version: int) -> None:
    rules = ordered("landlock", PREFIX, landlock=version)["rules"]
    assert rules is not None
    assert rules[:3] == VERSIONS[version]
    assert all(kinds & ~rules[0] == 0 for _, kinds in rules[3])
    assert ordered("landlock", landlock=version, network=True)["rules"][1] == 0  # type: ignore[index]


def test_scopes_hold_on_every_rung_whose_kernel_has_them() -> None:
    for rung in ("bubblewrap", "namespaces"):
        assert ordered(rung)["rules"] == (0, 0, 3, ())
        assert ordered(rung, landlock=5)["rules"] is None
    assert ordered("none")["rules"] is None
    assert ordered("none")["filter"] == b""


def test_abstract_sockets_of_the_machine_are_refused_by_one_means_or_the_other() -> None:
    with_scopes = ordered("namespaces", network=True)["filter"]
    without = ordered("namespaces", network=True, landlock=5)["filter"]
    assert with_scopes == ordered("namespaces")["filter"] != without


def test_processors_without_a_table_get_no_filter() -> None:
    assert ordered("namespaces", architecture="s390x")["filter"] == b""


def test_limits_are_handed_on() -> None:
    order = ordered("none", limits=Limits(seconds=1.5, memory=2, disk=3, processes=4))
    assert (order["seconds"], order["memory"], order["disk"], order["processes"]) == (1.5, 2, 3, 4)


def test_bubblewrap_is_told_the_same_in_its_words() -> None:
    described: list[tuple[str, bytes]] = []

    def describe(name: str, data: bytes) -> int:
        described.append((name, data))
        return 100 + len(described)

    words = bubblewrap.options(ordered("bubblewrap", ENVIRONMENT), describe, 9)
    assert words == [
        "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts",
        "--unshare-cgroup-try", "--unshare-net",
        "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", "localhost",
        "--new-session", "--die-with-parent", "--json-status-fd", "9",
        "--ro-bind", "/usr", "/usr",
        "--dir", "/etc",
        "--ro-bind", "/etc/alternatives", "/etc/alternatives",
        "--ro-bind", "/etc/ld.so.cache", "/etc/ld.so.cache",
        "--symlink", "usr/bin", "/bin",
        "--symlink", "usr/lib", "/lib",
        "--perms", "0644", "--file", "101", "/etc/group",
        "--perms", "0644", "--file", "102", "/etc/hosts",
        "--perms", "0644", "--file", "103", "/etc/nsswitch.conf",
        "--perms", "0644", "--file", "104", "/etc/passwd",
        "--proc", "/proc", "--remount-ro", "/proc",
        "--dir", "/dev",
        "--dev-bind", "/dev/full", "/dev/full",
        "--dev-bind", "/dev/null", "/dev/null",
        "--dev-bind", "/dev/random", "/dev/random",
        "--dev-bind", "/dev/urandom", "/dev/urandom",
        "--dev-bind", "/dev/zero", "/dev/zero",
        "--size", "1073741824", "--tmpfs", "/dev/shm",
        "--symlink", "/proc/self/fd", "/dev/fd",
        "--symlink", "/proc/self/fd/0", "/dev/stdin",
        "--symlink", "/proc/self/fd/1", "/dev/stdout",
        "--symlink", "/proc/self/fd/2", "/dev/stderr",
        "--bind", "/outer/build/tmp", "/tmp",
        "--dir", "/var",
        "--bind", "/outer/build/tmp", "/var/tmp",
        "--ro-bind", "/store/environment", "/environment",
        "--bind", "/outer/build", "/build",
        "--remount-ro", "/", "--chdir", "/build/src",
        "--setenv", "PATH", "/usr/bin", "--setenv", "NAME", "a value",
        "--setenv", "PWD", "/build/src",
        "--seccomp", "105",
    ]  # fmt: skip
    assert [name for name, _ in described] == [
        "/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd", "filter",
    ]  # fmt: skip
    assert b"builder:x:1000:1000:builder:/build/home:/bin/sh\n" in described[3][1]


def test_bubblewrap_shares_the_network_where_that_is_permitted() -> None:
    words = bubblewrap.options(ordered("bubblewrap", network=True), lambda *_: 5, 9)
    assert "--unshare-net" not in words
    assert "--unshare-pid" in words
