"""Asking the schemas."""

from __future__ import annotations

import functools
import json
import tomllib
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pathlib import Path


def check_schema(schema: object) -> None:
    """Raise where `schema` is no JSON Schema."""
    Draft202012Validator.check_schema(schema)


@functools.cache
def validator(v1: Path, kind: str) -> Draft202012Validator:
    """Return the validator of the records of one kind."""
    schema = json.loads((v1 / f"schema/{kind}.schema.json").read_bytes())
    return Draft202012Validator(schema)


def schema_faults(v1: Path, kind: str, data: bytes) -> list[str]:
    """Return what the schema of `kind` says against the JSON or TOML in `data`."""
    value: Any = tomllib.loads(data.decode()) if kind == "build-lock" else json.loads(data)
    return [error.message for error in validator(v1, kind).iter_errors(value)]
