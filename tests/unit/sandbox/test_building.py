"""What sandboxes are for: compilers and interpreters at work in them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.sandboxes import ON_EVERY_RUNG, Place, machine, place, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

PROGRAM = """\
#include <math.h>
#include <pthread.h>
#include <stdio.h>
static void *work(void *value) { *(double *)value = sqrt(*(double *)value); return NULL; }
int main(void) {
  double value = 1764;
  pthread_t thread;
  pthread_create(&thread, NULL, work, &value);
  pthread_join(thread, NULL);
  printf("%.0f\\n", value);
  return 0;
}
"""

EXTENSION = """\
#include <Python.h>
static PyObject *where(PyObject *self, PyObject *none) { return PyUnicode_FromString(__FILE__); }
static PyMethodDef methods[] = {{"where", where, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "made", "", -1, methods};
PyMODINIT_FUNC PyInit_made(void) { return PyModule_Create(&module); }
"""

BUILD = """\
import json, os, shlex, subprocess, sys, sysconfig
values = sysconfig.get_config_vars()
os.makedirs("src", exist_ok=True)
os.replace("made.c", "src/made.c")
source, made = os.path.abspath("src/made.c"), "made" + values["EXT_SUFFIX"]
compile = shlex.split(values["CC"]) + shlex.split(values["CFLAGS"]) + shlex.split(values["CCSHARED"])
subprocess.run([*compile, "-g", "-I" + sysconfig.get_paths()["include"], "-c", source, "-o", "made.o"],
               check=True)
subprocess.run([*shlex.split(values["LDSHARED"]), "made.o", "-o", made], check=True)
sys.path.insert(0, os.getcwd())
import made as module
print(json.dumps([module.where(), os.path.basename(module.__file__)]))
"""


@pytest.fixture(params=ON_EVERY_RUNG)
def there(request: pytest.FixtureRequest) -> Iterator[Place]:
    yield from place(*request.param)


def test_a_program_in_c_is_compiled_and_runs(there: Place) -> None:
    there.build_holds("program.c", PROGRAM)
    script = "cc -O2 -Wall -Werror program.c -o program -lm -lpthread && ./program"
    ran = there.runs("/bin/sh", "-c", script)
    assert ran.lines == ["42"], ran.log
    # The compiler left nothing of its own.
    assert list((there.folder / "tmp").iterdir()) == []


def build(there: Place) -> bytes:
    headers = subprocess.run(
        (there.python, "-I", "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"),
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    if not os.path.exists(f"{headers}/Python.h"):
        pytest.skip(f"`{there.python}` has no headers")
    there.build_holds("made.c", EXTENSION)
    ran = there.runs_python(BUILD)
    where, name = ran.answer
    assert where == f"{there.inner}/src/made.c"
    return (there.folder / str(name)).read_bytes()


def test_an_extension_is_built_for_the_given_interpreter_and_imported(there: Place) -> None:
    build(there)


def test_an_extension_is_the_same_bytes_wherever_it_is_built() -> None:
    rungs = [rung for rung in machine().rungs if sealed(rung)]
    if not rungs:
        pytest.skip("no rung with fixed paths works here")
    results = {build(there) for rung in [*rungs, *rungs] for there in place("self", rung)}
    assert len(results) == 1


def test_the_compiler_is_found_through_alternatives() -> None:
    for rung in machine().rungs:
        for there in place("self", rung):
            ran = there.runs("/bin/sh", "-c", "cc --version && ld --version")
            assert ran.outcome.succeeded, ran.log


def test_programs_with_many_processes_and_pipes_work(there: Place) -> None:
    (there.folder / "Makefile").write_text(
        "all: $(foreach n,1 2 3 4 5 6 7 8,o$(n))\no%:\n\t@sleep 0.01; echo $* > $@\n"
    )
    if shutil.which("make") is None:
        pytest.skip("there is no `make`")
    ran = there.runs("/bin/sh", "-c", "make -j4 && cat o* | sort | tr '\\n' ' ' && echo")
    assert ran.lines[-1].split() == [*"12345678"], ran.log
