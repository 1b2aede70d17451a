"""Placing files from the store in a folder: hard links, clones, copies or symbolic links.

The cost of a warm run is the kernel's: about a third of it `mkdir`, the rest `link`. So the work
arrives sorted and grouped by folder, and nothing is done for a file but to look at its blob and to
link it. It is shared out among a few forked workers: threads would take turns at the interpreter's
lock between any two system calls. Each blob is looked at before it is linked: size, mode and the
constant time stamp show an ordinary edit through another environment's link.
"""

from __future__ import annotations

import errno
import os

from envbuild.environment.footprint import join, unit_of
from envbuild.errors import StoreError, VenvError
from envbuild.events import FilesLinked
from envbuild.frozen import frozen
from envbuild.store import layout
from envbuild.store.descriptors import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Literal

    from envbuild.environment.placement import Placement
    from envbuild.environment.workers import Plain
    from envbuild.environment.written import WrittenFile
    from envbuild.events import Reporter

    PlacingMode = Literal["reflink", "hardlink", "copy", "symlink"]
    LinkWish = Literal["auto"] | PlacingMode

_TIME = layout.TIMESTAMP * 10**9
_MODES = {False: 0o100000 | layout.FILE_MODE, True: 0o100000 | layout.EXECUTABLE_MODE}
_FICLONE = 0x40049409

_FEW_FILES = 1500
"""Below this many files a second worker costs more than it saves."""

_MOST_WORKERS = 4
"""Creating names in one file system does not go faster with more."""


class DamagedBlobs(StoreError):
    """Blobs that are missing, or whose size, mode or time stamp is not what it must be.

    Attributes:
        blobs: their paths below `blobs`.
    """

    def __init__(self, blobs: Iterable[str]) -> None:
        self.blobs = tuple(sorted(set(blobs)))
        shown = ", ".join(f"`{blob}`" for blob in self.blobs[:3])
        more = f" and {len(self.blobs) - 3} more" if len(self.blobs) > 3 else ""
        super().__init__(
            f"the store holds damaged blobs: {shown}{more}",
            hint="`envbuild store verify` names every damaged entry",
        )


class LinkRefused(VenvError):
    """A link mode that was required and cannot be had."""

    def __init__(self, mode: str, prefix: str, reason: str) -> None:
        super().__init__(
            f"cannot {mode} from the store to `{prefix}`: {reason}",
            hint="leave out `--require-link`, or put store and environment on one file system",
        )
        self.mode = mode
        self.prefix = prefix
        self.reason = reason


class PlacingFailed(VenvError):
    """The operating system refused to place a file."""

    def __init__(self, path: str, number: int) -> None:
        super().__init__(f"cannot write `{path}`: {os.strerror(number)}")
        self.path = path
        self.errno = number


@frozen
class Job:
    """The files of one distribution, to be placed below a folder.

    Attributes:
        load: gives the placement and the files to write; called where the work is done.
        files: how many files that is, and `folders` how many folders: for sharing work out.
        tolerated: paths that another distribution places as well, with equal content.
        symlinks: in symlink mode, units that are one link each, and where that leads.
        copied: whether its files are copied, whatever the mode.
    """

    load: Callable[[], tuple[Placement, tuple[WrittenFile, ...]]]
    files: int
    folders: int
    tolerated: frozenset[str] = frozenset()
    symlinks: tuple[tuple[str, str], ...] = ()
    copied: bool = False


def probe_mode(
    store: str, folder: str, wanted: LinkWish, *, required: bool
) -> tuple[PlacingMode, str]:
    """Decide how files get from the store at `store` into `folder`, which exists.

    Args:
        store: absolute path of the store.
        folder: a folder on the file system of the environment.
        wanted: `auto` or one mode.
        required: refuse to fall back.

    Returns:
        The mode, and a sentence to tell the user where that is a fall-back, else an empty string.

    Raises:
        LinkRefused: `required`, and the mode (for `auto`: any but copying) cannot be had.
    """
    if wanted == "symlink":
        return "symlink", ""
    if wanted == "copy":
        return "copy", ""
    sample = f"{store}/{layout.FORMAT_FILE}"
    trial = f"{folder}/.envbuild-probe"
    reasons = {}
    for mode in ("reflink", "hardlink") if wanted == "auto" else (wanted,):
        try:
            if mode == "reflink":
                _clone(sample, trial, 0o600)
            else:
                os.link(sample, trial)
        except OSError as error:
            reasons[mode] = os.strerror(error.errno or 0)
        else:
            return ("reflink", "") if mode == "reflink" else ("hardlink", "")
        finally:
            try:
                os.unlink(trial)
            except FileNotFoundError:
                pass
    mode = "hardlink" if wanted == "auto" else wanted
    if required:
        raise LinkRefused(mode, folder, reasons[mode])
    if wanted == "reflink":
        mode, _ = probe_mode(store, folder, "hardlink", required=False)
        name = "linked" if mode == "hardlink" else "copied"
        return mode, f"files are {name}, not cloned: {reasons['reflink']}"
    return "copy", f"files are copied, not linked: {reasons['hardlink']}"


