"""Activation for the command prompt of Windows, and the commands that go with it."""

from __future__ import annotations

# The scripts find the environment by their own place: no text of another's choosing enters a
# language whose quoting depends on what is done with it next.
ACTIVATE = """\
@rem Puts the Python environment around this file first on PATH. `deactivate` puts everything back.

@if defined _OLD_VIRTUAL_PATH call "%~dp0deactivate.bat"

@for %%i in ("%~dp0..") do @set "VIRTUAL_ENV=%%~fi"
@for %%i in ("%VIRTUAL_ENV%") do @set "VIRTUAL_ENV_PROMPT=%%~nxi"

@set "_OLD_VIRTUAL_PATH=%PATH%"
@set "PATH=%VIRTUAL_ENV%\\@SCRIPTS@;%PATH%"

@if defined PYTHONHOME set "_OLD_VIRTUAL_PYTHONHOME=%PYTHONHOME%"
@set PYTHONHOME=

@if not defined PROMPT set "PROMPT=$P$G"
@if not defined VIRTUAL_ENV_DISABLE_PROMPT set "_OLD_VIRTUAL_PROMPT=%PROMPT%"
@if not defined VIRTUAL_ENV_DISABLE_PROMPT set "PROMPT=(%VIRTUAL_ENV_PROMPT%) %PROMPT%"
"""

DEACTIVATE = """\
@rem Undoes what `activate` did.

@if defined _OLD_VIRTUAL_PATH set "PATH=%_OLD_VIRTUAL_PATH%"
@set _OLD_VIRTUAL_PATH=

@if defined _OLD_VIRTUAL_PYTHONHOME set "PYTHONHOME=%_OLD_VIRTUAL_PYTHONHOME%"
@set _OLD_VIRTUAL_PYTHONHOME=

@if defined _OLD_VIRTUAL_PROMPT set "PROMPT=%_OLD_VIRTUAL_PROMPT%"
@set _OLD_VIRTUAL_PROMPT=

@set VIRTUAL_ENV=
@set VIRTUAL_ENV_PROMPT=
"""

PYDOC = """\
@rem The documentation of what is installed here.

@"%~dp0python" -m pydoc %*
"""
