"""Why two pieces of work are not one: the inputs that two resolved forms have differently.

Whatever is a member of a form counts, whether it is known here or not: valid forms that are not equal
always have a difference. What is known has words for people.
"""

from __future__ import annotations

from envbuild.frozen import frozen, replace
from envbuild.lockfile.names import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envbuild.canonical import Json

_DIGITS = 12
_LONGEST = 60
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")

_ORDER = (
    "kind", "distribution", "distribution_version", "archive", "source", "subdirectory",
    "editable", "backend", "requires", "environment", "config_settings", "variables",
    "interpreter", "platform", "toolchain", "sandbox", "builder", "unpacker", "verify_record",
    "salt",
)  # fmt: skip
"""Members of forms as people want to hear of them; others follow by name."""

_OF_THE_VERSION = ("archive.name", "archive.sha256", "source.tree")
"""What differs by itself where another version is asked for."""

_OF_THE_INTERPRETER = (
    "interpreter.cache_tag",
    "interpreter.ext_suffix",
    "interpreter.headers",
    "interpreter.soabi",
    "interpreter.variables",
    "platform.tags",
)
"""What differs by itself where the interpreter is another."""

_INTERPRETER = frozenset(
    {"interpreter.abi_flags", "interpreter.implementation", "interpreter.version"}
)
"""What makes it another."""

_LABELS: Mapping[str, str] = {
    "archive.name": "archive",
    "backend.name": "build backend",
    "backend.path": "path of the build backend",
    "builder": "number of the builder",
    "distribution": "name",
    "distribution_version": "version",
    "editable": "folder that it leads to",
    "interpreter.abi_flags": "ABI flags of the interpreter",
    "interpreter.cache_tag": "tag of bytecode files",
    "interpreter.ext_suffix": "suffix of extension modules",
    "interpreter.implementation": "implementation of the interpreter",
    "interpreter.is_debug": "debug build of the interpreter",
    "interpreter.pointer_bits": "bits of a pointer",
    "interpreter.soabi": "ABI of extension modules",
    "interpreter.version": "interpreter",
    "platform.libc": "C library",
    "platform.name": "platform",
    "salt": "salt",
    "sandbox.level": "sandbox",
    "sandbox.network": "network of the sandbox",
    "sandbox.policy": "number of the sandbox's policy",
    "source.facts": "what `cache-keys` names beside files",
    "subdirectory": "folder of the project in its sources",
    "toolchain.level": "what is known of the toolchain",
    "unpacker": "number of the unpacker",
    "verify_record": "whether RECORD must agree",
}

_DIFFERS: Mapping[str, tuple[str, str]] = {
    "archive.sha256": ("the archive", "is another"),
    "interpreter.headers": ("the headers of the interpreter", "differ"),
    "interpreter.variables": ("what the interpreter tells compilers", "differs"),
    "platform.tags": ("the tags that the wheel may have", "differ"),
    "source.tree": ("the source tree", "differs"),
}
"""What is there by its digest alone, which tells nobody anything."""

_FACTS: Mapping[str, str] = {
    "environment": "environment variable",
    "folder": "folder",
    "git-commit": "commit of the repository",
    "git-tags": "set of the repository's tags",
}
"""What `cache-keys` names beside files, by kind."""

_DIGESTED_FACTS = frozenset({"environment", "git-tags"})
"""Those that are there by their digests alone."""

_KINDS: Mapping[Json, str] = {"build-wheel": "it is built", "unpack": "it comes as a wheel"}
_EMPTY: tuple[Json, ...] = (None, "", [], ())


@frozen
class Difference:
    """An input that two resolved forms have differently.

    Attributes:
        place: the member, dots between names, and in brackets what tells an item from others:
            `interpreter.version`, `environment[setuptools]`, `requires[setuptools]`.
        before: its value in the first form, an item without its name; `None` for nothing.
        after: in the second form.
        follows: whether another difference accounts for it, as the ABI follows from the version of
            the interpreter.
    """

    place: str
    before: Json
    after: Json
    follows: bool = False


def compare(before: Mapping[str, Json], after: Mapping[str, Json]) -> tuple[Difference, ...]:
    """Return what two resolved forms have differently, what matters to people first.

    Where they are of different kinds, that is all there is to say.
    """
    if before["kind"] != after["kind"]:
        return (Difference(place="kind", before=before["kind"], after=after["kind"]),)
    first, second = members(before), members(after)
    found = [
        Difference(place=place, before=first.get(place), after=second.get(place))
        for place in first.keys() | second.keys()
        if place not in first or place not in second or first[place] != second[place]
    ]
    found = _pair_requirements(found)
    caused = _caused({each.place for each in found})
    return tuple(
        replace(each, follows=each.place in caused) for each in sorted(found, key=_position)
    )


def members(form: Mapping[str, Json]) -> dict[str, Json]:
    """Return every member of a form by its place, in the form's order; see `Difference`."""
    return dict(_leaves(form, ""))