def place(
    jobs: Sequence[Job],
    *,
    store: str,
    root: str,
    mode: PlacingMode,
    required: bool,
    reporter: Reporter,
) -> tuple[str, ...]:
    """Place the files of `jobs` below `root`, whose scheme folders exist.

    Args:
        jobs: what to place; a path of two jobs must be tolerated by both.
        store: absolute path of the store.
        root: the folder that stands for the prefix.
        mode: how files are placed.
        required: refuse to copy a file that cannot be linked.
        reporter: told how many files are in place.

    Returns:
        Sentences about single files that could not be linked and were copied, one for each reason.

    Raises:
        DamagedBlobs: blobs that must not be linked; everything else has been placed.
        LinkRefused: `required`, and a file cannot be linked.
        PlacingFailed: the operating system refused.
    """
    run = _Run(store=store, root=root, mode=mode, required=required)

    def progress(count: int) -> None:
        reporter.report(FilesLinked(count=count))

    if sum(job.files for job in jobs) < _FEW_FILES:
        outcomes = [run.work(jobs, progress)]
    else:
        from envbuild.environment.workers import run_in_workers, worker_count

        workers = min(worker_count(_MOST_WORKERS), len(jobs))
        if workers == 1:
            outcomes = [run.work(jobs, progress)]
        else:
            longest_first = sorted(jobs, key=_cost, reverse=True)
            outcomes = run_in_workers(longest_first, workers, run.work, progress)
    damaged: set[str] = set()
    notes: set[str] = set()
    for outcome in outcomes:
        match outcome:
            case ("refused", str() as path, str() as reason):
                raise LinkRefused(mode, path, reason)
            case ("failed", str() as path, int() as number):
                raise PlacingFailed(path, number)
            case ("placed", list() as found, list() as sentences):
                damaged.update(str(blob) for blob in found)
                notes.update(str(sentence) for sentence in sentences)
    if damaged:
        raise DamagedBlobs(damaged)
    return tuple(sorted(notes))


def _cost(job: Job) -> int:
    # Measured on ext4, in units of one link: a folder costs three, the written files ten.
    return job.files + 3 * job.folders + 10


