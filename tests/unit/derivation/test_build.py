"""What a build is known by: every field of it, and nothing else."""

from __future__ import annotations

import pytest

from envbuild import __version__, canonical
from envbuild.derivation import build as build_module
from envbuild.derivation.build import BuildWheel
from envbuild.derivation.sources import Fact, LocalSource
from envbuild.digest import Digest
from envbuild.frozen import replace
from support.build_identity import (
    BASE,
    MATTERS,
    PAYLOADS,
    SETUPTOOLS,
    TREE,
    digest,
    fetched,
    unpack,
)

KEY = BASE.resolved_key(TREE, PAYLOADS)


def key(changed: BuildWheel, tree: Digest = TREE, **payloads: Digest) -> Digest:
    return changed.resolved_key(tree, PAYLOADS | payloads)


def test_another_input_is_another_build_and_no_two_changes_come_to_the_same() -> None:
    keys = {name: canonical.digest(form) for name, form in MATTERS.items()}
    assert len({*keys.values(), KEY}) == len(keys) + 1


def test_the_number_of_the_builder_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "BUILDER", build_module.BUILDER + 1)
    assert key(BASE) != KEY


DOES_NOT_MATTER: dict[str, BuildWheel] = {
    "name of the source archive": replace(BASE, source=fetched("renamed.tar.gz")),
    "hash of the source archive": replace(BASE, source=fetched("made-1.0.tar.gz", hash_=None)),
    "kind of source": replace(BASE, source=LocalSource(tree=digest("8"))),
    "archive of a dependency": replace(
        BASE,
        environment=(replace(SETUPTOOLS, made_by=unpack("setuptools", sha256="c" * 64)),),
    ),
    "how a dependency was made": replace(
        BASE, environment=(replace(SETUPTOOLS, made_by=replace(BASE, distribution="setuptools")),)
    ),
    "rung of one level": replace(BASE, rung="namespaces"),
}


@pytest.mark.parametrize("changed", DOES_NOT_MATTER.values(), ids=DOES_NOT_MATTER)
def test_how_equal_inputs_came_about_does_not_matter(changed: BuildWheel) -> None:
    assert key(changed) == KEY


def test_order_of_settings_does_not_matter() -> None:
    one, other = {"a": ("1",), "b": ("2",)}, {"b": ("2",), "a": ("1",)}
    assert key(replace(BASE, config_settings=one)) == key(replace(BASE, config_settings=other))
    assert key(replace(BASE, config_settings={"a": ("1", "2")})) != key(
        replace(BASE, config_settings={"a": ("2", "1")})
    )


def test_neither_places_nor_our_own_version_are_in_it() -> None:
    text = canonical.encode(BASE.resolved(TREE, PAYLOADS)).decode()
    assert __version__ not in text
    assert "/" not in text.replace("packages/", "")


def test_an_editable_names_the_one_place_that_it_means_something_in() -> None:
    form = replace(BASE, editable="/srv/app").resolved(TREE, PAYLOADS)
    assert form == BASE.resolved(TREE, PAYLOADS) | {"editable": "/srv/app"}


def test_facts_are_in_the_resolved_form_as_in_that_of_the_source() -> None:
    source = LocalSource(
        tree=TREE,
        facts=(
            Fact(kind="environment", name="MODE", value=None),
            Fact(kind="git-commit", name="", value="c0" * 20),
        ),
    )
    form = replace(BASE, source=source).resolved(TREE, PAYLOADS)
    assert form["source"] == {"facts": source.as_json()["facts"], "tree": TREE}
    assert BASE.resolved(TREE, PAYLOADS)["source"] == {"facts": [], "tree": TREE}


def test_the_name_depends_on_how_inputs_are_made() -> None:
    same = {DOES_NOT_MATTER[name].digest for name in ("rung of one level",)}
    assert same == {BASE.digest}
    assert DOES_NOT_MATTER["archive of a dependency"].digest != BASE.digest
    assert DOES_NOT_MATTER["kind of source"].digest != BASE.digest
