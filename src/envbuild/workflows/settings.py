"""What the user has said, and where: arguments, environment variables, settings files.

A setting has one name everywhere. `link-mode` is the option `--link-mode`, the variable
`ENVBUILD_LINK_MODE`, and the key `link-mode` in two files: the table `[tool.envbuild]` of the
`pyproject.toml` beside the lock, and `envbuild/config.toml` in the user's configuration folder. Where
uv has a variable of the same meaning, that is looked at after ours; an empty variable says nothing.
Where it has a key of the same meaning, that counts too: in a `uv.toml` beside the lock, or else in
`[tool.uv]`; what else uv is told there is its own affair.

Precedence is the order of that list: option, variable, project, what the project says to uv, user.
A list given by an option takes the place of one given by a variable, and the lists of the files
follow it, as in uv.

Every fault of every source is found before one is reported. What a command makes of the settings is
the command's affair.
"""

from __future__ import annotations

import os

from envbuild.errors import EnvbuildError, UsageError, raise_all
from envbuild.frozen import frozen
from envbuild.workflows.folders import user_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Literal

    Kind = Literal[
        "flag", "text", "path", "number", "size", "duration", "choice", "names", "hosts", "mirrors",
        "pairs", "package-pairs", "paths",
    ]  # fmt: skip
    Given = bool | str | list[str]
    Value = bool | int | str | tuple[str, ...]
    Layer = dict[str, Value]

_PROJECT = "pyproject.toml"
_OF_UV = "uv.toml"
_LISTS = frozenset({"names", "hosts", "mirrors", "pairs", "package-pairs", "paths"})
_TRUE = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE = frozenset({"n", "no", "f", "false", "off", "0"})
_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@frozen
class Setting:
    """One thing that can be said.

    Attributes:
        name: of the option, without its hyphens, and of the key in files.
        kind: what its values are; names are normalised (PEP 503), paths made absolute, numbers
            positive, sizes in bytes, durations in seconds.
        choices: the values of a `choice`.
        aliases: other spellings of choices.
        variable: the variable of ours, `None` where only an option makes sense.
        uv_variable: the variable of uv that means the same.
        in_files: whether settings files may hold it.
        in_uv: whether uv's settings files have a key of that name and meaning.
        in_project: the choices that the files of a project may make, empty for all; `None` where
            they may say nothing. A project is whatever was cloned just now, and its word is no
            reason to trust it more.
    """

    name: str
    kind: Kind
    choices: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    variable: str | None = None
    uv_variable: str | None = None
    in_files: bool = False
    in_uv: bool = False
    in_project: tuple[str, ...] | None = ()

    @property
    def is_list(self) -> bool:
        """Whether it may be said several times."""
        return self.kind in _LISTS


def _anywhere(
    name: str,
    kind: Kind,
    uv: str | None = None,
    *,
    choices: tuple[str, ...] = (),
    aliases: tuple[tuple[str, str], ...] = (),
    in_uv: bool = False,
    in_project: tuple[str, ...] | None = (),
) -> Setting:
    return Setting(
        name=name,
        kind=kind,
        choices=choices,
        aliases=aliases,
        variable=_variable(name),
        uv_variable=uv,
        in_files=True,
        in_uv=in_uv,
        in_project=in_project,
    )


def _not_in_files(name: str, kind: Kind, uv: str | None = None) -> Setting:
    """What to install is a question for each run: a file that answered it would be forgotten."""
    return Setting(name=name, kind=kind, variable=_variable(name), uv_variable=uv)


def _option(name: str, kind: Kind) -> Setting:
    return Setting(name=name, kind=kind)


def _variable(name: str) -> str:
    return "ENVBUILD_" + name.upper().replace("-", "_")


LINK_MODES = ("auto", "reflink", "hardlink", "copy", "symlink")
COLLISIONS = ("error", "first", "last")
KEYRING_PROVIDERS = ("auto", "disabled", "subprocess")
BUILD_STRATEGIES = ("latest", "prefer-locked", "require-locked")
SANDBOXES = ("auto", "require", "bubblewrap", "namespaces", "landlock", "none")

