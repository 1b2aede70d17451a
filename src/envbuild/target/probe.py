"""Asks an interpreter what it is, once, and remembers the answer.

An answer is a file below the cache folder, named by the executable's path. It is believed as long
as the path leads to the same file with the same size and time stamp, on a machine with the same
kernel and C library (the facts name both). A file that is damaged, or of another version of
envbuild, is as good as none. Deleting the folder loses nothing but time.

Layout of such a file: `digest_of(rest)` in hexadecimal, a newline, and the rest: what it is an
answer for and the answer, in `marshal` format 4.
"""

from __future__ import annotations

import marshal
import os

from envbuild import __version__
from envbuild.digest import HEX_LENGTH, Digest, digest_of
from envbuild.errors import TargetError
from envbuild.target.model import OLDEST_VERSION, Interpreter, Scheme, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envbuild.target.facts import Facts

_FORMAT = 1
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe_script.py")
_TIME_LIMIT = 30.0
_OUTPUT_LIMIT = 256 * 1024
_DEEPEST_NESTING = 32


class InterpreterMissing(TargetError):
    """A path at which there is no interpreter."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"no Python interpreter at `{path}`: {reason}")
        self.path = path
        self.reason = reason


class InterpreterNotExecutable(TargetError):
    """A file that the system does not start."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"`{path}` cannot be started: {reason}")
        self.path = path
        self.reason = reason


class InterpreterFailed(TargetError):
    """An executable that ended with an error when it was asked what it is.

    Attributes:
        status: its exit status, negative for the signal that ended it.
        output: what it printed on both streams.
    """

    def __init__(self, path: str, status: int, output: str) -> None:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
        super().__init__(f"`{path}` {how} when asked what it is{_quoted(output)}")
        self.path = path
        self.status = status
        self.output = output


class InterpreterUnclear(TargetError):
    """An executable whose answer is not that of a Python interpreter."""

    def __init__(self, path: str, output: str) -> None:
        super().__init__(f"`{path}` does not answer as a Python interpreter{_quoted(output)}")
        self.path = path
        self.output = output


class InterpreterHung(TargetError):
    """An executable that gave no answer in time."""

    def __init__(self, path: str, seconds: float, output: str) -> None:
        super().__init__(f"`{path}` gave no answer within {seconds:g} s{_quoted(output)}")
        self.path = path
        self.seconds = seconds
        self.output = output


class InterpreterTooOld(TargetError):
    """A Python that no environment is made for."""

    def __init__(self, path: str, version: str) -> None:
        oldest = ".".join(map(str, OLDEST_VERSION))
        super().__init__(f"`{path}` is Python {version}; {oldest} is the oldest that is supported")
        self.path = path
        self.version = version


def probe(executable: str, *, cache_dir: str, time_limit: float = _TIME_LIMIT) -> Interpreter:
    """Return what the interpreter at a path is.

    Inside a virtual environment that is the interpreter which the environment was made from.

    Args:
        executable: path of the executable, relative ones taken from the working directory.
        cache_dir: the folder for what is remembered; it need not exist or be writable.
        time_limit: seconds to wait for an answer.

    Raises:
        InterpreterMissing: there is no such file, or the environment's own interpreter is gone.
        InterpreterNotExecutable: the file is no program of this system.
        InterpreterFailed: it ended with an error.
        InterpreterUnclear: it printed something else than the answer.
        InterpreterHung: it did not end within the time limit.
        InterpreterTooOld: it is older than `OLDEST_VERSION`.
    """
    path = outside_venv(os.path.abspath(executable))
    identity = _identity(path)
    record = os.path.join(cache_dir, "interpreters", _record_name(path))
    interpreter = _recall(record, identity)
    if interpreter is None:
        facts = _ask(path, time_limit)
        interpreter = _interpreter(path, facts)
        # A wrapper script may start another interpreter tomorrow: its own file says nothing.
        if _is_same_file(path, facts.executable):
            _remember(record, identity, interpreter)
    return interpreter


