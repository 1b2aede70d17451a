from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import envbuild.target.probe as probe_module
from envbuild.frozen import replace
from envbuild.target.probe import (
    InterpreterFailed,
    InterpreterHung,
    InterpreterMissing,
    InterpreterNotExecutable,
    InterpreterTooOld,
    InterpreterUnclear,
    probe,
)
from support.interpreters import Python, pythons, running, too_old
from unit.target.pretended import of_version, pretend, script
from unit.target.recorded import linux_313

if TYPE_CHECKING:
    from envbuild.target.model import Interpreter


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def records(cache: str) -> list[Path]:
    return sorted(Path(cache, "interpreters").glob("*"))


def forbid_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a process is started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def make_venv(python: Python, folder: Path, *options: str) -> Path:
    command = [python.path, "-I", "-m", "venv", "--without-pip", *options, str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip(f"{python} has no usable venv module")
    return folder / "bin" / "python"


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_an_interpreter_is_described_with_where_it_is(python: Python, cache: str) -> None:
    interpreter = probe(python.path, cache_dir=cache)
    assert interpreter.target.version.startswith(".".join(map(str, python.version)))
    assert interpreter.target.implementation == python.implementation
    assert os.path.samefile(interpreter.executable, python.path)
    assert interpreter.home == os.path.dirname(interpreter.executable)


@pytest.mark.parametrize("python", pythons(), ids=str)
def test_an_interpreter_is_asked_once(
    python: Python, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = probe(python.path, cache_dir=cache)
    digest = replace(first.target).digest
    forbid_processes(monkeypatch)
    second = probe(python.path, cache_dir=cache)
    assert second == first
    assert second.target.digest == digest


def test_a_relative_path_is_taken_from_the_working_directory(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path / "bin" / "python", linux_313)
    monkeypatch.chdir(tmp_path)
    assert probe("bin/python", cache_dir=cache).executable == str(tmp_path / "bin" / "python")


@pytest.mark.parametrize("python", pythons(), ids=str)
@pytest.mark.parametrize("options", [(), ("--copies",)], ids=["links", "copies"])
def test_an_environment_leads_to_the_interpreter_it_was_made_from(
    python: Python, options: tuple[str, ...], cache: str, tmp_path: Path
) -> None:
    inside = make_venv(python, tmp_path / "venv", *options)
    interpreter = probe(str(inside), cache_dir=cache)
    assert os.path.samefile(interpreter.executable, python.path)
    assert os.path.dirname(interpreter.executable) == os.path.dirname(python.path)
    assert interpreter.target == probe(python.path, cache_dir=cache).target


def test_an_environment_in_an_environment_leads_all_the_way_out(cache: str, tmp_path: Path) -> None:
    outer = make_venv(running(), tmp_path / "outer")
    inner = make_venv(dataclasses.replace(running(), path=str(outer)), tmp_path / "inner")
    interpreter = probe(str(inner), cache_dir=cache)
    assert os.path.samefile(interpreter.executable, running().path)
    assert not interpreter.home.startswith(str(tmp_path))


def test_an_environment_of_uv_leads_to_what_it_links_to(cache: str, tmp_path: Path) -> None:
    python = running().path
    command = [uv.find_uv_bin(), "venv", "-q", "--no-config", "-p", python, str(tmp_path / "venv")]
    subprocess.run(command, check=True)
    interpreter = probe(str(tmp_path / "venv" / "bin" / "python"), cache_dir=cache)
    assert interpreter.executable == os.readlink(tmp_path / "venv" / "bin" / "python")


def test_an_environment_whose_interpreter_is_gone_says_where_it_was(
    cache: str, tmp_path: Path
) -> None:
    python = pretend(tmp_path / "old" / "bin" / "python3", linux_313)
    bin_folder = tmp_path / "venv" / "bin"
    bin_folder.mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text(f"home = {python.parent}\n")
    (bin_folder / "python").symlink_to(python)
    assert probe(str(bin_folder / "python"), cache_dir=cache).executable == str(python)
    python.unlink()
    with pytest.raises(InterpreterMissing) as caught:
        probe(str(bin_folder / "python"), cache_dir=cache)
    assert caught.value.path == str(python)


def test_a_copied_environment_is_led_out_of_by_its_configuration(
    cache: str, tmp_path: Path
) -> None:
    python = pretend(tmp_path / "base" / "bin" / "python3", linux_313)
    inside = script(tmp_path / "venv" / "bin" / "python", "exit 1")
    configuration = tmp_path / "venv" / "pyvenv.cfg"
    configuration.write_text(f"Home={python.parent}\nversion = 3.13.0\n")
    assert probe(str(inside), cache_dir=cache).executable == str(python)
    configuration.write_text(f"home = {tmp_path}/nowhere\n")
    with pytest.raises(InterpreterMissing, match=r"made from one in `.*/nowhere`, now gone"):
        probe(str(inside), cache_dir=cache)
    configuration.write_text("version = 3.13.0\n")
    with pytest.raises(InterpreterMissing, match="does not say what it was made from"):
        probe(str(inside), cache_dir=cache)


def test_environments_that_lead_to_each_other_are_no_endless_loop(
    cache: str, tmp_path: Path
) -> None:
    for mine, other in (("a", "b"), ("b", "a")):
        script(tmp_path / mine / "bin" / "python", "exit 1")
        (tmp_path / mine / "pyvenv.cfg").write_text(f"home = {tmp_path}/{other}/bin\n")
    with pytest.raises(InterpreterMissing, match="lead in a circle"):
        probe(str(tmp_path / "a" / "bin" / "python"), cache_dir=cache)


def test_a_wrapper_leads_to_what_it_starts_and_may_change_its_mind(
    cache: str, tmp_path: Path
) -> None:
    real = running().path
    wrapper = script(tmp_path / "python", f'exec {real} "$@"')
    assert os.path.samefile(probe(str(wrapper), cache_dir=cache).executable, real)
    assert records(cache) == []
    other = pretend(tmp_path / "other", of_version("3.13.1"))
    wrapper.write_text(f'#!/bin/sh\nexec {other} "$@"\n')
    assert probe(str(wrapper), cache_dir=cache).executable == str(other)


def test_a_link_that_leads_elsewhere_is_asked_again(cache: str, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "python"
    for version in ("3.12.4", "3.13.1", "3.12.4"):
        python = pretend(tmp_path / version / "bin" / "python", of_version(version))
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(python)
        assert probe(str(link), cache_dir=cache).target.version == version


def test_another_interpreter_under_the_same_path_is_asked_again(cache: str, tmp_path: Path) -> None:
    path = tmp_path / "bin" / "python"
    for version in ("3.12.4", "3.12.5"):
        pretend(path, of_version(version))
        assert probe(str(path), cache_dir=cache).target.version == version
    assert len(records(cache)) == 1
    script(path, "exit 3")
    with pytest.raises(InterpreterFailed):
        probe(str(path), cache_dir=cache)


def test_a_real_interpreter_that_is_replaced_is_asked_again(cache: str, tmp_path: Path) -> None:
    prefix = Path(os.path.realpath(running().path)).parent.parent
    moved = tmp_path / "moved"
    (moved / "bin").mkdir(parents=True)
    for folder in prefix.glob("lib*"):
        (moved / folder.name).symlink_to(folder)
    path = moved / "bin" / os.path.basename(running().path)
    shutil.copy2(running().path, path)
    try:
        first = probe(str(path), cache_dir=cache)
    except InterpreterFailed:
        pytest.skip("this interpreter does not run away from its place")
    assert first.executable == str(path)
    replacement = pretend(tmp_path / "replacement", of_version("3.13.7"))
    os.replace(replacement, path)
    assert probe(str(path), cache_dir=cache).target.version == "3.13.7"


@pytest.mark.parametrize("python", too_old(), ids=str)
def test_a_python_that_is_too_old_is_named_with_its_version(python: Python, cache: str) -> None:
    with pytest.raises(InterpreterTooOld) as caught:
        probe(python.path, cache_dir=cache)
    assert caught.value.version.startswith(".".join(map(str, python.version)))
    assert caught.value.message.endswith("3.9 is the oldest that is supported")


def test_a_python_that_knows_no_isolated_mode_is_too_old(cache: str, tmp_path: Path) -> None:
    path = script(tmp_path / "python", "echo 'Unknown option: -I' >&2\nexit 2")
    with pytest.raises(InterpreterTooOld, match=r"is Python older than 3\.4"):
        probe(str(path), cache_dir=cache)


def test_nothing_at_a_path(cache: str, tmp_path: Path) -> None:
    with pytest.raises(InterpreterMissing, match="no such file or directory"):
        probe(str(tmp_path / "python"), cache_dir=cache)
    with pytest.raises(InterpreterMissing, match="not a directory"):
        probe(str(script(tmp_path / "file", "") / "python"), cache_dir=cache)


def test_a_link_to_nothing_says_what_it_links_to(cache: str, tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to("gone")
    with pytest.raises(InterpreterMissing, match="it links to `gone`, which is not there"):
        probe(str(tmp_path / "python"), cache_dir=cache)


def test_files_that_the_system_does_not_start(cache: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "empty").touch(mode=0o755)
    for path, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "plain", "permission denied"),
        (tmp_path / "empty", "exec format error"),
    ):
        with pytest.raises(InterpreterNotExecutable) as caught:
            probe(str(path), cache_dir=cache)
        assert caught.value.reason == reason
        assert str(path) in caught.value.message


def test_a_crash_is_shown_with_what_was_printed(cache: str, tmp_path: Path) -> None:
    path = script(tmp_path / "python", "echo half an answer\necho a reason >&2\nexit 7")
    with pytest.raises(InterpreterFailed) as caught:
        probe(str(path), cache_dir=cache)
    assert caught.value.status == 7
    assert caught.value.output == "half an answer\na reason"
    assert caught.value.message == (
        f"`{path}` ended with exit status 7 when asked what it is:\n"
        "    half an answer\n    a reason"
    )


def test_a_signal_is_named(cache: str, tmp_path: Path) -> None:
    path = script(tmp_path / "python", "kill -SEGV $$")
    with pytest.raises(InterpreterFailed, match="was ended by signal 11") as caught:
        probe(str(path), cache_dir=cache)
    assert caught.value.status == -11
    assert caught.value.message.endswith(", and printed nothing")


def test_a_long_output_is_shortened_in_the_message_alone(cache: str, tmp_path: Path) -> None:
    path = script(tmp_path / "python", "seq 1 500\nexit 1")
    with pytest.raises(InterpreterFailed) as caught:
        probe(str(path), cache_dir=cache)
    assert caught.value.output.splitlines() == [str(number) for number in range(1, 501)]
    assert caught.value.message.splitlines()[1:] == [
        "    …",
        *(f"    {number}" for number in range(491, 501)),
    ]


@pytest.mark.parametrize("body", ["", "echo Hello", "echo '{}'", "printf '\\377\\376'", "cat"])
def test_any_other_answer_is_unclear(body: str, cache: str, tmp_path: Path) -> None:
    path = script(tmp_path / "python", body)
    with pytest.raises(InterpreterUnclear, match="does not answer as a Python interpreter"):
        probe(str(path), cache_dir=cache)
    assert records(cache) == []


def test_endless_output_is_cut_off(cache: str, tmp_path: Path) -> None:
    path = script(tmp_path / "python", "while :; do echo y; done")
    with pytest.raises(InterpreterUnclear) as caught:
        probe(str(path), cache_dir=cache)
    assert len(caught.value.output) < 2**20


@pytest.mark.parametrize(
    "body",
    ["sleep 600", "exec 1>&- 2>&-; sleep 600", "echo still here; sleep 600"],
    ids=["silent", "closed", "talking"],
)
def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    body: str, cache: str, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    path = script(tmp_path / "python", f"sleep 601 & echo $! > {note}\n{body}")
    with pytest.raises(InterpreterHung, match=r"gave no answer within 2 s") as caught:
        probe(str(path), cache_dir=cache, time_limit=2.0)
    assert caught.value.output == ("still here" if "still" in body else "")
    child = int(note.read_text())
    for _ in range(200):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat")
        # Ended, but nobody has asked yet how.
        return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_a_damaged_record_is_as_good_as_none(data: st.DataObject, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    path = str(pretend(tmp_path / "python", linux_313))
    expected = probe(path, cache_dir=cache)
    (record,) = records(cache)
    whole = record.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    record.write_bytes(data.draw(st.sampled_from([flipped, whole[:at], whole + b"\0", b""])))
    assert probe(path, cache_dir=cache) == expected
    assert record.read_bytes() == whole


def test_a_record_of_another_version_of_the_program_is_not_read(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(pretend(tmp_path / "python", linux_313))
    probe(path, cache_dir=cache)
    monkeypatch.setattr(probe_module, "__version__", "0.0.0")
    probe(path, cache_dir=cache)
    assert len(records(cache)) == 2


def test_another_kernel_makes_the_interpreter_asked_again(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pretend(tmp_path / "python", linux_313)
    probe(str(path), cache_dir=cache)
    before = records(cache)[0].read_bytes()
    machine = os.uname()
    newer = os.uname_result((machine[0], machine[1], "99.0", machine[3], machine[4]))
    monkeypatch.setattr(os, "uname", lambda: newer)
    probe(str(path), cache_dir=cache)
    assert records(cache)[0].read_bytes() != before


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    path = str(pretend(tmp_path / "python", linux_313))
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert probe(path, cache_dir=str(folder)).executable == path


def test_nothing_is_left_beside_a_record(cache: str, tmp_path: Path) -> None:
    probe(str(pretend(tmp_path / "python", linux_313)), cache_dir=cache)
    assert len(list(Path(cache, "interpreters").iterdir())) == 1


def test_a_relocatable_build_is_taken_where_its_library_is_beside_it(
    cache: str, tmp_path: Path
) -> None:
    library = tmp_path / "cpython-3.13.0" / "lib" / "python3.13"
    library.mkdir(parents=True)
    (library / "os.py").touch()
    (tmp_path / "cpython-3.13").symlink_to("cpython-3.13.0")
    standalone = replace(linux_313, standalone=True)
    bin_folder = tmp_path / "cpython-3.13.0" / "bin"
    bin_folder.mkdir()
    link = tmp_path / "tools" / "python3"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "cpython-3.13" / "bin" / "python3.13")
    pretend(bin_folder / "python3.13", standalone)
    text = (bin_folder / "python3.13").read_text()
    (bin_folder / "python3.13").write_text(text.replace(str(bin_folder / "python3.13"), str(link)))
    executable = probe(str(link), cache_dir=cache).executable
    assert executable == str(tmp_path / "cpython-3.13" / "bin" / "python3.13")


def test_recalling_loads_nothing_that_is_heavy(cache: str, tmp_path: Path) -> None:
    path = running().path
    probe(path, cache_dir=cache)
    program = (
        "import sys\n"
        "from envbuild.target.probe import probe\n"
        f"probe({path!r}, cache_dir={cache!r}).target.digest\n"
        "heavy = 'packaging subprocess json tempfile typing pathlib selectors'.split()\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"


def test_the_answer_is_the_same_wherever_it_is_given(cache: str, tmp_path: Path) -> None:
    interpreters: list[Interpreter] = []
    for folder in ("one", "two"):
        path = pretend(tmp_path / folder / "python", linux_313)
        interpreters.append(probe(str(path), cache_dir=cache))
    assert interpreters[0].target.digest == interpreters[1].target.digest