SETTINGS = {
    setting.name: setting
    for setting in (
        _anywhere("store", "path"),
        _anywhere("cache-dir", "path"),
        _anywhere("venv", "path", "UV_PROJECT_ENVIRONMENT"),
        _anywhere("python", "text", "UV_PYTHON"),
        _anywhere(
            "link-mode",
            "choice",
            "UV_LINK_MODE",
            choices=LINK_MODES,
            aliases=(("clone", "reflink"),),
            in_uv=True,
        ),
        _anywhere("collisions", "choice", choices=COLLISIONS),
        _anywhere("require-link", "flag"),
        _anywhere("inexact", "flag"),
        _anywhere("offline", "flag", "UV_OFFLINE", in_uv=True),
        _anywhere("index-mirror", "mirrors"),
        _anywhere("allow-insecure-host", "hosts", "UV_INSECURE_HOST", in_uv=True),
        _anywhere(
            "keyring-provider",
            "choice",
            "UV_KEYRING_PROVIDER",
            choices=KEYRING_PROVIDERS,
            in_uv=True,
        ),
        _anywhere("concurrent-downloads", "number", "UV_CONCURRENT_DOWNLOADS", in_uv=True),
        _anywhere("no-verify-record", "flag"),
        _anywhere("unpack-limit", "size"),
        _anywhere("color", "choice", choices=("auto", "always", "never")),
        _anywhere("no-progress", "flag", "UV_NO_PROGRESS"),
        _not_in_files("extra", "names"),
        _not_in_files("all-extras", "flag"),
        _not_in_files("no-extra", "names"),
        _not_in_files("group", "names"),
        _not_in_files("no-group", "names", "UV_NO_GROUP"),
        _not_in_files("only-group", "names"),
        _not_in_files("all-groups", "flag"),
        _not_in_files("no-default-groups", "flag", "UV_NO_DEFAULT_GROUPS"),
        _not_in_files("dev", "flag", "UV_DEV"),
        _not_in_files("no-dev", "flag", "UV_NO_DEV"),
        _not_in_files("only-dev", "flag"),
        _not_in_files("package", "names"),
        _not_in_files("all-packages", "flag"),
        _not_in_files("no-install-project", "flag", "UV_NO_INSTALL_PROJECT"),
        _not_in_files("no-install-workspace", "flag", "UV_NO_INSTALL_WORKSPACE"),
        _not_in_files("no-install-local", "flag", "UV_NO_INSTALL_LOCAL"),
        _not_in_files("no-install-package", "names"),
        _anywhere("build-dependency-strategy", "choice", choices=BUILD_STRATEGIES),
        _anywhere("no-build", "flag", "UV_NO_BUILD", in_uv=True),
        _anywhere("no-build-package", "names", "UV_NO_BUILD_PACKAGE", in_uv=True),
        _anywhere("no-binary", "flag", "UV_NO_BINARY", in_uv=True),
        _anywhere("no-binary-package", "names", "UV_NO_BINARY_PACKAGE", in_uv=True),
        _anywhere("sandbox", "choice", choices=SANDBOXES, in_project=("require",)),
        _anywhere("build-network-package", "names", in_project=None),
        _anywhere("build-tools", "paths", in_project=None),
        _anywhere("concurrent-builds", "number", "UV_CONCURRENT_BUILDS", in_uv=True),
        _anywhere("build-time-limit", "duration"),
        _anywhere("build-memory-limit", "size"),
        _anywhere("build-disk-limit", "size"),
        _anywhere("build-output-limit", "size"),
        _anywhere("build-process-limit", "number"),
        _anywhere("no-build-isolation", "flag", "UV_NO_BUILD_ISOLATION", in_uv=True),
        _anywhere("no-build-isolation-package", "names", in_uv=True),
        _not_in_files("config-setting", "pairs"),
        _not_in_files("config-settings-package", "package-pairs"),
        _not_in_files("no-editable", "flag", "UV_NO_EDITABLE"),
        _not_in_files("no-editable-package", "names"),
        Setting(
            name="output-format",
            kind="choice",
            choices=("text", "json"),
            variable="ENVBUILD_OUTPUT_FORMAT",
        ),
        _not_in_files("directory", "path", "UV_WORKING_DIR"),
        _not_in_files("config-file", "path"),
        _not_in_files("no-config", "flag"),
        _option("clear", "flag"),
        _option("check", "flag"),
        _option("dry-run", "flag"),
        _option("frozen", "flag"),
        _not_in_files("locked", "flag"),
        _option("refresh", "flag"),
        _option("refresh-package", "names"),
        _option("lockfile", "path"),
        _option("since", "text"),
        _option("out-dir", "path"),
        _option("compress", "flag"),
        _option("wheel", "flag"),
        _option("sdist", "flag"),
    )
}


