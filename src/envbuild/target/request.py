"""What `--python` and `.python-version` may say, read as uv reads it.

    /path/to/python, .venv         a path: an executable, or the folder of an installation
    python3.12, 3, 3.12.4, 312     a version; with `t` or `+freethreaded`, `d` or `+debug`, `+gil`
    >=3.10,<3.13                   a set of versions
    cpython, pypy@3.10, cp312      an implementation, and its version
    cpython-3.12.4-linux-x86_64-gnu  a key, any part of which may be left out
    my-python                      anything else: the name of an executable on PATH
    any, default                   no wish; `default` leaves out what is unusual

Only text is looked at here. Whether a target answers a request is decided by `mismatch`; where to
look for one is for `discover`.
"""

from __future__ import annotations

from envbuild.errors import TargetError
from envbuild.frozen import frozen, replace
from envbuild.target.model import OLDEST_VERSION, experiment_mismatch
from envbuild.target.release import (
    asks_for_prerelease,
    contains,
    contains_some_patch,
    is_specifier_set,
    parse_release,
    release_part,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from envbuild.target.model import Target

    Variant = Literal["", "freethreaded", "debug", "freethreaded+debug", "gil", "gil+debug"]

_VARIANTS: dict[str, Variant] = {
    "": "",
    "t": "freethreaded",
    "freethreaded": "freethreaded",
    "d": "debug",
    "debug": "debug",
    "td": "freethreaded+debug",
    "freethreaded+debug": "freethreaded+debug",
    "gil": "gil",
    "gil+debug": "gil+debug",
}
_VARIANT_SUFFIXES = {
    "freethreaded": "t",
    "debug": "d",
    "freethreaded+debug": "td",
    "gil+debug": "d",
}
_IMPLEMENTATIONS = {
    "cpython": "cpython",
    "cp": "cpython",
    "pypy": "pypy",
    "pp": "pypy",
    "graalpy": "graalpy",
    "gp": "graalpy",
    "pyodide": "pyodide",
}
_PRERELEASES = {
    "alpha": "a",
    "beta": "b",
    "preview": "rc",
    "pre": "rc",
    "rc": "rc",
    "a": "a",
    "b": "b",
    "c": "rc",
}
_SYSTEMS = {
    "linux": "linux",
    "macos": "macos",
    "darwin": "macos",
    "windows": "windows",
    "freebsd": "freebsd",
    "netbsd": "netbsd",
    "openbsd": "openbsd",
    "emscripten": "emscripten",
}
_ARCHITECTURES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "x86": "x86",
    "i386": "x86",
    "i686": "x86",
    "win32": "x86",
    "armv7": "armv7",
    "armv7l": "armv7",
    "armv8l": "armv7",
    "powerpc64le": "powerpc64le",
    "ppc64le": "powerpc64le",
    "powerpc64": "powerpc64",
    "ppc64": "powerpc64",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loongarch64",
    "wasm32": "wasm32",
}
_LIBCS = {
    "gnu": "gnu",
    "gnueabi": "gnu",
    "gnueabihf": "gnu",
    "musl": "musl",
    "musleabi": "musl",
    "musleabihf": "musl",
    "none": "none",
}
_LARGEST_NUMBER = 255