def outside_venv(path: str) -> str:
    """Return the executable that a virtual environment was made from; any other path unchanged.

    Raises:
        InterpreterMissing: the environment says where it was, and it is not there.
    """
    for _ in range(_DEEPEST_NESTING):
        prefix = venv_of(path)
        if prefix is None:
            return path
        path = _leave_venv(path, prefix)
    raise InterpreterMissing(path, "its virtual environments lead in a circle")


def venv_of(path: str) -> str | None:
    """Return the prefix of the virtual environment that an executable belongs to (PEP 405)."""
    folder = os.path.dirname(path)
    for prefix in (os.path.dirname(folder), folder):
        if os.path.exists(os.path.join(prefix, "pyvenv.cfg")):
            return prefix
    return None


def _leave_venv(path: str, prefix: str) -> str:
    # Follow the links, one at a time, up to the first place outside: that is what the maker of
    # the environment linked to. The end of all links would tie it to a patch release.
    place = path
    for _ in range(_DEEPEST_NESTING):
        try:
            target = os.readlink(place)
        except OSError:
            break
        place = os.path.normpath(os.path.join(os.path.dirname(place), target))
        if venv_of(place) != prefix:
            return place
    # A copied executable: only the configuration tells where it came from.
    home = _home_in_configuration(prefix)
    if home is None:
        raise InterpreterMissing(path, f"`{prefix}/pyvenv.cfg` does not say what it was made from")
    names = (os.path.basename(path), "python3", "python")
    for name in names:
        candidate = os.path.join(home, name)
        if candidate != path and os.path.isfile(candidate):
            return candidate
    raise InterpreterMissing(path, f"its environment was made from one in `{home}`, now gone")


def _home_in_configuration(prefix: str) -> str | None:
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip().lower() == "home":
            return value.strip()
    return None


def _identity(path: str) -> tuple[object, ...]:
    """Return everything that an answer of this executable depends on."""
    try:
        status = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            raise InterpreterMissing(
                path, f"it links to `{os.readlink(path)}`, which is not there"
            ) from error
        raise InterpreterMissing(path, (error.strerror or str(error)).lower()) from error
    machine = os.uname()
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):
        libc = None
    return (
        path,
        os.path.realpath(path),
        status.st_size,
        status.st_mtime_ns,
        status.st_ino,
        (machine.sysname, machine.release, machine.version, machine.machine),
        libc,
    )


def _record_name(path: str) -> str:
    return digest_of(f"{_FORMAT}\0{__version__}\0".encode() + os.fsencode(path))[:32]


def _recall(record: str, identity: tuple[object, ...]) -> Interpreter | None:
    try:
        with open(record, "rb") as file:
            data = file.read()
    except OSError:
        return None
    body = data[HEX_LENGTH + 1 :]
    # `marshal` trusts its input, so nothing but what was written here may reach it.
    if data[: HEX_LENGTH + 1] != digest_of(body).encode() + b"\n":
        return None
    stored: Any = marshal.loads(body)  # noqa: S302
    if stored[0] != identity:
        return None
    _, executable, home, digest, markers, tags, scheme, plain = stored
    target = Target(
        markers=markers,
        tags=tags,
        scheme=Scheme(**scheme),
        **plain,
    )
    target.remember_digest(Digest(digest))
    return Interpreter(target=target, executable=executable, home=home)


