"""What came of `realise`, as text for people and as JSON for programs."""

from __future__ import annotations

from envbuild.cli.terminal import visible
from envbuild.cli.wording import count, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
        lines.append(f"{count(len(result.missing), 'package')} would be fetched or built")
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
                    "origin": change.origin,
                }
                for change in result.changes
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
    name, before, after = paint.bold(change.name), change.before, change.after
    origin = "" if change.origin is None else f" (from {visible(change.origin)})"
    match change.action:
        case "added":
            version = "" if after is None else f"=={after}"
            return f" {paint.green('+')} {name}{version}{origin}"
        case "removed":
            return f" {paint.red('-')} {name}=={before}"
        case "repaired":
            return f" {paint.yellow('!')} {name}=={after}{origin} (repaired)"
        case "replaced":
            sign = paint.yellow("~")
            if after is None or after == before:
                return f" {sign} {name}=={before}{origin} (other content)"
            return f" {sign} {name}=={before} -> {after}{origin}"
