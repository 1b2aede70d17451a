"""What decides a wheel, and how one came out that was built again: as text and as JSON."""

from __future__ import annotations

from envbuild.cli.render import document
from envbuild.cli.terminal import visible
from envbuild.cli.wording import count, duration
from envbuild.derivation.compare import in_words, what_differs
from envbuild.sandbox.model import LADDER, guarantees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envbuild.canonical import Json
    from envbuild.cli.terminal import Paint
    from envbuild.derivation.compare import Difference
    from envbuild.store.difference import FileDifference, Parting
    from envbuild.workflows.explain import Comparison, Explanation, Input, Outcome
    from envbuild.workflows.rebuild import ChangedFile, RebuildResult

_DIGITS = 12
_FILES = 5
_WIDEST = 60
_LONGEST_LINE = 60

_ROWS = (
    ("Archive", ("archive",)),
    ("Sources", ("source", "subdirectory")),
    ("Backend", ("backend",)),
    ("Requirements", ("requires",)),
    ("Built with", ("environment",)),
    ("Config settings", ("config_settings",)),
    ("Variables", ("variables",)),
    ("Interpreter", ("interpreter",)),
    ("Platform", ("platform",)),
    ("Toolchain", ("toolchain",)),
    ("Sandbox", ("sandbox",)),
    ("Builder", ("builder", "unpacker")),
    ("RECORD", ("verify_record",)),
    ("Salt", ("salt",)),
)
"""How members of derivations are called, in their order. Name and version are in the first line."""

_FIRST = (
    "interpreter.implementation",
    "interpreter.version",
    "interpreter.soabi",
    "platform.name",
    "platform.libc",
)
"""Values in the order in which people say them; others follow in the order of the form."""

_WHO = {
    "lock": "the lock",
    "build-lock": "the build lock",
    "project": "the project",
    "sources": "its sources",
    "backend": "its backend",
    "interpreter": "the interpreter",
    "machine": "this machine",
    "envbuild": "envbuild",
}


def explanation_as_text(explanation: Explanation, paint: Paint, *, whole: bool) -> str:
    """Return what decides a wheel; `whole` shortens no digest, and names every file."""
    name = f"{paint.bold(explanation.name)} {visible(explanation.version or '')}".rstrip()
    archive = f"`{visible(explanation.archive)}`"
    lines = [
        f"{name} is built from {archive}"
        if explanation.is_built
        else f"{name} comes as the wheel {archive}: nothing is built"
    ]
    lines += _aligned(list(_state(explanation, whole)), paint)
    inputs = list(_inputs(explanation.inputs, paint, whole))
    if inputs:
        lines += ["", paint.bold("What decides it"), *inputs]
    if explanation.comparison is not None:
        lines += ["", *_comparison(explanation.comparison, paint, whole)]
    return "\n".join(lines)


def explanation_as_json(explanation: Explanation) -> str:
    """Return everything that decides a wheel."""
    comparison = explanation.comparison
    return document(
        {
            "command": "explain",
            "lockfile": explanation.lockfile,
            "name": explanation.name,
            "version": explanation.version,
            "built": explanation.is_built,
            "archive": explanation.archive,
            "location": explanation.location,
            "hash": explanation.hash,
            "derivation": explanation.derivation,
            "key": explanation.key,
            "unknown": explanation.unknown,
            "resolved": explanation.form,
            "inputs": [
                {"place": each.place, "value": each.value, "who": each.who, "where": each.where}
                for each in explanation.inputs
            ],
            "outcomes": [_outcome_as_json(each) for each in explanation.outcomes],
            "failed_log": explanation.failed,
            "compared": None if comparison is None else _comparison_as_json(comparison),
        }
    )