def _remember(record: str, identity: tuple[object, ...], interpreter: Interpreter) -> None:
    import tempfile

    target = interpreter.target
    stored: Any = (
        identity,
        interpreter.executable,
        interpreter.home,
        target.digest,
        dict(target.markers),
        target.tags,
        target.scheme.as_json(),
        {
            "implementation": target.implementation,
            "version": target.version,
            "cache_tag": target.cache_tag,
            "soabi": target.soabi,
            "ext_suffix": target.ext_suffix,
            "abi_flags": target.abi_flags,
            "platform": target.platform,
            "libc": target.libc,
        },
    )
    body = marshal.dumps(stored, 4)
    folder = os.path.dirname(record)
    # What cannot be remembered, for want of room or permission, is asked again next time.
    try:
        os.makedirs(folder, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    except OSError:
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(digest_of(body).encode() + b"\n" + body)
        os.replace(temporary, record)
    except OSError:
        os.unlink(temporary)


def _ask(path: str, time_limit: float) -> Facts:
    from envbuild.target.facts import parse_facts

    status, answer, errors = _run(path, time_limit)
    output = _joined(answer, errors)
    if status != 0:
        if "Unknown option: -I" in errors:
            raise InterpreterTooOld(path, "older than 3.4")
        raise InterpreterFailed(path, status, output)
    facts = parse_facts(answer)
    if facts is None:
        raise InterpreterUnclear(path, output)
    if facts.minor_version < OLDEST_VERSION:
        raise InterpreterTooOld(path, facts.version)
    return facts


def _run(path: str, time_limit: float) -> tuple[int, str, str]:
    """Start a program with the script; return its exit status and what it printed on both streams.

    Whatever it is (`yes`, a game, a shell that waits for input), it gets no input, no more time
    than the limit, and no more memory here than the limit of output.
    """
    import selectors
    import subprocess
    from time import monotonic

    environment = dict(os.environ)
    # On macOS the first names the executable that a framework build believes to be, and without
    # the second, builds for old systems are told that every system is 10.16.
    environment.pop("__PYVENV_LAUNCHER__", None)
    environment["SYSTEM_VERSION_COMPAT"] = "0"
    deadline = monotonic() + time_limit
    try:
        process = subprocess.Popen(
            [path, "-I", "-S", "-B", _SCRIPT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        reason = "is a folder" if os.path.isdir(path) else (error.strerror or str(error)).lower()
        raise InterpreterNotExecutable(path, reason) from error
    assert process.stdout is not None
    assert process.stderr is not None
    received = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}

    def texts() -> list[str]:
        return [data.decode("utf-8", "replace") for data in received.values()]

    with process, selectors.DefaultSelector() as selector:
        try:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(max(0.0, deadline - monotonic())):
                    data = os.read(key.fd, 65536)
                    received[key.fd] += data
                    if not data:
                        selector.unregister(key.fileobj)
                if sum(map(len, received.values())) > _OUTPUT_LIMIT:
                    raise InterpreterUnclear(path, _joined(*texts()))
                if monotonic() >= deadline:
                    raise InterpreterHung(path, time_limit, _joined(*texts()))
            status = process.wait(max(0.0, deadline - monotonic()))
        except subprocess.TimeoutExpired as error:
            raise InterpreterHung(path, time_limit, _joined(*texts())) from error
        finally:
            if process.poll() is None:
                _kill_session(process.pid)
    output, errors = texts()
    return status, output, errors


def _kill_session(leader: int) -> None:
    import signal

    # It may have ended by itself since it was looked at; some systems then call it forbidden.
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _joined(output: str, errors: str) -> str:
    return "\n".join(text for text in (output.strip(), errors.strip()) if text)


def _interpreter(path: str, facts: Facts) -> Interpreter:
    from envbuild.target.tags import compatible_tags

    executable = facts.base_executable or facts.executable
    if not os.path.isfile(executable):
        executable = path
    if facts.standalone:
        executable = _beside_library(executable, facts)
    executable = outside_venv(executable)
    return Interpreter(
        target=facts.target(compatible_tags(facts)),
        executable=executable,
        home=os.path.dirname(executable),
    )


def _beside_library(executable: str, facts: Facts) -> str:
    """Follow the links of a relocatable build to the first place that its library is beside.

    Such a build finds its library from its own place alone, and a virtual environment is told no
    more than the folder of the executable.
    """
    library = "lib/python{}.{}{}/os.py".format(
        *facts.minor_version, "t" if facts.gil_disabled else ""
    )
    place = executable
    for _ in range(_DEEPEST_NESTING):
        folder = os.path.dirname(place)
        if os.path.isfile(os.path.join(os.path.dirname(folder), library)):
            return place
        try:
            target = os.readlink(place)
        except OSError:
            break
        place = os.path.normpath(os.path.join(folder, target))
    return executable


def _is_same_file(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _quoted(output: str) -> str:
    """Return what a program printed, shortened, as the end of a message."""
    lines = output.strip().splitlines()
    if not lines:
        return ", and printed nothing"
    shown = [line[:200] for line in lines[-10:]]
    if len(lines) > len(shown):
        shown.insert(0, "…")
    return ":\n" + "\n".join(f"    {line}" for line in shown)