_OF_THE_PROJECT = frozenset({"build-dependency-strategy-package"})
"""What a project's table holds beside settings; `envbuild.buildlock.settings` reads it."""


class WrongValue(UsageError):
    """A value that a setting cannot have; `origin` says which setting, and where it was given."""

    def __init__(self, origin: str, found: object, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"{origin}: {reason}, found `{found}`", hint=hint)
        self.origin = origin
        self.found = found
        self.reason = reason


class NotForProjects(WrongValue):
    """A choice that the files of a project cannot make for the user."""

    def __init__(self, origin: str, setting: Setting, found: object) -> None:
        allowed = ", ".join(f"`{choice}`" for choice in setting.in_project or ())
        said = found if isinstance(found, str) else "…"
        super().__init__(
            origin,
            found,
            f"a project can say {allowed} alone" if allowed else "a project cannot say this",
            hint=f"to have it so, say `--{setting.name} {said}`, or set it in your own settings",
        )


class UnknownSetting(UsageError):
    """A key in a settings file that means nothing."""

    def __init__(self, file: str, key: str, *, similar: str | None) -> None:
        super().__init__(
            f"`{file}`: there is no setting `{key}`",
            hint=f"did you mean `{similar}`?" if similar else None,
        )
        self.file = file
        self.key = key