def rebuild_as_text(result: RebuildResult, paint: Paint, *, whole: bool) -> str:
    """Return how a wheel came out; `whole` shortens no digest, and names every file."""
    name = f"{paint.bold(result.name)} {visible(result.version)}"
    took = duration(result.duration_ms / 1000)
    if result.before is None:
        return f"Built {name} in {took}, for the first time: {_short(result.after, whole)}"
    if result.is_equal:
        return f"Rebuilt {name} in {took}: the same, {_short(result.after, whole)}"
    lines = [f"Rebuilt {name} in {took}: {paint.red('not the same')}"]
    shown = _without_record(result.files)
    listed = shown if whole else shown[:_FILES]
    lines += (line for file in listed for line in _changed_file(file, paint))
    if len(listed) < len(shown):
        lines.append(f"  and {count(len(shown) - len(listed), 'more file')}; `-v` names them")
    if result.same_payload:
        lines.append("To what is built with it they are the same")
    rows = [
        ("Before", f"{_short(result.before, whole)}, which environments go on getting"),
        ("Now", f"{_short(result.after, whole)}, kept as evidence"),
        ("Log", visible(result.log)),
    ]
    return "\n".join((*lines, *_aligned(rows, paint)))


def rebuild_as_json(result: RebuildResult, *, check: bool) -> str:
    """Return how a wheel came out, with everything that differs."""
    return document(
        {
            "command": "rebuild",
            "check": check,
            "name": result.name,
            "version": result.version,
            "key": result.key,
            "wheel": result.wheel,
            "before": result.before,
            "after": result.after,
            "equal": result.is_equal,
            "same_payload": result.same_payload,
            "duration_ms": result.duration_ms,
            "sandbox": result.rung,
            "log": result.log,
            "files": [
                {**_file_as_json(each.difference), "parting": _parting_as_json(each.parting)}
                for each in result.files
            ],
        }
    )


