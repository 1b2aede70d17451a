from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import pytest

from envbuild.cli.progress import LARGE, Building, ProgressReporter, Row, Transfer, Work, rows_of
from envbuild.cli.terminal import Terminal
from envbuild.events import (
    BlobsChecked,
    BuildFinished,
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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envbuild.events import Event

SMALL = "small-1.0-py3-none-any.whl"
HUGE = "huge-1.0-py3-none-any.whl"
RUN: tuple[Event, ...] = (
    FetchesPlanned(count=2, size=LARGE + 100),
    FetchStarted(name=HUGE, size=LARGE, offset=0),
    FetchStarted(name=SMALL, size=100, offset=0),
    BytesFetched(name=SMALL, count=100),
    FetchFinished(name=SMALL, size=100),
    Unpacked(name=SMALL, files=3, new_bytes=50),
    BytesFetched(name=HUGE, count=10),
    FetchRetried(name=HUGE, reason="the line broke", attempt=1, delay=0.5),
    FetchStarted(name=HUGE, size=LARGE, offset=10),
    BytesFetched(name=HUGE, count=LARGE - 10),
    FetchFinished(name=HUGE, size=LARGE),
    Unpacked(name=HUGE, files=1, new_bytes=LARGE),
    LinksPlanned(files=4),
    FilesLinked(count=4),
)


def lines(events: Iterable[Event], *, verbosity: int = 0, progress: bool = True) -> list[str]:
    terminal = Terminal(output := io.StringIO(), stream := io.StringIO())
    terminal.verbosity = verbosity
    with ProgressReporter(terminal, bars=False, lines=progress) as reporter:
        for event in events:
            reporter.report(event)
    assert output.getvalue() == ""
    return stream.getvalue().splitlines()


def test_lines_tell_of_the_whole_the_large_and_the_unusual() -> None:
    *told, last = lines(RUN)
    assert told == [
        "Fetching 2 archives (8.0 MiB)",
        f"Fetching {HUGE} (8.0 MiB)",
        f"retry {HUGE}: the line broke; trying again in 0.50s",
    ]
    assert last.startswith("Fetched 2 archives (8.0 MiB) in ")


def test_verbose_lines_tell_of_every_archive() -> None:
    told = lines(RUN, verbosity=1)
    assert f"Fetched {SMALL} (100 B)" in told
    assert f"Unpacked {SMALL}: 3 files, 50 B new to the store" in told
    assert f"Unpacked {HUGE}: 1 file, 8.0 MiB new to the store" in told


def test_a_build_without_a_sandbox_is_told_to_be_one() -> None:
    assert lines(
        [
            BuildStarted(name="a", version="1", sandbox="landlock"),
            BuildStarted(name="b", version="2", sandbox=None),
        ]
    ) == ["Building a 1", "Building b 2 without a sandbox"]


def test_the_row_of_a_build_is_gone_however_it_ended() -> None:
    terminal = Terminal(io.StringIO(), stream := io.StringIO())
    with ProgressReporter(terminal, bars=False, lines=True) as reporter:
        for name in ("a", "b", "c"):
            reporter.report(BuildStarted(name=name, version=None, sandbox="landlock"))
        reporter.report(BuildFinished(name="a", version=None, seconds=2))
        reporter.report(BuildStopped(name="b", version=None, failed=True))
        reporter.report(BuildStopped(name="c", version=None, failed=False))
        assert reporter._work.building == {}
    assert stream.getvalue().splitlines()[3:] == [
        "Built a in 2.00s",
        "Failed to build b",
    ]


def test_without_progress_only_the_unusual_is_told() -> None:
    assert lines(RUN, progress=False) == [f"retry {HUGE}: the line broke; trying again in 0.50s"]


def test_quiet_tells_nothing() -> None:
    assert lines(RUN, verbosity=-1) == []


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (WaitingFor(what="a.whl", holder=None), "waiting for a.whl"),
        (WaitingFor(what="a.whl", holder="process 3"), "waiting for a.whl, held by process 3"),
        (Notice(text="something \x1bodd"), "note something \ufffdodd"),
        (FetchesPlanned(count=1, size=None), "Fetching 1 archive"),
    ],
)
def test_single_lines(event: Event, line: str) -> None:
    assert lines([event]) == [line]


