"""What can go wrong: one base class and one family for each noun that can fail.

    EnvbuildError
    ├─ UsageError        the request itself makes no sense
    ├─ LockfileError     the text or the model of a lock is wrong
    ├─ TargetError       no interpreter, or not a fitting one
    ├─ SelectionError    the lock is fine, what was asked of it is not
    ├─ ResolutionError   requirements cannot be met, or not as it was asked
    ├─ RealiseError      fetching, unpacking or building failed
    ├─ StoreError        the store cannot be used or is damaged
    ├─ VenvError         the environment cannot be planned or changed
    └─ Problems          several of the above, found in one pass

A particular error stands beside the code that raises it, carries its data as fields and builds its
message from them. `hint` is the next step, set only where it is certain to help. Only the command
line prints errors and chooses exit codes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class EnvbuildError(Exception):
    """Base of every error that is the user's to see.

    Args:
        message: what failed, on what, what was expected and what was found.
        hint: the next step, or `None`.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(EnvbuildError):
    """The request contradicts itself or names what cannot be."""


class LockfileError(EnvbuildError):
    """A lockfile that cannot be read or does not hold together."""


class TargetError(EnvbuildError):
    """No interpreter to install for, or one that does not fit."""


class SelectionError(EnvbuildError):
    """A lock that is sound, and a request or target that it cannot serve."""


class ResolutionError(EnvbuildError):
    """Requirements that cannot be met, or not as it was asked."""


class RealiseError(EnvbuildError):
    """Work on a derivation that failed."""


class StoreError(EnvbuildError):
    """A store that cannot be opened, written or believed."""


class VenvError(EnvbuildError):
    """An environment that cannot be planned, changed or trusted."""


class Problems(EnvbuildError):
    """Several errors found in one pass, in the order in which they were found."""

    def __init__(self, errors: Iterable[EnvbuildError]) -> None:
        self.errors = tuple(errors)
        assert self.errors
        super().__init__("\n".join(error.message for error in self.errors))


def raise_all(errors: Iterable[EnvbuildError]) -> None:
    """Raise what was collected: nothing for none, the error itself for one, else `Problems`."""
    collected = tuple(errors)
    if len(collected) == 1:
        raise collected[0]
    if collected:
        raise Problems(collected)