def _state(explanation: Explanation, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield what is known of the wheel itself, a label and a text for each line."""
    if explanation.hash is not None:
        yield "Hash", visible(explanation.hash)
    if not explanation.is_built and explanation.derivation is not None:
        yield "Derivation", _short(explanation.derivation, whole)
    if explanation.unknown is not None:
        yield "Key", f"not known: {visible(explanation.unknown)}"
    elif explanation.key is not None:
        yield "Key", _short(explanation.key, whole)
    if explanation.outcomes:
        used = explanation.outcomes[0]
        yield "Entry", f"{_short(used.tree, whole)}, {visible(used.wheel)}"
        yield ("Built" if explanation.is_built else "Unpacked"), _made(used)
        if used.log is not None:
            yield "Log", visible(used.log)
        for each in explanation.outcomes[1:]:
            told = "came of building again: not reproducible"
            yield "Evidence", f"{_short(each.tree, whole)}, {told}; {_made(each)}"
        yield from (("Note", visible(note)) for note in used.notes)
    elif explanation.failed is not None:
        yield "Built", "not yet; it was tried, and failed"
        yield "Log", visible(explanation.failed)
    else:
        label = "Built" if explanation.is_built else "Unpacked"
        yield label, "not yet; `envbuild realize` does it"


def _made(outcome: Outcome) -> str:
    """Return when something was made, how long that took, and how well it was isolated."""
    told = _time(outcome.recorded)
    if outcome.duration_ms is not None:
        told += f", in {duration(outcome.duration_ms / 1000)}"
    if outcome.rung is not None:
        told += f", {_isolation(outcome.rung)}"
    return told


def _isolation(rung: str) -> str:
    level = _level(rung)
    return f"{level} ({rung})" if level else visible(rung)


def _level(rung: str) -> str | None:
    """Return the level of a rung, `None` for one that a later version has."""
    known = next((each for each in LADDER if each == rung), None)
    return None if known is None else guarantees(known, network=False).level


def _inputs(inputs: Sequence[Input], paint: Paint, whole: bool) -> Iterator[str]:
    """Yield a line for each input that people care about, with who decided it where that changes."""
    rows: list[tuple[str, str, str]] = []
    for label, members in _ROWS:
        shown = [each for each in inputs if _member(each.place) in members]
        for number, (text, origin) in enumerate(_lines(shown, whole)):
            rows.append(("" if number else label, text, origin))
    left = max((len(label) for label, _, _ in rows), default=0)
    middle = min(_WIDEST, max((len(text) for _, text, _ in rows), default=0))
    before = ""
    for label, text, origin in rows:
        said = "" if origin == before and not label else origin
        before = origin
        yield f"  {paint.bold(label.ljust(left))}  {text.ljust(middle)}  {paint.dim(said)}".rstrip()


def _lines(inputs: Sequence[Input], whole: bool) -> Iterator[tuple[str, str]]:
    """Yield text and origin of each line: single values together, each item of a list by itself."""
    line = origin = ""
    single = (each for each in inputs if "[" not in each.place)
    for each in sorted(single, key=lambda each: _position(each.place)):
        text, said = _plain(each, whole), _who(each)
        if not text:
            continue
        if line and (said != origin or len(line) + len(text) + 2 > _WIDEST):
            yield line, origin
            line = ""
        line, origin = f"{line}, {text}" if line else text, said
    if line:
        yield line, origin
    yield from ((_item(each, whole), _who(each)) for each in inputs if "[" in each.place)


def _position(place: str) -> int:
    return _FIRST.index(place) if place in _FIRST else len(_FIRST)


def _item(given: Input, whole: bool) -> str:
    """Return an item of a list for people."""
    member, _, name = given.place.partition("[")
    name, value = visible(name.removesuffix("]")), given.value
    match member, value:
        case "requires", _:
            return visible(str(value))
        case "environment", {"version": version, "payload": str(payload)}:
            return f"{name} {_text(version, whole)} (payload {_short(payload, whole)})"
        case "environment", {"version": version}:
            return f"{name} {_text(version, whole)} (not in the store)"
        case _, {"version": version, "digest": digest}:
            return f"{name}: {_text(version, whole) or 'no version'} ({_text(digest, whole)})"
        case _, {"values": values}:
            return f"{name} = {_text(values, whole)}"
        case _, {"value": single}:
            return f"{name} = {_text(single, whole)}"
    return f"{name} {_text(value, whole)}"


_NAMED_VALUES = {
    "source.tree": "tree",
    "archive.sha256": "",
    "subdirectory": "folder",
    "backend.path": "from",
    "interpreter.variables": "variables",
    "interpreter.headers": "headers",
    "platform.tags": "tags",
    "sandbox.network": "network",
    "sandbox.policy": "policy",
    "unpacker": "unpacker",
}
"""Values that say nothing to people without a word in front."""

_LEFT_OUT = {
    "archive.sha256",  # in the lines above
    "interpreter.abi_flags",  # all of these are part of the ABI's name
    "interpreter.cache_tag",
    "interpreter.ext_suffix",
    "interpreter.is_debug",
    "interpreter.pointer_bits",
}


def _plain(given: Input, whole: bool) -> str:
    """Return a single value for people, empty for one that they can do without."""
    if given.value in (None, "", []) or (given.place in _LEFT_OUT and not whole):
        return ""
    if given.place == "verify_record":
        return "must agree" if given.value else "need not agree"
    value = _text(given.value, whole)
    word = _NAMED_VALUES.get(given.place)
    if given.place in _LEFT_OUT:
        word = given.place.partition(".")[2]
    return f"{word} {value}" if word else value


def _who(given: Input) -> str:
    told = _WHO[given.who]
    return f"{told}, {visible(given.where)}" if given.where else told


def _member(place: str) -> str:
    return place.partition("[")[0].partition(".")[0]


def _comparison(comparison: Comparison, paint: Paint, whole: bool) -> Iterator[str]:
    other = comparison.other
    yield (
        f"{paint.bold('Compared with')} {_short(other.key, whole)}"
        f" ({visible(other.wheel)}, {_made(other)})"
    )
    if not comparison.differences:
        yield "  nothing differs: it is this very one"
    for each in comparison.differences:
        if not each.follows:
            yield f"  {visible(in_words(each))}{_which_files(each, comparison.files, whole)}"
    follows = [each for each in comparison.differences if each.follows]
    if follows:
        told = ", ".join(what_differs(each) for each in follows)
        yield paint.dim(f"  and what comes with it: {visible(told)}")


def _which_files(
    difference: Difference, files: Sequence[FileDifference] | None, whole: bool
) -> str:
    if difference.place != "source.tree":
        return ""
    if files is None:
        return ", and one of the two is not in the store"
    listed = files if whole else files[:_FILES]
    told = ", ".join(f"{visible(each.path)} {each.action}" for each in listed)
    more = len(files) - len(listed)
    return f": {told}" + (f", and {count(more, 'more file')}" if more else "")


def _without_record(files: Sequence[ChangedFile]) -> list[ChangedFile]:
    """Return all files but the RECORD, which only repeats what the others say."""
    others = [each for each in files if not _is_record(each.difference.path)]
    return others or list(files)


def _is_record(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name == "RECORD" and folder.endswith(".dist-info")


def _changed_file(file: ChangedFile, paint: Paint) -> Iterator[str]:
    path, parting = visible(file.difference.path), file.parting
    match file.difference.action:
        case "added":
            yield f"  {paint.green('+')} {path}"
        case "removed":
            yield f"  {paint.red('-')} {path}"
        case "changed":
            yield f"  {paint.yellow('~')} {path}{_where(file)}"
    if parting is not None and parting.line is not None:
        yield f"      {paint.red(f'- {_line(parting.before)}')}"
        yield f"      {paint.green(f'+ {_line(parting.after)}')}"


def _where(file: ChangedFile) -> str:
    before, after, parting = file.difference.before, file.difference.after, file.parting
    assert before is not None
    assert after is not None
    told = f" ({before.kind} -> {after.kind})" if before.kind != after.kind else ""
    if parting is None:
        return told
    if parting.line is not None:
        return f"{told}, from line {parting.line:,} on"
    sizes = (
        f"{before.size:,}" if before.size == after.size else f"{before.size:,} -> {after.size:,}"
    )
    return f"{told}, from byte {parting.offset:,} of {sizes} on"


def _line(text: str | None) -> str:
    if text is None:
        return "(the end)"
    text = visible(text)
    return text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 1]}…"


def _outcome_as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "key": outcome.key,
        "entry": outcome.tree,
        "wheel": outcome.wheel,
        "recorded": _time(outcome.recorded, exact=True),
        "duration_ms": outcome.duration_ms,
        "sandbox": outcome.rung,
        "isolation": None if outcome.rung is None else _level(outcome.rung),
        "log": outcome.log,
        "evidence": outcome.is_evidence,
        "notes": list(outcome.notes),
    }


def _comparison_as_json(comparison: Comparison) -> dict[str, object]:
    files = comparison.files
    return {
        "with": _outcome_as_json(comparison.other),
        "differences": [
            {
                "place": each.place,
                "before": each.before,
                "after": each.after,
                "follows": each.follows,
                "words": in_words(each),
            }
            for each in comparison.differences
        ],
        "files": None if files is None else [_file_as_json(each) for each in files],
    }


def _file_as_json(file: FileDifference) -> dict[str, object]:
    return {
        "path": file.path,
        "action": file.action,
        "before": None if file.before is None else file.before.as_json(),
        "after": None if file.after is None else file.after.as_json(),
    }


def _parting_as_json(parting: Parting | None) -> dict[str, object] | None:
    if parting is None:
        return None
    return {
        "offset": parting.offset,
        "line": parting.line,
        "before": parting.before,
        "after": parting.after,
    }


def _text(value: Json, whole: bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(each, whole) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{visible(name)} {_text(each, whole)}" for name, each in value.items())
    return "" if value is None else _short(str(value), whole)


def _short(text: str, whole: bool) -> str:
    """Return a text, a digest by its first digits."""
    is_digest = len(text) == 64 and not text.strip("0123456789abcdef")
    return text[:_DIGITS] if is_digest and not whole else visible(text)


def _time(nanoseconds: int, *, exact: bool = False) -> str:
    """Return a time of the clock: for people where they are, `exact` for programs in UTC."""
    from time import gmtime, localtime, strftime

    seconds = nanoseconds // 10**9
    if exact:
        return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))
    return strftime("%Y-%m-%d %H:%M", localtime(seconds))


def _aligned(rows: Iterable[tuple[str, str]], paint: Paint) -> list[str]:
    rows = list(rows)
    width = max(len(label) for label, _ in rows)
    return [f"{paint.bold(label.ljust(width))}  {text}" for label, text in rows]
