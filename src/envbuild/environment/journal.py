"""The journal of a transaction: renames that, once written down, will be carried out.

Everything that enters the environment has been staged beforehand, below the environment itself, so
carrying out needs neither store nor network, and each rename is its own proof of being done:

- a path has left when it is in the `old` folder of the transaction, under its number in the list,
- a path has entered when it is no longer in the `new` folder.

A command that finds a journal therefore carries it out from the start, skipping what is done. Where
the system refuses a rename, everything done so far is undone by the same proofs. A transaction
folder without a journal never began, and is removed.
"""

from __future__ import annotations

import os

from envbuild import plain_json
from envbuild.environment.moves import Moves
from envbuild.environment.removal import remove_tree
from envbuild.environment.reserved import FOLDER
from envbuild.errors import VenvError

JOURNAL = f"{FOLDER}/journal.json"
_PREFIX = "transaction-"
_VERSION = 2


class BrokenJournal(VenvError):
    """A journal that cannot be read, so that nobody knows what state the environment is in."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the journal `{path}` cannot be read",
            hint="`--clear` replaces the whole environment",
        )
        self.path = path


def open_transaction(prefix: str) -> str:
    """Make the folder of a new transaction and return its name below `.envbuild`."""
    name = f"{_PREFIX}{os.urandom(4).hex()}"
    os.makedirs(f"{prefix}/{FOLDER}/{name}/new")
    os.mkdir(f"{prefix}/{FOLDER}/{name}/old")
    return name


def begin(prefix: str, name: str, moves: Moves) -> None:
    """Write the journal: from now on the transaction will be completed, by whomever."""
    document = {
        "version": _VERSION,
        "transaction": name,
        "outward": moves.outward,
        "folders": moves.folders,
        "inward": moves.inward,
        "emptied": moves.emptied,
    }
    draft = f"{prefix}/{FOLDER}/{name}/journal.json"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(plain_json.dumps(document))
    os.rename(draft, f"{prefix}/{JOURNAL}")


def abandon(prefix: str, name: str) -> None:
    """Remove a transaction that has not begun."""
    _remove(f"{prefix}/{FOLDER}/{name}")


def complete(prefix: str) -> bool:
    """Carry out the journal of the environment at `prefix`, if there is one, and tidy up.

    Returns:
        Whether there was a journal.

    Raises:
        BrokenJournal: it cannot be read.
        OSError: the operating system refuses a rename, and everything is as it was before the
            transaction; where it refuses to undo as well, the journal stays.
    """
    try:
        with open(f"{prefix}/{JOURNAL}", encoding="utf-8") as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        _remove_leftovers(prefix)
        return False
    name, moves = _parse(content, prefix)
    transaction = f"{prefix}/{FOLDER}/{name}"
    try:
        _carry_out(prefix, transaction, moves)
    except OSError:
        _undo(prefix, transaction, moves)
        os.unlink(f"{prefix}/{JOURNAL}")
        _remove_leftovers(prefix)
        raise
    os.unlink(f"{prefix}/{JOURNAL}")
    _remove_leftovers(prefix)
    return True


def _parse(content: str, prefix: str) -> tuple[str, Moves]:
    try:
        document = plain_json.loads(content)
        if document["version"] != _VERSION:
            raise BrokenJournal(f"{prefix}/{JOURNAL}")
        moves = Moves(
            outward=tuple(document["outward"]),
            folders=tuple(document["folders"]),
            inward=tuple(document["inward"]),
            emptied=tuple(document["emptied"]),
        )
        return document["transaction"], moves
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenJournal(f"{prefix}/{JOURNAL}") from error


def _carry_out(prefix: str, transaction: str, moves: Moves) -> None:
    new, old = f"{transaction}/new", f"{transaction}/old"
    entering = frozenset(moves.inward)
    for number, path in enumerate(moves.outward):
        has_left = os.path.lexists(f"{old}/{number}")
        has_been_replaced = path in entering and not os.path.lexists(f"{new}/{path}")
        if not has_left and not has_been_replaced:
            try:
                os.rename(f"{prefix}/{path}", f"{old}/{number}")
            except FileNotFoundError:
                pass
    for folder in moves.folders:
        try:
            os.mkdir(f"{prefix}/{folder}")
        except FileExistsError:
            pass
    for path in moves.inward:
        try:
            os.rename(f"{new}/{path}", f"{prefix}/{path}")
        except FileNotFoundError:
            # It has entered already; anything else that is missing is a mistake of ours.
            assert os.path.lexists(f"{prefix}/{path}"), path
    for folder in moves.emptied:
        try:
            os.rmdir(f"{prefix}/{folder}")
        except OSError:
            pass


def _undo(prefix: str, transaction: str, moves: Moves) -> None:
    new, old = f"{transaction}/new", f"{transaction}/old"
    for path in reversed(moves.inward):
        if not os.path.lexists(f"{new}/{path}"):
            os.rename(f"{prefix}/{path}", f"{new}/{path}")
    for number, path in enumerate(moves.outward):
        if os.path.lexists(f"{old}/{number}"):
            os.rename(f"{old}/{number}", f"{prefix}/{path}")
    for folder in reversed(moves.folders):
        try:
            os.rmdir(f"{prefix}/{folder}")
        except OSError:
            pass


def _remove_leftovers(prefix: str) -> None:
    try:
        names = os.listdir(f"{prefix}/{FOLDER}")
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.startswith(_PREFIX):
            _remove(f"{prefix}/{FOLDER}/{name}")


def _remove(path: str) -> None:
    try:
        remove_tree(path)
    except OSError:
        # What is left is no part of the environment, and the next command tries again.
        pass