class UnsupportedPython(TargetError):
    """A request for a Python that no environment can be made for."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"`{text}` asks for a Python that is not supported: {reason}")
        self.text = text
        self.reason = reason


@frozen
class PathRequest:
    """A certain executable, or the folder of an installation or a virtual environment."""

    text: str


@frozen
class NameRequest:
    """The first executable of that name on PATH."""

    text: str


@frozen
class SpecRequest:
    """A description that any number of interpreters may answer.

    Attributes:
        text: as it was written.
        implementation: `None` where none is named: then it is CPython, unless something else
            carries the plain name `python` or `python3` on PATH.
        release: the leading numbers of the version, none for every version.
        prerelease: such as `rc1`; only together with a release.
        specifiers: a set of versions (PEP 440) instead of a release, else empty.
        variant: the kind of build; empty leaves out free-threaded builds before 3.14.
        system: `linux`, `macos`, `windows`, …
        arch: `x86_64`, `aarch64`, …
        libc: `gnu`, `musl` or `none`.
        anything: whether pre-releases, other implementations and every variant are welcome too.
    """

    text: str
    implementation: str | None = None
    release: tuple[int, ...] = ()
    prerelease: str = ""
    specifiers: str = ""
    variant: Variant = ""
    system: str | None = None
    arch: str | None = None
    libc: str | None = None
    anything: bool = False

    @property
    def allows_prereleases(self) -> bool:
        """Whether a pre-release is what is asked for, and not merely what happens to fit."""
        return self.anything or self.prerelease != "" or asks_for_prerelease(self.specifiers)


PythonRequest = PathRequest | NameRequest | SpecRequest


def parse_request(text: str, *, is_path: bool) -> PythonRequest:
    """Return what `text` asks for; there is no text without a meaning.

    Args:
        text: the request.
        is_path: whether something exists at `text` taken as a path. That decides between a path
            and a name or key; versions and implementations come before either.

    Raises:
        UnsupportedPython: it asks for a version or variant that cannot be.
    """
    folded = text.strip().lower()
    request = _parse_version_or_implementation(text, folded)
    if request is None and (is_path or "/" in text):
        return PathRequest(text=text)
    if request is None:
        request = _parse_key(text, folded)
    if request is None:
        return NameRequest(text=text)
    _check_supported(request)
    return request


def parse_version_file(text: str) -> PythonRequest | None:
    """Return the first request in a `.python-version` or `.python-versions` file.

    Blank lines, comments (`#`) and bare names, which other tools give to environments of theirs,
    are passed over.

    Raises:
        UnsupportedPython: see `parse_request`.
    """
    for line in text.splitlines():
        content = line.strip()
        if content and not content.startswith("#"):
            request = parse_request(content, is_path=False)
            if not isinstance(request, NameRequest):
                return request
    return None


def request_of_specifiers(specifiers: str) -> SpecRequest:
    """Return the request that a `requires-python` makes; `==3.12.4` asks for that release."""
    return _parse_version(specifiers, specifiers) or SpecRequest(text=specifiers)


def executable_names(request: SpecRequest) -> tuple[str, ...]:
    """Return the names to look for in each folder of PATH, the most telling first.

    Only names that need no listing of the folder; see `minor_version_of_name` for the others.
    """
    numbers = [".".join(map(str, request.release[:length])) for length in range(4)]
    stems = numbers[: len(request.release) + 1] if request.release else ["", "3"]
    if request.prerelease and len(request.release) > 1:
        stems.append(stems[-1] + request.prerelease)
    # Without any wish the plain name is the user's own default; otherwise the closest name is best.
    if request.release or request.specifiers:
        stems.reverse()
    suffix = _VARIANT_SUFFIXES.get(request.variant, "")
    suffixes = [suffix, ""] if suffix else [""]
    if request.anything:
        names = ["python", *dict.fromkeys(_IMPLEMENTATIONS.values())]
    else:
        names = ["python"] if request.implementation is None else [request.implementation, "python"]
    return tuple(name + stem + end for name in names for stem in stems for end in suffixes)


def minor_version_of_name(name: str) -> tuple[int, int] | None:
    """Return the version in an executable's name such as `python3.12` or `pypy3.10`."""
    for prefix in ("python", "pypy", "graalpy"):
        if name.startswith(prefix):
            release = parse_release(name[len(prefix) :].rstrip("td"))
            if release is not None and len(release) == 2:
                return release[0], release[1]
    return None


def mismatch(
    request: SpecRequest, target: Target, *, is_default: bool = False, is_existing: bool = False
) -> str | None:
    """Return why a target does not answer a request, or `None` when it does.

    Args:
        request: what is asked for.
        target: what was found.
        is_default: whether it carries the plain name `python` or `python3` on PATH, which makes
            an unusual implementation the user's own choice.
        is_existing: whether an environment was made from it already; then neither its
            implementation nor a pre-release must be asked for again.
    """
    freethreaded = "t" in target.abi_flags
    debug = "d" in target.abi_flags
    implementation = request.implementation
    if implementation is None:
        is_chosen = is_default or is_existing or request.anything
        if target.implementation != "cpython" and not is_chosen:
            return f"it is {target.implementation}, which must be asked for by name"
    elif _implementation_of(target) != implementation:
        return f"it is {target.implementation}, not {implementation}"
    reason = version_mismatch(request, target.version)
    if reason is not None:
        return reason
    if "freethreaded" in request.variant and not freethreaded:
        return "it is not a free-threaded build"
    if "gil" in request.variant and freethreaded:
        return "it is a free-threaded build"
    if "debug" in request.variant and not debug:
        return "it is not a debug build"
    if request.variant == "" and not request.anything:
        reason = experiment_mismatch(target)
        if reason is not None:
            return reason
    for wanted, found in (
        (request.system, _system_of(target)),
        (request.arch, _arch_of(target)),
        (request.libc, _libc_of(target)),
    ):
        if wanted is not None and wanted != found:
            return f"it is for {found}, not {wanted}"
    return None if is_existing else prerelease_mismatch(request, target.version)


def version_mismatch(request: SpecRequest, version: str) -> str | None:
    """Return why a version does not answer a request, or `None` when it may.

    Args:
        request: what is asked for.
        version: a whole version, or only its minor part where no more is known; the answer is
            about any version that begins so.
    """
    numbers = _numbers(version)
    shared = min(len(numbers), len(request.release))
    if numbers[:shared] != request.release[:shared]:
        return f"it is not {'.'.join(map(str, request.release))}"
    if len(numbers) > 2 and request.release:
        prerelease = version[len(release_part(version)) :]
        # A release named in full is itself and none of its pre-releases.
        if (request.prerelease or len(request.release) > 2) and prerelease != request.prerelease:
            return f"it is not {'.'.join(map(str, request.release))}{request.prerelease}"
    if request.specifiers:
        compared = version if asks_for_prerelease(request.specifiers) else release_part(version)
        if not version_may_fit(request.specifiers, compared):
            return f"it is not {request.specifiers}"
    return None


