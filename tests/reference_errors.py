"""Write docs/reference/errors.md: `.tools/venv-test/bin/python tests/reference_errors.py`.

The tables are the first paragraph of each error's docstring, by family; a test sees to it that the
page is what this makes.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import envbuild
from envbuild.errors import EnvbuildError, Problems

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"
HEAD = """\
# Errors and exit codes

An error says what failed, on what, what was expected and what was found; a `hint` follows where the
next step is certain to help. Several problems that were found in one pass are reported together.

| exit code | |
| --- | --- |
| 0 | done |
| 1 | failed, or a check found a difference or damage |
| 2 | the request makes no sense, or the version of the lock is not supported |
| 130 | interrupted (Ctrl-C); the next command completes or undoes what was begun |
| 143, 129 | ended by SIGTERM or SIGHUP, likewise |
| 141 | nobody reads the output any more |

With `--json` an error is a document on standard output as well, where `kind` is the name in the tables
below and `family` the heading it stands under:

```json
{
  "schema": { "version": "1" },
  "error": {
    "kind": "FileCollision",
    "family": "VenvError",
    "message": "…",
    "hint": null,
    "problems": []
  }
}
```

`problems` lists them where there are several (`kind` is then `Problems`). `InternalError` is a mistake
of envbuild's: please report it, with what `ENVBUILD_BACKTRACE=1` prints.
"""


def errors_page() -> str:
    """Return the text of the page."""
    classes = error_classes()
    parts = [HEAD]
    for family in families():
        members = sorted(classes_of(family, classes), key=lambda each: each.__name__)
        rows = [f"| `{each.__name__}` | {meaning(each)} |" for each in members]
        head = f"## {family.__name__}\n\n{meaning(family)}\n\n| kind | meaning |\n| --- | --- |\n"
        parts.append(head + "\n".join(rows) + "\n")
    return "\n".join(parts)


def families() -> list[type[EnvbuildError]]:
    """Return the families in the order of their definition."""
    found = EnvbuildError.__subclasses__()
    return [each for each in found if each.__module__ == "envbuild.errors" and each is not Problems]


def error_classes() -> set[type[EnvbuildError]]:
    """Return every error that a module of the program defines."""
    for module in pkgutil.walk_packages(envbuild.__path__, "envbuild."):
        if module.name != "envbuild.__main__":
            importlib.import_module(module.name)
    found: set[type[EnvbuildError]] = set()
    waiting: list[type[EnvbuildError]] = [EnvbuildError]
    while waiting:
        for each in waiting.pop().__subclasses__():
            if each.__module__.startswith("envbuild."):
                found.add(each)
                waiting.append(each)
    return found


def classes_of(
    family: type[EnvbuildError], classes: set[type[EnvbuildError]]
) -> list[type[EnvbuildError]]:
    """Return the members of a family, itself aside."""
    return [each for each in classes if issubclass(each, family) and each is not family]


def meaning(error: type[EnvbuildError]) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(errors_page(), encoding="utf-8")
