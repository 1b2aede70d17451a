"""Telling of work that goes on: bars on a terminal, plain lines elsewhere.

Bars appear once the work has lasted a moment, and only then is the library that draws them imported:
for a warm run it would cost more than the work. Lines tell of what is large or unusual, and of the
whole; `-v` tells of every archive.
"""

from __future__ import annotations

from _thread import allocate_lock  # `threading` costs 2 ms, and is seldom needed here
from time import monotonic

from envbuild.cli.terminal import visible
from envbuild.cli.wording import count, duration, size
from envbuild.events import (
    BlobsChecked,
    BuildFinished,
    BuildPrinted,
    BuildStarted,
    BuildStopped,
    BytesFetched,
    FetchesPlanned,
    FetchFinished,
    FetchRetried,
    FetchStarted,
    FilesLinked,
    LinksPlanned,
    Notice,
    StoreCheckPlanned,
    Unpacked,
    WaitingFor,
)
from envbuild.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from threading import Timer
    from typing import Self

    from rich.console import RenderableType

    from envbuild.cli.context import Context
    from envbuild.cli.terminal import Terminal
    from envbuild.events import Event

LARGE = 8 * 2**20
"""Bytes from which on an archive has a line or a bar of its own."""

_BARS = 6
_PATIENCE = 0.3


def reporter_for(terminal: Terminal, context: Context) -> ProgressReporter:
    """Return the reporter that suits the terminal and the user's wishes."""
    progress = not context.settings.flag("no-progress")
    bars = progress and terminal.verbosity >= 0 and terminal.is_live(context.environ)
    return ProgressReporter(terminal, bars=bars, lines=progress)


class Transfer:
    """An archive on its way; `size` in bytes where known, `here` of them have arrived."""

    __slots__ = ("here", "name", "size")

    def __init__(self, *, name: str, size: int | None, here: int) -> None:
        self.name = name
        self.size = size
        self.here = here


class Building:
    """A package that is being built since `began`; `line` is what the build printed last."""

    __slots__ = ("began", "line", "version")

    def __init__(self, *, version: str | None, began: float, line: str = "") -> None:
        self.version = version
        self.began = began
        self.line = line


class Work:
    """How far everything is; what is planned grows while the work goes on.

    Attributes:
        archives: to be fetched and unpacked, all together.
        size: of all of them, `None` where one of them is not known.
        here: bytes that have arrived, of finished and unfinished archives.
        under_way: unfinished archives by name.
        building: by name, in the order in which they were begun.
        began: when the first archive was planned, in the seconds of a steady clock.
    """

    def __init__(
        self,
        *,
        archives: int = 0,
        size: int | None = 0,
        here: int = 0,
        fetched: int = 0,
        fetched_bytes: int = 0,
        unpacked: int = 0,
        files: int = 0,
        linked: int = 0,
        blobs: int = 0,
        checked: int = 0,
        under_way: dict[str, Transfer] | None = None,
        building: dict[str, Building] | None = None,
        began: float = 0.0,
    ) -> None:
        self.archives = archives
        self.size = size
        self.here = here
        self.fetched = fetched
        self.fetched_bytes = fetched_bytes
        self.unpacked = unpacked
        self.files = files
        self.linked = linked
        self.blobs = blobs
        self.checked = checked
        self.under_way: dict[str, Transfer] = under_way or {}
        self.building: dict[str, Building] = building or {}
        self.began = began


