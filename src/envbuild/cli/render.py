"""What came of `realise`, as text for people and as JSON for programs."""

from __future__ import annotations

from envbuild.cli.terminal import visible
from envbuild.cli.wording import count, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envbuild.cli.terminal import Paint
    from envbuild.workflows.options import Change, RealiseOptions, RealiseResult

SCHEMA = "1"
"""Version of the JSON documents; keys may be added under one version, never change or go."""

_DONE = {"added": "added", "replaced": "replaced", "removed": "removed", "repaired": "repaired"}
_TO_DO = {
    "added": "to add",
    "replaced": "to replace",
    "removed": "to remove",
    "repaired": "to repair",
}


def result_as_text(
    result: RealiseResult, options: RealiseOptions, seconds: float, paint: Paint
) -> str:
    """Return what changed, what to know about it, and where the environment is; many lines."""
    planned = options.check or options.dry_run
    lines = [_headline(result, planned, seconds)]
    lines += (_change(change, paint) for change in result.changes)
    if result.missing:
        lines.append(f"{count(len(result.missing), 'archive')} would be fetched")
    lines += (f"{paint.yellow('skipped')} {line}" for line in _skipped(result))
    lines += (
        f"{paint.yellow('pinned')} `{visible(pinned.filename)}`, for which the lock has no hash,"
        f" to sha256:{pinned.sha256}"
        for pinned in result.pinned
    )
    lines += (f"{paint.cyan('note')} {visible(note)}" for note in result.notes)
    made = f"Python {result.python}"
    if result.link_mode is not None:
        made += f", {result.link_mode}"
    lines.append(f"{paint.bold('Environment')} {paint.cyan(visible(result.prefix))} ({made})")
    if result.digest is not None:
        lines.append(f"{paint.bold('Digest')} {result.digest}")
    return "\n".join(lines)


def result_as_json(result: RealiseResult, options: RealiseOptions) -> str:
    """Return everything that there is to know, as one JSON document."""
    return document(
        {
            "command": "realize",
            "check": options.check,
            "dry_run": options.dry_run,
            "lockfile": result.lockfile,
            "prefix": result.prefix,
            "digest": result.digest,
            "created": result.created,
            "packages": result.packages,
            "link_mode": result.link_mode,
            "python": result.python,
            "interpreter": result.interpreter,
            "changes": [
                {
                    "name": change.name,
                    "action": change.action,
                    "before": change.before,
                    "after": change.after,
                }
                for change in result.changes
            ],
            "skipped": [
                {
                    "name": package.name,
                    "version": package.version,
                    "source": package.source,
                    "source_location": package.source_location,
                }
                for package in result.skipped
            ],
            "pinned": [
                {"name": pinned.name, "filename": pinned.filename, "sha256": pinned.sha256}
                for pinned in result.pinned
            ],
            "notes": list(result.notes),
            "fetched": result.fetched,
            "fetched_bytes": result.fetched_bytes,
            "missing": list(result.missing),
        }
    )


def document(content: Mapping[str, object]) -> str:
    """Return a JSON document with the version of its schema in front."""
    import json

    return json.dumps({"schema": {"version": SCHEMA}, **content}, indent=2)


def _headline(result: RealiseResult, planned: bool, seconds: float) -> str:
    packages = count(result.packages, "package")
    if not result.changes and not result.created:
        return f"Checked {packages}: nothing to do"
    words = _TO_DO if planned else _DONE
    actions = [change.action for change in result.changes]
    told = [f"{actions.count(action)} {words[action]}" for action in words if action in actions]
    if result.created:
        told.append("new environment")
    done = f"Would realize {packages}"
    if not planned:
        done = f"Realized {packages} in {duration(seconds)}"
    return f"{done} ({', '.join(told)})"


def _change(change: Change, paint: Paint) -> str:
    name, before, after = change.name, change.before, change.after
    match change.action:
        case "added":
            return f" {paint.green('+')} {paint.bold(name)}=={after}"
        case "removed":
            return f" {paint.red('-')} {paint.bold(name)}=={before}"
        case "repaired":
            return f" {paint.yellow('!')} {paint.bold(name)}=={after} (repaired)"
        case "replaced":
            versions = f"{before} -> {after}" if before != after else f"{after} (other content)"
            return f" {paint.yellow('~')} {paint.bold(name)}=={versions}"


def _skipped(result: RealiseResult) -> Iterator[str]:
    for package in result.skipped:
        source = f"{package.source}, {visible(package.source_location)}"
        yield f"`{package.name}` ({source}): it has to be built, which is not possible yet"
