"""What makes a folder a virtual environment, before anything is installed in it (PEP 405).

Folders, links to the interpreter, `pyvenv.cfg` and activation scripts: what `python -m venv` and uv
make between them, less pip.
"""

from __future__ import annotations

from envbuild.environment.reserved import CONFIGURATION
from envbuild.environment.scheme import standing_folders
from envbuild.environment.written import WrittenFile
from envbuild.errors import VenvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envbuild.target.model import Scheme, Target

_CACHE_TAG = b"""\
Signature: 8a477f597d28d172789f06886806bc55
# Everything in this folder can be made again at any time: backups may leave it out.
"""


class UnusablePrefix(VenvError):
    """A path at which no environment can work."""

    def __init__(self, prefix: str, reason: str) -> None:
        super().__init__(f"no environment can be made at {prefix!r}: {reason}")
        self.prefix = prefix
        self.reason = reason


def skeleton_folders(scheme: Scheme) -> tuple[str, ...]:
    """Return the folders that every environment has, relative to the prefix, parents first."""
    return tuple(sorted(standing_folders(scheme)))


def skeleton_links(target: Target, executable: str) -> tuple[tuple[str, str], ...]:
    """Return the symbolic links of an environment: path relative to the prefix, and what it says.

    Args:
        target: whose names the interpreter goes by.
        executable: absolute path of the base interpreter.
    """
    version = target.markers["python_version"]
    major = version.partition(".")[0]
    names = [f"python{major}", f"python{version}"]
    if "t" in target.abi_flags:
        names.append(f"python{version}t")
    if target.implementation == "pypy":
        names += ["pypy", f"pypy{major}", f"pypy{version}"]
    elif target.implementation == "graalpy":
        names.append("graalpy")
    scripts = target.scheme.scripts
    links = [(f"{scripts}/python", executable)]
    links += ((f"{scripts}/{name}", "python") for name in names)
    if _has_lib64(target):
        links.append(("lib64", "lib"))
    return tuple(links)


def skeleton_files(
    target: Target, *, prefix: str, home: str, executable: str, prompt: str
) -> tuple[WrittenFile, ...]:
    """Return the files of an environment in which nothing is installed.

    Placeholders for the last four give the symbolic contents that a manifest speaks of.

    Args:
        target: what the environment is for.
        prefix: absolute path of the environment.
        home: the folder of `executable`.
        executable: absolute path of the base interpreter.
        prompt: what activation shows in front of the shell's prompt.

    Raises:
        UnusablePrefix: activation and launchers cannot be made to work at `prefix`.
    """
    from envbuild.environment.activation import activation_files

    _check(prefix)
    scheme = target.scheme
    scripts = activation_files(prefix=prefix, prompt=prompt, scheme=scheme)
    return (
        WrittenFile(
            path=CONFIGURATION,
            data=_configuration(target, home=home, executable=executable, prompt=prompt),
            executable=False,
        ),
        WrittenFile(path=".gitignore", data=b"*\n", executable=False),
        WrittenFile(path="CACHEDIR.TAG", data=_CACHE_TAG, executable=False),
        *(
            WrittenFile(path=f"{scheme.scripts}/{name}", data=data, executable=False)
            for name, data in scripts
        ),
    )


def _check(prefix: str) -> None:
    if ":" in prefix:
        raise UnusablePrefix(prefix, "`:` stands between the folders of `PATH`")
    if any(char < " " or char == "\x7f" for char in prefix):
        raise UnusablePrefix(
            prefix, "neither `pyvenv.cfg` nor every shell can spell a control character"
        )
    try:
        prefix.encode("utf-8")
    except UnicodeEncodeError:
        raise UnusablePrefix(prefix, "it is not Unicode text, as `pyvenv.cfg` must be") from None


def _configuration(target: Target, *, home: str, executable: str, prompt: str) -> bytes:
    """Return `pyvenv.cfg`.

    Python reads `home` and `include-system-site-packages`; editors and other tools the version,
    under the name that venv gives it or under the one that virtualenv and uv give it.
    """
    lines = {
        "home": home,
        "implementation": target.markers["platform_python_implementation"],
        "version": target.version,
        "version_info": target.version,
        "include-system-site-packages": "false",
        "executable": executable,
        "prompt": " ".join(prompt.split()),
    }
    return "".join(f"{key} = {value}\n" for key, value in lines.items()).encode("utf-8")


def _has_lib64(target: Target) -> bool:
    """Tell whether `venv` makes the link: on every 64-bit POSIX system but macOS (bpo-21197)."""
    if target.markers["os_name"] != "posix" or target.markers["sys_platform"] == "darwin":
        return False
    if target.scheme.platlib.startswith("lib64/"):
        return True
    # A 32-bit interpreter on a 64-bit kernel names the kernel's machine as its platform.
    narrow = ("_i686", "_armv6l", "_armv7l", "_armv8l")
    wide = "64" in target.platform or target.platform.endswith("s390x")
    return wide and not (target.tags and target.tags[0].endswith(narrow))