def in_words(difference: Difference) -> str:
    """Return a difference for people, without a full stop; digests are shortened."""
    place, before, after = difference.place, difference.before, difference.after
    member, bracket, item = place.partition("[")
    item = item.removesuffix("]")
    match member:
        case "kind":
            return f"{_KINDS.get(after, after)}; before, {_KINDS.get(before, before)}"
        case "environment" if bracket:
            return _row_in_words(item, before, after, "the build environment")
        case "toolchain.programs" if bracket:
            return _row_in_words(f"`{item}`", before, after, "the toolchain")
        case "source.facts" if item.partition(" ")[0] in _FACTS:
            return _fact(item, before, after)
        case "requires" if bracket:
            return _one_of_many("build requirement", before, after)
        case "config_settings" if bracket:
            return _assignment(f"config setting `{item}`", before, after, "values")
        case "variables" if bracket:
            return _assignment(f"variable `{item}`", before, after, "value")
        case _ if place in _DIFFERS:
            return " ".join(_DIFFERS[place])
    return f"{what_differs(difference)} {_shown(before)} → {_shown(after)}"


def what_differs(difference: Difference) -> str:
    """Return for people what of two forms differs, and not how."""
    place = difference.place
    return _DIFFERS[place][0] if place in _DIFFERS else _LABELS.get(place, f"`{place}`")


def _leaves(value: Mapping[str, Json], prefix: str) -> Iterator[tuple[str, Json]]:
    """Yield every member by its place; what has a name of its own in a list is a member too."""
    for name, member in value.items():
        place = f"{prefix}{name}"
        rows = _rows(member)
        if place == "requires" and isinstance(member, (list, tuple)):
            yield from ((f"{place}[{each}]", each) for each in member)
        elif rows is not None:
            yield from ((f"{place}[{key}]", row) for key, row in rows)
        elif isinstance(member, dict):
            yield from _leaves(member, f"{place}.")
        else:
            yield place, member


def _rows(value: Json) -> list[tuple[str, Json]] | None:
    """Return the items of a list by their names, `None` where they have none or not each its own."""
    if not isinstance(value, (list, tuple)):
        return None
    rows: dict[str, Json] = {}
    for each in value:
        if not isinstance(each, dict) or "name" not in each:
            return None
        # Facts of a local tree have a kind beside the name.
        key = " ".join(str(each[name]) for name in ("kind", "name") if each.get(name))
        rows[key] = {name: item for name, item in each.items() if name not in {"kind", "name"}}
    return list(rows.items()) if len(rows) == len(value) else None


def _pair_requirements(differences: Iterable[Difference]) -> list[Difference]:
    """Make one of a requirement that is gone and one that came, where both are of one project."""
    found, gone, came = [], dict[str, list[str]](), dict[str, list[str]]()
    for each in differences:
        if each.place.startswith("requires["):
            side = gone if each.after is None else came
            text = str(each.before if each.after is None else each.after)
            side.setdefault(_project(text), []).append(text)
        else:
            found.append(each)
    for name in gone.keys() | came.keys():
        before, after = gone.get(name, []), came.get(name, [])
        if len(before) == len(after) == 1:
            place = f"requires[{name}]"
            found.append(Difference(place=place, before=before[0], after=after[0]))
            continue
        found += (Difference(place=f"requires[{text}]", before=text, after=None) for text in before)
        found += (Difference(place=f"requires[{text}]", before=None, after=text) for text in after)
    return found


def _project(requirement: str) -> str:
    """Return the project that a requirement names."""
    end = next((n for n, each in enumerate(requirement) if each not in _NAME), len(requirement))
    return normalise(requirement[:end])


def _caused(places: set[str]) -> set[str]:
    """Return what the differing of others accounts for."""
    caused: set[str] = set()
    if "distribution_version" in places:
        caused.update(_OF_THE_VERSION)
    if places & _INTERPRETER:
        caused.update(_OF_THE_INTERPRETER)
    return caused


def _position(difference: Difference) -> tuple[int, str]:
    member = difference.place.partition("[")[0].partition(".")[0]
    number = _ORDER.index(member) if member in _ORDER else len(_ORDER)
    return number, difference.place


def _row_in_words(name: str, before: Json, after: Json, where: str) -> str:
    if not isinstance(before, dict):
        assert isinstance(after, dict)
        return f"{name} {_shown(after.get('version'))} is new in {where}"
    if not isinstance(after, dict):
        return f"{name} {_shown(before.get('version'))} is no longer in {where}"
    first, second = before.get("version"), after.get("version")
    if first != second:
        return f"{name} {_shown(first)} → {_shown(second)} in {where}"
    return f"{name} {_shown(first)} has another content in {where}"


def _fact(item: str, before: Json, after: Json) -> str:
    kind, _, name = item.partition(" ")
    what = f"{_FACTS[kind]} `{name}`" if name else _FACTS[kind]
    if not isinstance(before, dict):
        return f"{what} counts now"
    if not isinstance(after, dict):
        return f"{what} counts no more"
    if kind in _DIGESTED_FACTS:
        return f"{what} differs"
    return f"{what} {_shown(before.get('value'))} → {_shown(after.get('value'))}"


def _one_of_many(what: str, before: Json, after: Json) -> str:
    if before is None:
        return f"{what} `{after}` is new"
    if after is None:
        return f"{what} `{before}` is gone"
    return f"{what} `{before}` → `{after}`"


def _assignment(what: str, before: Json, after: Json, key: str) -> str:
    if not isinstance(before, dict):
        assert isinstance(after, dict)
        return f"{what} is new: {_shown(after.get(key))}"
    if not isinstance(after, dict):
        return f"{what} is gone, and was {_shown(before.get(key))}"
    return f"{what} {_shown(before.get(key))} → {_shown(after.get(key))}"


def _shown(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in _EMPTY:
        return "nothing"
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    text = str(value)
    if len(text) == 64 and not text.strip("0123456789abcdef"):
        return text[:_DIGITS]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
