"""What a store holds, as text for people and as JSON for programs."""

from __future__ import annotations

from envbuild.cli.render import document
from envbuild.cli.terminal import visible
from envbuild.cli.wording import count, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envbuild.cli.terminal import Paint
    from envbuild.maintenance.verify import Finding, StoreReport
    from envbuild.workflows.store import DescribedEntry, StoredEntry, Totals

_DIGITS = 12
_USES = 5


def entries_as_text(entries: Sequence[DescribedEntry], paint: Paint) -> str:
    """Return a line for each entry: digest, files, size, the archives it came from."""
    return "\n".join(
        f"{paint.yellow(each.entry.digest[:_DIGITS])}  {len(each.files):>6,}"
        f"  {size(each.size):>10}  {_names(each.entry)}"
        for each in entries
    )


def entries_as_json(entries: Sequence[DescribedEntry]) -> str:
    """Return all entries, without their files."""
    return document({"command": "store ls", "entries": [_entry(entry) for entry in entries]})


def files_as_text(described: DescribedEntry) -> str:
    """Return a line for each file: size, path, and what a link says."""
    marks = {"file": "", "executable": "*", "symlink": ""}
    return "\n".join(
        f"{'' if file.size is None else file.size:>10}  {visible(file.path)}{marks[file.kind]}"
        + (f" -> {visible(file.target)}" if file.target is not None else "")
        for file in described.files
    )


def files_as_json(described: DescribedEntry) -> str:
    """Return an entry with its files."""
    files = [file.as_json() for file in described.files]
    return document({"command": "store ls", "entry": {**_entry(described), "content": files}})


def entry_as_text(described: DescribedEntry, paint: Paint) -> str:
    """Return what is known of an entry."""
    rows = [
        ("Digest", described.entry.digest),
        ("Archives", _names(described.entry)),
        ("Files", f"{len(described.files):,}"),
        ("Size", size(described.size)),
        ("Record", visible(described.record)),
        *(("Note", visible(note)) for note in described.entry.notes),
    ]
    return _rows(rows, paint)


def entry_as_json(described: DescribedEntry) -> str:
    """Return what is known of an entry."""
    return document({"command": "store info", "entry": _entry(described)})


def totals_as_text(totals: Totals, paint: Paint) -> str:
    """Return what a store holds, and what is saved by keeping equal contents once."""
    gone = f", {totals.gone} of them gone" if totals.gone else ""
    rows = [
        ("Store", visible(totals.path)),
        ("Entries", f"{totals.entries:,}, of {count(totals.files, 'file')}"),
        ("Contents", f"{totals.blobs:,}, {size(totals.blobs_size)}"),
        ("Saved", size(max(0, totals.files_size - totals.blobs_size))),
        ("Environments", f"{len(totals.environments):,}{gone}"),
    ]
    if totals.quarantined:
        rows.append(("Quarantined", f"{count(totals.quarantined, 'damaged file')}"))
    return _rows(rows, paint)


def totals_as_json(totals: Totals) -> str:
    """Return what a store holds."""
    return document(
        {
            "command": "store info",
            "store": {
                "path": totals.path,
                "entries": totals.entries,
                "files": totals.files,
                "files_size": totals.files_size,
                "blobs": totals.blobs,
                "blobs_size": totals.blobs_size,
                "realisations": totals.realisations,
                "environments": list(totals.environments),
                "environments_gone": totals.gone,
                "quarantined": totals.quarantined,
            },
        }
    )


def report_as_text(report: StoreReport, paint: Paint, *, whole: bool) -> str:
    """Return what was checked and what is wrong; `whole` names everything that is affected."""
    records = report.derivations + report.realisations + report.manifests + report.roots
    checked = (
        f"Checked {count(report.blobs, 'content')} ({size(report.bytes)}),"
        f" {count(report.trees, 'entry', 'entries')} and {count(records, 'other record')}"
    )
    if report.is_clean:
        return f"{checked}: all sound"
    return "\n".join(
        (
            checked,
            *(line for finding in report.findings for line in _finding(finding, paint, whole)),
        )
    )


def report_as_json(path: str, report: StoreReport) -> str:
    """Return what was checked and everything that is wrong."""
    return document(
        {
            "command": "store verify",
            "path": path,
            "clean": report.is_clean,
            "checked": {
                "blobs": report.blobs,
                "bytes": report.bytes,
                "trees": report.trees,
                "derivations": report.derivations,
                "realisations": report.realisations,
                "manifests": report.manifests,
                "roots": report.roots,
            },
            "leftovers": report.leftovers,
            "findings": [
                {
                    "path": finding.path,
                    "kind": finding.kind,
                    "expected": finding.expected,
                    "found": finding.found,
                    "affects": [
                        {"name": use.name, "tree": use.tree, "path": use.path}
                        for use in finding.affects
                    ],
                }
                for finding in report.findings
            ],
        }
    )


def _finding(finding: Finding, paint: Paint, whole: bool) -> Iterator[str]:
    yield (
        f"{paint.red(finding.kind)} {visible(finding.path)}:"
        f" expected {visible(finding.expected)}, found {visible(finding.found)}"
    )
    shown = finding.affects if whole else finding.affects[:_USES]
    for use in shown:
        words = (use.tree[:_DIGITS], use.name, use.path)
        yield f"    {'  '.join(visible(word) for word in words if word)}"
    if len(shown) < len(finding.affects):
        yield f"    and {len(finding.affects) - len(shown):,} more; `-v` names them"


def _entry(described: DescribedEntry) -> dict[str, object]:
    return {
        "digest": described.entry.digest,
        "archives": list(described.entry.names),
        "files": len(described.files),
        "size": described.size,
        "record": described.record,
        "notes": list(described.entry.notes),
    }


def _names(entry: StoredEntry) -> str:
    return visible(", ".join(entry.names)) or "(origin unknown)"


def _rows(rows: Sequence[tuple[str, str]], paint: Paint) -> str:
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{paint.bold(label.ljust(width))}  {text}" for label, text in rows)