def prerelease_mismatch(request: SpecRequest, version: str) -> str | None:
    """Return why a version is not taken unasked, or `None` where it may be."""
    if release_part(version) != version and not request.allows_prereleases:
        return "it is a pre-release, which must be asked for"
    return None


def version_may_fit(specifiers: str, version: str) -> bool:
    """Tell whether a set of versions holds `version`, or some patch of it where it ends early."""
    numbers = _numbers(version)
    if len(numbers) == 2:
        return contains_some_patch(specifiers, (numbers[0], numbers[1]))
    return contains(specifiers, version)


def _check_supported(request: SpecRequest) -> None:
    release = request.release[:2]
    if release and release < OLDEST_VERSION[: len(release)]:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise UnsupportedPython(request.text, f"{oldest} is the oldest version")
    if "freethreaded" in request.variant and len(release) == 2 and release < (3, 13):
        raise UnsupportedPython(request.text, "there is no free threading before 3.13")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release numbers of a version, whatever comes after them."""
    return parse_release(release_part(version)) or ()


def _parse_version_or_implementation(text: str, folded: str) -> SpecRequest | None:
    if folded in {"any", "default"}:
        return SpecRequest(text=text, anything=folded == "any")
    if folded in _IMPLEMENTATIONS:
        return SpecRequest(text=text, implementation=_IMPLEMENTATIONS[folded])
    for prefix in ("python", "", *_IMPLEMENTATIONS):
        if folded.startswith(prefix):
            rest = folded[len(prefix) :]
            request = _parse_version(text, rest.removeprefix("@") if prefix else rest)
            if request is not None:
                return replace(request, implementation=_IMPLEMENTATIONS.get(prefix))
    return None


def _parse_version(text: str, version: str) -> SpecRequest | None:
    """Read a version or a set of versions, either with a variant at its end."""
    digits = [at for at, character in enumerate(version) if character in "0123456789"]
    if not digits:
        return None
    end = digits[-1] + 1
    variant = _VARIANTS.get(version[end:].removeprefix("+"))
    stem = version if variant is None else version[:end]
    split = _split_prerelease(stem)
    if split is None:
        if not is_specifier_set(stem):
            return None
        # A single `==` without a star names a version as the version alone does.
        alone = stem.removeprefix("==").strip()
        split = _split_prerelease(alone) if stem.startswith("==") else None
        if split is None:
            return SpecRequest(text=text, specifiers=stem, variant=variant or "")
    release, prerelease = split
    if len(release) == 1 and release[0] > 9:
        # `312` is what tags make of `3.12`.
        first = str(release[0])[0]
        release = (int(first), int(str(release[0])[1:]))
    if prerelease and release[2:] == (0,):
        release = release[:2]
    is_sound = len(release) <= 3 and max(release) <= _LARGEST_NUMBER
    if not is_sound or (prerelease and len(release) == 1):
        return None
    return SpecRequest(text=text, release=release, prerelease=prerelease, variant=variant or "")


def _split_prerelease(version: str) -> tuple[tuple[int, ...], str] | None:
    text = version.removeprefix("v")
    stem = release_part(text)
    release = parse_release(stem)
    rest = text[len(stem) :]
    if release is None:
        return None
    if not rest:
        return release, ""
    word = rest.lstrip(".-_")
    for spelling, kind in _PRERELEASES.items():
        if word.startswith(spelling):
            number = word[len(spelling) :].lstrip(".-_") or "0"
            return (release, kind + str(int(number))) if number.isdecimal() else None
    return None


def _parse_key(text: str, folded: str) -> SpecRequest | None:
    """Read implementation, version, system, architecture and C library, joined by `-`, in order."""
    found: dict[str, str] = {}
    version: SpecRequest | None = None
    fields = iter(("implementation", "version", "system", "arch", "libc"))
    tables = {
        "implementation": _IMPLEMENTATIONS,
        "system": _SYSTEMS,
        "arch": _ARCHITECTURES,
        "libc": _LIBCS,
    }
    for part in folded.split("-"):
        for field in fields:
            if part == "any":
                break
            if field == "version":
                version = _parse_version(text, part)
                if version is not None:
                    break
            elif part in tables[field]:
                found[field] = tables[field][part]
                break
        else:
            return None
    return replace(
        version or SpecRequest(text=text),
        implementation=found.get("implementation"),
        system=found.get("system"),
        arch=found.get("arch"),
        libc=found.get("libc"),
    )


def _implementation_of(target: Target) -> str:
    return "pyodide" if target.platform.startswith("emscripten") else target.implementation


def _system_of(target: Target) -> str:
    system = target.markers["platform_system"].lower()
    return _SYSTEMS.get(system, system)


def _arch_of(target: Target) -> str:
    arch = target.platform.rpartition("-")[2].lower()
    if arch.startswith("universal"):
        arch = target.markers["platform_machine"].lower()
    return _ARCHITECTURES.get(arch, arch)


def _libc_of(target: Target) -> str:
    return {"glibc": "gnu", "musl": "musl"}.get(target.libc.partition(" ")[0], "none")