class UnreadableSettings(UsageError):
    """A settings file that is not there, cannot be read, or is not what it should be."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"cannot read the settings in `{file}`: {reason}")
        self.file = file
        self.reason = reason


class Settings:
    """Everything that was said, to be asked for by the names in `SETTINGS`.

    Attributes:
        looked_for: settings files that were looked for, whether they were there or not.
    """

    __slots__ = ("_layers", "looked_for")

    def __init__(
        self,
        arguments: Layer,
        variables: Layer,
        files: Iterable[Layer],
        looked_for: tuple[str, ...] = (),
    ) -> None:
        self._layers = (arguments, variables, *files)
        self.looked_for = looked_for

    def flag(self, name: str) -> bool:
        """Return what was said of a flag, `False` where nothing was."""
        value = self._first(name)
        return value is not None and bool(value)

    def text(self, name: str) -> str | None:
        """Return a text, path or choice."""
        value = self._first(name)
        assert value is None or isinstance(value, str)
        return value

    def choice(self, name: str) -> Any:
        """Return one of a setting's choices, whose own type is narrower than text."""
        return self.text(name)

    def number(self, name: str) -> int | None:
        """Return a number, a size in bytes, or a duration in seconds."""
        value = self._first(name)
        assert value is None or isinstance(value, int)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list, first what an option or else a variable says, then what the files say."""
        arguments, variables, *files = (layer.get(name) for layer in self._layers)
        found: list[str] = []
        for value in (arguments if arguments is not None else variables, *files):
            assert value is None or isinstance(value, tuple)
            found += value or ()
        return tuple(dict.fromkeys(found))

    def first_said(self, names: Iterable[str]) -> frozenset[str]:
        """Return which of the flags `names` the foremost source that speaks of any of them sets."""
        for layer in self._layers:
            said = [name for name in names if name in layer]
            if said:
                return frozenset(name for name in said if layer[name])
        return frozenset()

    def _first(self, name: str) -> Value | None:
        assert not SETTINGS[name].is_list
        return next((layer[name] for layer in self._layers if name in layer), None)


def gather(
    given: Mapping[str, Given],
    *,
    lockfile: str | None,
    environ: Mapping[str, str],
    platform: str,
    cwd: str,
) -> Settings:
    """Return what `given` options, variables and settings files say together.

    Args:
        given: options by name: a flag's state, a value's text, the texts of a list.
        lockfile: as named by the user; the project's settings are beside it.
        environ: the environment.
        platform: as in `sys.platform`.
        cwd: absolute path; relative paths in options and variables start there, except that an
            environment named by a variable is relative to the lock's folder, as in uv.

    Raises:
        UsageError: something cannot be understood; `Problems` for several.
    """
    problems: list[EnvbuildError] = []
    arguments = _from_options(given, cwd, problems)
    folder = lock_folder(lockfile, cwd)
    variables = _from_variables(environ, cwd, folder or cwd, problems)
    files: list[Layer] = []
    looked_for: list[str] = []
    said = Settings(arguments, variables, ())
    named = said.text("config-file")
    if named is not None:
        looked_for.append(named)
        files.append(_from_file(named, problems))
    elif not said.flag("no-config"):
        if folder is not None:
            project, of_uv = (os.path.join(folder, name) for name in (_PROJECT, _OF_UV))
            looked_for += project, of_uv
            files += _from_project(project, of_uv, problems)
        own = user_settings(environ, platform)
        looked_for.append(own)
        if os.path.isfile(own):
            files.append(_from_file(own, problems))
    raise_all(problems)
    return Settings(arguments, variables, files, tuple(looked_for))


def lock_folder(lockfile: str | None, cwd: str) -> str | None:
    """Return the folder of the lock: of the one named, or of the nearest `uv.lock` upwards.

    A folder may be named as well as the lock in it.
    """
    if lockfile is not None:
        path = os.path.normpath(os.path.join(cwd, lockfile))
        return path if os.path.isdir(path) else os.path.dirname(path)
    folder = cwd
    while not os.path.isfile(os.path.join(folder, "uv.lock")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


def similar(word: str, words: Iterable[str]) -> str | None:
    """Return the one of `words` that was probably meant by `word`."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, tuple(words), n=1)), None)


def settings_folder(source: str, cwd: str) -> str:
    """Return the folder with the settings for what is built: of its lock, or else its own.

    Args:
        source: path of a project's folder, or of an archive.
        cwd: absolute path that it starts from.
    """
    path = os.path.join(cwd, source)
    folder = os.path.realpath(path if os.path.isdir(path) else os.path.dirname(path))
    return lock_folder(None, folder) or folder


def _from_options(given: Mapping[str, Given], cwd: str, problems: list[EnvbuildError]) -> Layer:
    layer: Layer = {}
    for name, value in given.items():
        origin = f"`--{name}`"
        if isinstance(value, bool):
            layer[name] = value
        else:
            _add(layer, SETTINGS[name], value, origin, cwd, problems)
    return layer


def _from_variables(
    environ: Mapping[str, str], cwd: str, folder: str, problems: list[EnvbuildError]
) -> Layer:
    layer: Layer = {}
    for setting in SETTINGS.values():
        for variable in (setting.variable, setting.uv_variable):
            text = environ.get(variable, "") if variable else ""
            if text:
                base = folder if setting.name == "venv" else cwd
                said = _split(setting, text)
                _add(layer, setting, said, f"`{variable}`", base, problems)
                break
    return layer


def _split(setting: Setting, text: str) -> str | list[str]:
    """Return what a variable says: of a list, its items."""
    if setting.kind == "paths":
        return [path for path in text.split(os.pathsep) if path]
    return text.split() if setting.is_list else text