@pytest.mark.parametrize(
    "event",
    [
        FetchesPlanned(count=0, size=0),
        StoreCheckPlanned(blobs=3),
        BlobsChecked(count=3),
        LinksPlanned(files=9),
        BytesFetched(name="unknown", count=1),
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_say(event: Event) -> None:
    assert lines([event]) == []


def test_no_event_of_many_threads_is_lost() -> None:
    terminal = Terminal(io.StringIO(), stream := io.StringIO())
    threads, each = 8, 200

    def work(number: int, reporter: ProgressReporter) -> None:
        for index in range(each):
            name = f"{number}-{index}"
            reporter.report(FetchStarted(name=name, size=10, offset=0))
            reporter.report(BytesFetched(name=name, count=10))
            reporter.report(FetchFinished(name=name, size=10))

    with ProgressReporter(terminal, bars=False, lines=True) as reporter:
        reporter.report(FetchesPlanned(count=threads * each, size=None))
        started = [threading.Thread(target=work, args=(n, reporter)) for n in range(threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    assert stream.getvalue().splitlines()[-1].startswith("Fetched 1,600 archives (15.6 KiB) in ")


def test_what_comes_after_the_end_is_not_heard() -> None:
    terminal = Terminal(io.StringIO(), stream := io.StringIO())
    with ProgressReporter(terminal, bars=True, lines=True, patience=0) as reporter:
        pass
    reporter.report(Notice(text="late"))
    assert stream.getvalue() == ""


def test_bars_are_drawn_and_taken_away() -> None:
    terminal = Terminal(io.StringIO(), stream := io.StringIO())
    with ProgressReporter(terminal, bars=True, lines=True, patience=0) as reporter:
        reporter.report(FetchesPlanned(count=3, size=300))
        while "0/3, 0 B of 300 B" not in stream.getvalue():
            threading.Event().wait(0.01)
        reporter.report(FetchRetried(name=SMALL, reason="why", attempt=1, delay=1))
        assert f"retry {SMALL}: why; trying again in 1.00s" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_rows_show_how_far_everything_is() -> None:
    work = Work(archives=4, size=1000, here=250, fetched=1, unpacked=1, began=10.0)
    assert rows_of(work, 12.0) == [
        Row(label="Fetching", done=250, total=1000, state="1/4, 250 B of 1000 B, 125 B/s"),
        Row(label="Unpacking", done=1, total=4, state="1/4"),
    ]
    work = Work(archives=4, fetched=4, unpacked=3, files=9000, linked=1000, blobs=7, checked=2)
    assert rows_of(work, 0.0) == [
        Row(label="Unpacking", done=3, total=4, state="3/4"),
        Row(label="Linking", done=1000, total=9000, state="1,000/9,000 files"),
        Row(label="Checking", done=2, total=7, state="2/7 contents"),
    ]
    assert rows_of(Work(archives=1, fetched=1, unpacked=1, files=2, linked=2), 0.0) == []


def test_where_sizes_are_unknown_archives_are_counted() -> None:
    work = Work(archives=4, size=None, here=2048, fetched=1, began=1.0)
    (row, *_) = rows_of(work, 1.0)
    assert row == Row(label="Fetching", done=1, total=4, state="1/4, 2.0 KiB")


def test_the_largest_archives_have_rows_of_their_own() -> None:
    under_way = {
        f"p{n}-1-py3-none-any.whl": Transfer(
            name=f"p{n}-1-py3-none-any.whl", size=LARGE * n or None, here=5
        )
        for n in range(10)
    }
    work = Work(archives=10, size=None, under_way=under_way)
    rows = rows_of(work, 0.0)
    assert [row.label for row in rows] == ["Fetching", *(f"  p{n}" for n in range(9, 3, -1))]
    assert rows[1] == Row(label="  p9", done=5, total=LARGE * 9, state="5 B of 72.0 MiB")


def test_what_is_being_built_has_a_row_of_its_own_with_what_it_printed_last() -> None:
    building = {
        "demo": Building(version="1.0", began=10.0, line="  compiling a.c  "),
        "other": Building(version=None, began=11.0),
    }
    assert rows_of(Work(building=building), 12.5) == [
        Row(label="Building demo 1.0", done=0, total=None, state="2.50s  compiling a.c"),
        Row(label="Building other", done=0, total=None, state="1.50s"),
    ]


def test_of_many_builds_the_first_ones_have_rows() -> None:
    building = {f"p{n}": Building(version="1", began=0.0) for n in range(9)}
    rows = rows_of(Work(building=building), 1.0)
    assert [row.label for row in rows] == [*(f"Building p{n} 1" for n in range(6)), "Building"]
    assert rows[-1].state == "3 more"