class _Run:
    """What all workers know.

    Names are given relative to descriptors of the store and of the root: for the system a long path
    costs as much as half a link.
    """

    __slots__ = ("damaged", "mode", "notes", "required", "root", "root_at", "store", "store_at")

    def __init__(self, *, store: str, root: str, mode: PlacingMode, required: bool) -> None:
        self.store = store
        self.root = root
        self.mode = mode
        self.required = required
        self.damaged: list[str] = []
        self.notes: list[str] = []
        self.store_at = self.root_at = -1

    def work(self, jobs: Iterable[Job], progress: Callable[[int], None]) -> Plain:
        """Do `jobs`; the outcome is `("placed", damaged blobs, notes)` or names what failed."""
        try:
            self.store_at = _open_folder(self.store)
            self.root_at = _open_folder(self.root)
            for job in jobs:
                placement, written = job.load()
                self._folders(placement, job)
                self._links(placement, job)
                for file in written:
                    self._write(file, job)
                for unit, target in job.symlinks:
                    os.symlink(target, f"{self.root}/{unit}")
                progress(job.files)
        except LinkRefused as error:
            return ("refused", error.prefix, error.reason)
        except OSError as error:
            path = os.path.join(self.root, str(error.filename2 or error.filename))
            return ("failed", path, error.errno or 0)
        finally:
            for descriptor in (self.store_at, self.root_at):
                if descriptor >= 0:
                    os.close(descriptor)
        return ("placed", [*self.damaged], [*self.notes])

    def _folders(self, placement: Placement, job: Job) -> None:
        skipped = frozenset(unit for unit, _ in job.symlinks)
        for folder in placement.folders:
            if skipped and unit_of(folder, skipped):
                continue
            try:
                os.mkdir(folder, dir_fd=self.root_at)
            except FileExistsError:
                pass

    def _links(self, placement: Placement, job: Job) -> None:
        skipped = frozenset(unit for unit, _ in job.symlinks)
        mode = "copy" if job.copied else self.mode
        for folder, files in placement.links:
            chosen = files
            if skipped:
                chosen = tuple(
                    file for file in files if not unit_of(join(folder, file[0]), skipped)
                )
                if not chosen:
                    continue
            if mode == "hardlink":
                self._hardlinks(folder, chosen, job.tolerated)
            else:
                self._others(mode, folder, chosen, job.tolerated)

    def _hardlinks(
        self,
        folder: str,
        files: tuple[tuple[str, str, int], ...],
        tolerated: frozenset[str],
    ) -> None:
        """The loop that a warm run spends its time in."""
        link, stat, time, store = os.link, os.stat, _TIME, self.store_at
        path = f"{self.root}/{folder}"
        descriptor = _open_folder(folder, self.root_at)
        try:
            for name, blob, size in files:
                if not size:
                    self._touch(f"{path}/{name}", blob, tolerated, join(folder, name))
                    continue
                source = f"{layout.BLOBS}/{blob}"
                try:
                    status = stat(source, dir_fd=store, follow_symlinks=False)
                    if (
                        status.st_size != size
                        or status.st_mtime_ns != time
                        or status.st_mode != _MODES[blob.endswith(layout.EXECUTABLE_SUFFIX)]
                    ):
                        self.damaged.append(blob)
                        continue
                    link(source, name, src_dir_fd=store, dst_dir_fd=descriptor)
                except FileExistsError:
                    if join(folder, name) not in tolerated:
                        raise
                except FileNotFoundError:
                    self.damaged.append(blob)
                except OSError as error:
                    self._instead(error, f"{self.store}/{source}", f"{path}/{name}")
        finally:
            os.close(descriptor)

    def _others(
        self,
        mode: PlacingMode,
        folder: str,
        files: tuple[tuple[str, str, int], ...],
        tolerated: frozenset[str],
    ) -> None:
        blobs = f"{self.store}/{layout.BLOBS}"
        for name, blob, size in files:
            path = f"{self.root}/{folder}/{name}"
            if not size:
                self._touch(path, blob, tolerated, join(folder, name))
                continue
            source = f"{blobs}/{blob}"
            executable = blob.endswith(layout.EXECUTABLE_SUFFIX)
            try:
                status = os.lstat(source)
                if (
                    status.st_size != size
                    or status.st_mtime_ns != _TIME
                    or status.st_mode != _MODES[executable]
                ):
                    self.damaged.append(blob)
                    continue
                match mode:
                    case "symlink":
                        os.symlink(source, path)
                    case "reflink":
                        _clone(source, path, 0o755 if executable else 0o644)
                    case _:
                        _copy(source, path, 0o755 if executable else 0o644)
            except FileExistsError:
                if join(folder, name) not in tolerated:
                    raise
            except FileNotFoundError:
                self.damaged.append(blob)

    def _instead(self, error: OSError, source: str, path: str) -> None:
        """Place a file that could not be linked although its file system links."""
        if error.errno == errno.EMLINK:
            _rotate(source, path, f"{self.store}/{layout.STAGING}")
            return
        if error.errno not in {errno.EPERM, errno.EACCES, errno.EXDEV}:
            raise error
        reason = os.strerror(error.errno)
        if self.required:
            raise LinkRefused("hardlink", path, reason)
        self.notes.append(f"some files are copied, not linked: {reason}")
        _copy(source, path, 0o755 if source.endswith(layout.EXECUTABLE_SUFFIX) else 0o644)

    def _touch(self, path: str, blob: str, tolerated: frozenset[str], relative: str) -> None:
        # Empty files are never linked: thousands of packages would share one inode, and a tool
        # that writes to one of them would write to all.
        mode = 0o755 if blob.endswith(layout.EXECUTABLE_SUFFIX) else 0o644
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        except FileExistsError:
            if relative not in tolerated:
                raise
        else:
            os.close(descriptor)

    def _write(self, file: WrittenFile, job: Job) -> None:
        mode = 0o755 if file.executable else 0o644
        path = f"{self.root}/{file.path}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        except FileExistsError:
            if file.path in job.tolerated:
                return
            raise
        try:
            write_all(descriptor, file.data)
        finally:
            os.close(descriptor)


def _open_folder(path: str, at: int | None = None) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)


def _clone(source: str, path: str, mode: int) -> None:
    import fcntl

    origin = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            fcntl.ioctl(target, _FICLONE, origin)
            os.utime(target, ns=(_TIME, _TIME))
        finally:
            os.close(target)
    finally:
        os.close(origin)


def _copy(source: str, path: str, mode: int) -> None:
    origin = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            _copy_content(origin, target)
            os.utime(target, ns=(_TIME, _TIME))
        finally:
            os.close(target)
    finally:
        os.close(origin)


def _copy_content(origin: int, target: int) -> None:
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(origin, target, 1 << 30):
                pass
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}:
                raise
        else:
            return
    os.lseek(origin, 0, os.SEEK_SET)
    os.ftruncate(target, 0)
    os.lseek(target, 0, os.SEEK_SET)
    while chunk := os.read(origin, 1 << 20):
        write_all(target, chunk)


def _rotate(source: str, path: str, staging: str) -> None:
    """Give a blob that has as many links as an inode can have a fresh inode, and link that."""
    draft = f"{staging}/rotated-{os.getpid()}-{os.urandom(4).hex()}"
    executable = source.endswith(layout.EXECUTABLE_SUFFIX)
    _copy(source, draft, 0o600)
    try:
        os.chmod(draft, layout.EXECUTABLE_MODE if executable else layout.FILE_MODE)
        os.link(draft, path)
        # Trees refer to the blob: what takes its place must be durable first.
        descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(draft, source)
    except BaseException:
        os.unlink(draft)
        raise