def _from_project(project: str, of_uv: str, problems: list[EnvbuildError]) -> tuple[Layer, Layer]:
    """Return what a project says to us, and what it says to uv.

    Args:
        project: path of its `pyproject.toml`.
        of_uv: path of its `uv.toml`, which takes the place of all of `[tool.uv]` where it is there.
        problems: takes what is wrong.
    """
    # Nearly every project has the first file, and nearly none says anything that counts here.
    text, uv_text = _read(project, problems), _read(of_uv, problems)
    ours: Layer = {}
    theirs: Layer = {}
    says_to_us = text is not None and b"envbuild" in text
    says_to_uv = text is not None and uv_text is None and _has_key_of_uv(text)
    if text is not None and (says_to_us or says_to_uv):
        document = _parse(text, project, problems)
        if says_to_us:
            ours = _layer(document, project, ("tool", "envbuild"), problems)
        if says_to_uv:
            theirs = _layer(document, project, ("tool", "uv"), problems, of_uv=True)
    if uv_text is not None and _has_key_of_uv(uv_text):
        theirs = _layer(_parse(uv_text, of_uv, problems), of_uv, (), problems, of_uv=True)
    return ours, theirs


def _has_key_of_uv(text: bytes) -> bool:
    return any(name.encode() in text for name, setting in SETTINGS.items() if setting.in_uv)


def _from_file(path: str, problems: list[EnvbuildError]) -> Layer:
    """Return what a file of ours says, which must be there."""
    text = _read(path, problems, must_exist=True)
    return {} if text is None else _layer(_parse(text, path, problems), path, (), problems)


def _read(path: str, problems: list[EnvbuildError], *, must_exist: bool = False) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if must_exist or not isinstance(error, FileNotFoundError | NotADirectoryError):
            problems.append(UnreadableSettings(path, error.strerror or str(error)))
        return None


def _parse(text: bytes, path: str, problems: list[EnvbuildError]) -> dict[str, object]:
    from envbuild.lockfile.toml import NotToml, parse_toml

    try:
        return parse_toml(text.decode("utf-8"), file=path)
    except NotToml as error:
        reason = f"line {error.line}, column {error.column}: {error.reason}"
        problems.append(UnreadableSettings(path, reason))
    except UnicodeDecodeError:
        problems.append(UnreadableSettings(path, "it is not UTF-8"))
    return {}


def _layer(
    document: dict[str, object],
    path: str,
    place: tuple[str, ...],
    problems: list[EnvbuildError],
    *,
    of_uv: bool = False,
) -> Layer:
    """Return what the table at `place` says. In one of ours, a key that means nothing is a problem."""
    layer: Layer = {}
    allowed = [each.name for each in SETTINGS.values() if (each.in_uv if of_uv else each.in_files)]
    for key, value in _table(document, path, place, problems).items():
        name = ".".join((*place, key))
        if key in allowed:
            origin = f"`{path}`: `{name}`"
            _add(layer, SETTINGS[key], value, origin, os.path.dirname(path), problems)
            if place and key in layer and not _is_for_projects(SETTINGS[key], layer[key]):
                problems.append(NotForProjects(origin, SETTINGS[key], value))
        elif not of_uv and (not place or key not in _OF_THE_PROJECT):
            problems.append(UnknownSetting(path, name, similar=similar(key, allowed)))
    return layer


def _is_for_projects(setting: Setting, value: Value) -> bool:
    return setting.in_project == () or (
        setting.in_project is not None and value in setting.in_project
    )


def _table(
    document: dict[str, object], path: str, place: tuple[str, ...], problems: list[EnvbuildError]
) -> dict[str, object]:
    table: object = document
    for key in place:
        table = table.get(key, {}) if isinstance(table, dict) else table
    if isinstance(table, dict):
        return table
    problems.append(UnreadableSettings(path, f"`{'.'.join(place)}` is not a table"))
    return {}


def _add(
    layer: Layer,
    setting: Setting,
    said: object,
    origin: str,
    folder: str,
    problems: list[EnvbuildError],
) -> None:
    """Put the value that `said` spells into `layer`, or what is wrong with it into `problems`."""
    try:
        layer[setting.name] = _value(setting, said, origin, folder)
    except UsageError as problem:
        problems.append(problem)