class ProgressReporter:
    """A reporter that prints; a context manager that takes its bars away at the end.

    Args:
        terminal: where to print.
        bars: whether bars may be drawn.
        lines: whether ordinary progress is told in lines; what is unusual always is.
        patience: seconds of work after which bars appear.
    """

    def __init__(
        self, terminal: Terminal, *, bars: bool, lines: bool, patience: float = _PATIENCE
    ) -> None:
        self._terminal = terminal
        self._lines = lines
        self._bars = bars
        self._patience = patience
        self._work = Work()
        self._told: set[str] = set()
        self._timer: Timer | None = None
        self._display: _Display | None = None
        self._closed = False
        self._mutex = allocate_lock()

    def report(self, event: Event) -> None:
        """Take note of `event`, and print what is due."""
        # What prints may wait for the thread that draws, and that one for the mutex: so nothing is
        # printed while it is held.
        with self._mutex:
            if self._closed:
                return
            lines = self._note(event)
            if self._bars and self._timer is None:
                # A clock of its own: where a server keeps us waiting, no event comes.
                self._timer = self._start_timer()
        for line in lines:
            self._tell(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            self._closed = True  # work that was given up may still be on its way here
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        with self._mutex:
            display, self._display = self._display, None
        if display is not None:
            display.close()

    def _note(self, event: Event) -> list[str]:
        """Bring `_work` up to date, and return the lines that are to be printed."""
        work, paint = self._work, self._terminal.paint_errors
        match event:
            case FetchesPlanned(count=number, size=total):
                work.archives += number
                work.size = None if work.size is None or total is None else work.size + total
                work.began = work.began or monotonic()
                if number and not self._bars:
                    return self._ordinary(f"Fetching {_archives(number, total)}")
            case FetchStarted(name=name, size=total, offset=offset):
                transfer = work.under_way.pop(name, None)
                work.here += offset - (transfer.here if transfer else 0)
                work.under_way[name] = Transfer(name=name, size=total, here=offset)
                if total is not None and total >= LARGE and name not in self._told:
                    self._told.add(name)
                    if not self._bars:
                        return self._ordinary(f"Fetching {visible(name)} ({size(total)})")
            case BytesFetched(name=name, count=number):
                work.here += number
                if name in work.under_way:
                    work.under_way[name].here += number
            case FetchRetried(name=name, reason=reason, delay=delay):
                text = f"{visible(name)}: {visible(reason)}; trying again in {duration(delay)}"
                return [f"{paint.yellow('retry')} {text}"]
            case FetchFinished(name=name, size=number):
                work.under_way.pop(name, None)
                work.fetched += 1
                work.fetched_bytes += number
                lines = self._detail(f"Fetched {visible(name)} ({size(number)})")
                if work.fetched == work.archives:
                    took = duration(monotonic() - work.began)
                    done = _archives(work.fetched, work.fetched_bytes)
                    lines += self._ordinary(f"Fetched {done} in {took}")
                return lines
            case Unpacked(name=name, files=number, new_bytes=fresh):
                work.unpacked += 1
                told = f"{count(number, 'file')}, {size(fresh)} new to the store"
                return self._detail(f"Unpacked {visible(name)}: {told}")
            case BuildStarted(name=name, version=version, sandbox=sandbox):
                work.building[name] = Building(version=version, began=monotonic())
                bare = "" if sandbox else f" {paint.yellow('without a sandbox')}"
                return self._ordinary(f"Building {_release(name, version)}{bare}")
            case BuildPrinted(name=name, line=line):
                if name in work.building and line.strip():
                    work.building[name].line = line
                return self._detail(f"{visible(name)}: {visible(line)}")
            case BuildFinished(name=name, version=version, seconds=seconds):
                work.building.pop(name, None)
                took = duration(seconds)
                return self._ordinary(f"Built {_release(name, version)} in {took}")
            case BuildStopped(name=name, version=version, failed=failed):
                work.building.pop(name, None)
                if failed:
                    return self._ordinary(
                        f"{paint.red('Failed')} to build {_release(name, version)}"
                    )
                return self._detail(f"Found {_release(name, version)}, which was built meanwhile")
            case LinksPlanned(files=number):
                work.files += number
            case FilesLinked(count=number):
                work.linked += number
            case StoreCheckPlanned(blobs=number):
                work.blobs += number
            case BlobsChecked(count=number):
                work.checked += number
            case WaitingFor(what=what, holder=holder):
                by = f", held by {visible(holder)}" if holder else ""
                return [f"{paint.yellow('waiting')} for {visible(what)}{by}"]
            case Notice(text=text):
                return [f"{paint.cyan('note')} {visible(text)}"]
        return []

    def _ordinary(self, line: str) -> list[str]:
        return [line] if self._lines else []

    def _detail(self, line: str) -> list[str]:
        return [self._terminal.paint_errors.dim(line)] if self._terminal.verbosity > 0 else []

    def _start_timer(self) -> Timer:
        from threading import Timer

        timer = Timer(self._patience, self._draw)
        timer.daemon = True
        timer.start()
        return timer

    def _draw(self) -> None:
        display = _Display(self._terminal, self._work, self._mutex)
        with self._mutex:
            self._display = display

    def _tell(self, line: str) -> None:
        with self._mutex:
            display = self._display
        if display is None:
            self._terminal.tell(line)
        else:
            display.tell(line)


def _archives(number: int, total: int | None) -> str:
    archives = count(number, "archive")
    return archives if total is None else f"{archives} ({size(total)})"


class _Display:
    """Bars on standard error, drawn ten times a second from what `work` says then."""

    def __init__(self, terminal: Terminal, work: Work, mutex: LockType) -> None:
        from rich.console import Console
        from rich.live import Live

        self._work = work
        self._mutex = mutex
        self._console = Console(
            file=terminal.error_stream,
            force_terminal=True,
            no_color=not terminal.paint_errors.enabled,
            highlight=False,
        )
        self._live = Live(
            get_renderable=self._picture,
            console=self._console,
            refresh_per_second=10,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def tell(self, line: str) -> None:
        """Print `line` above the bars."""
        from rich.text import Text

        self._console.print(Text.from_ansi(line), soft_wrap=True)

    def close(self) -> None:
        """Take the bars away."""
        self._live.stop()

    def _picture(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        with self._mutex:
            rows = rows_of(self._work, monotonic())
        table = Table.grid(padding=(0, 1))
        for row in rows:
            pulse = row.total is None
            bar = ProgressBar(total=row.total, completed=row.done, width=24, pulse=pulse)
            words = (
                Text(text, overflow="ellipsis", no_wrap=True) for text in (row.label, row.state)
            )
            table.add_row(next(words), bar, next(words))
        return table


@frozen
class Row:
    """One bar: what it is for, how much of what is done, and the same in words.

    Where nobody can say how much there is to do, `total` is `None`.
    """

    label: str
    done: int
    total: int | None
    state: str


def rows_of(work: Work, now: float) -> list[Row]:
    """Return what there is to be drawn of `work` at the time `now`."""
    rows = []
    if work.fetched < work.archives:
        state = f"{work.fetched}/{work.archives}, {size(work.here)}"
        if work.size is not None:
            state += f" of {size(work.size)}"
        if now > work.began and work.here:
            state += f", {size(work.here / (now - work.began))}/s"
        done, total = (work.fetched, work.archives) if not work.size else (work.here, work.size)
        rows.append(Row(label="Fetching", done=done, total=total, state=state))
        large = [each for each in work.under_way.values() if (each.size or 0) >= LARGE]
        for transfer in sorted(large, key=lambda each: -(each.size or 0))[:_BARS]:
            assert transfer.size is not None
            label = f"  {visible(transfer.name).partition('-')[0]}"
            state = f"{size(transfer.here)} of {size(transfer.size)}"
            rows.append(Row(label=label, done=transfer.here, total=transfer.size, state=state))
    if work.fetched > 0 and work.unpacked < work.archives:
        state = f"{work.unpacked}/{work.archives}"
        rows.append(Row(label="Unpacking", done=work.unpacked, total=work.archives, state=state))
    for name, build in [*work.building.items()][:_BARS]:
        printed = f"  {visible(build.line.strip())}" if build.line else ""
        state = f"{duration(now - build.began)}{printed}"
        label = f"Building {_release(name, build.version)}"
        rows.append(Row(label=label, done=0, total=None, state=state))
    if len(work.building) > _BARS:
        rows.append(
            Row(label="Building", done=0, total=None, state=f"{len(work.building) - _BARS} more")
        )
    if work.linked < work.files:
        state = f"{work.linked:,}/{count(work.files, 'file')}"
        rows.append(Row(label="Linking", done=work.linked, total=work.files, state=state))
    if work.checked < work.blobs:
        state = f"{work.checked:,}/{count(work.blobs, 'content')}"
        rows.append(Row(label="Checking", done=work.checked, total=work.blobs, state=state))
    return rows


def _release(name: str, version: str | None) -> str:
    return f"{visible(name)} {visible(version)}" if version else visible(name)