def _value(setting: Setting, said: object, origin: str, folder: str) -> Value:
    """Return the value that `said` spells: texts, or what TOML has for the setting's kind."""
    match setting.kind, said:
        case "flag", bool():
            return said
        case "flag", str() if said.lower() in _TRUE | _FALSE:
            return said.lower() in _TRUE
        case "flag", _:
            raise WrongValue(origin, said, "expected `true` or `false`")
        case "number" | "size" | "duration", int() if not isinstance(said, bool) and said > 0:
            return said
        case "number", str() if said.isascii() and said.isdigit() and int(said) > 0:
            return int(said)
        case "number", _:
            raise WrongValue(origin, said, "expected a whole number above 0")
        case "size", str() if (size := _size(said)) is not None:
            return size
        case "size", _:
            raise WrongValue(origin, said, "expected a size such as `4GiB` or a number of bytes")
        case "duration", str() if (seconds := _seconds(said)) is not None:
            return seconds
        case "duration", _:
            expected = "expected a duration such as `90s`, `30m` or `2h`, or a number of seconds"
            raise WrongValue(origin, said, expected)
        case "choice", _:
            return _choice(setting, said, origin)
        case "path", str() if said:
            return _path(said, folder)
        case "text", str() if said:
            return said
        case "text" | "path", _:
            raise WrongValue(origin, said, "expected a text that is not empty")
        case _, list():
            return tuple(_item(setting, item, origin, folder) for item in said)
        case _:
            raise WrongValue(origin, said, "expected a list of texts")


def _choice(setting: Setting, said: object, origin: str) -> str:
    word = dict(setting.aliases).get(str(said), said)
    if isinstance(word, str) and word in setting.choices:
        return word
    meant = similar(str(said), setting.choices)
    raise WrongValue(
        origin,
        said,
        f"expected one of {', '.join(f'`{choice}`' for choice in setting.choices)}",
        hint=f"did you mean `{meant}`?" if meant else None,
    )


def _item(setting: Setting, said: object, origin: str, folder: str) -> str:
    from envbuild.lockfile.names import is_name, normalise

    if not isinstance(said, str):
        raise WrongValue(origin, said, "expected a list of texts")
    match setting.kind:
        case "names":
            if not is_name(said):
                reason = (
                    "a name consists of letters, digits, `-`, `_` and `.`, and starts and ends"
                    " with a letter or digit"
                )
                raise WrongValue(origin, said, reason)
            return normalise(said)
        case "paths":
            if not said:
                raise WrongValue(origin, said, "expected a text that is not empty")
            return _path(said, folder)
        case "mirrors":
            from envbuild.index.mirrors import BadMirror, Mirrors
            from envbuild.index.redaction import redact

            try:
                (rule,) = Mirrors.parse((said,)).rules
            except BadMirror as error:
                raise WrongValue(origin, redact(said), _MIRROR) from error
            return f"{rule.source}={rule.target}"
        case "pairs":
            if said.find("=") < 1:
                raise WrongValue(origin, said, "expected `KEY=VALUE`")
            return said
        case "package-pairs":
            name, colon, pair = said.partition(":")
            if not is_name(name) or not colon or pair.find("=") < 1:
                raise WrongValue(origin, said, "expected `PACKAGE:KEY=VALUE`")
            return f"{normalise(name)}:{pair}"
        case _:
            return said


_MIRROR = "expected `FROM=TO`, FROM an `http` or `https` URL, TO a URL or an absolute path"


def _path(said: str, folder: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(said)))


def _size(text: str) -> int | None:
    number = text.rstrip("BbIiKkMmGgTt ")
    unit = text[len(number) :].strip().upper()
    if number.isascii() and number.isdigit() and int(number) > 0 and unit in _UNITS:
        return int(number) * _UNITS[unit]
    return None


def _seconds(text: str) -> int | None:
    number = text.rstrip("SsMmHhDd ")
    unit = text[len(number) :].strip().lower()
    if number.isascii() and number.isdigit() and int(number) > 0 and unit in _TIMES:
        return int(number) * _TIMES[unit]
    return None
