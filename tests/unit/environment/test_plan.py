from __future__ import annotations

import pytest

from envbuild.derivation.payload import payload_digest, symbolic_tree
from envbuild.digest import Digest, digest_of
from envbuild.environment.frame import Frame
from envbuild.environment.manifest import (
    ManifestDistribution,
    ManifestEditable,
    WrittenDigest,
)
from envbuild.environment.placement import Placement
from envbuild.environment.plan import (
    EXECUTABLE,
    build_manifest,
    describe_distribution,
    frame_for,
)
from envbuild.environment.written import PROJECT, direct_url
from envbuild.frozen import replace
from envbuild.selection.model import LocalTree, SelectedPackage, Wheel
from envbuild.target.model import Target
from support.trees import unpacked
from unit.target.recorded import LINUX_313, MACOS_ARM_312

INFO = "lib/python3.13/site-packages/{}-1.dist-info"
INDEX = "https://index.example/simple"


def selected(name: str, **given: object) -> SelectedPackage:
    wheel = Wheel(filename=f"{name}-1-py3-none-any.whl", location="x", hash=None, size=None)
    package = SelectedPackage(
        name=name,
        version="1",
        source="registry",
        source_location=INDEX,
        subdirectory="",
        distribution=wheel,
        requested=False,
    )
    return replace(package, **given)


def edited(location: str = "packages/live", **given: object) -> SelectedPackage:
    """Return a package that is used where it lies."""
    return selected(
        "live",
        source="editable",
        source_location=location,
        distribution=LocalTree(location=location, editable=True),
        **given,
    )


def placed(name: str, target: Target = LINUX_313, *, code: bytes = b"1") -> Placement:
    files = {
        f"{name}.py": code,
        f"{name}-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        f"{name}-1.dist-info/entry_points.txt": f"[console_scripts]\n{name} = m:f\n".encode(),
    }
    return unpacked(files).place(name, target.scheme)


def environment(*packages: SelectedPackage, target: Target = LINUX_313) -> Digest:
    return build_manifest(
        target,
        [
            describe_distribution(
                target,
                package,
                placed(package.name, target),
                direct_url(package, lock_folder=PROJECT),
            )
            for package in packages
        ],
    ).digest


def test_a_manifest_lists_what_is_linked_and_what_is_written() -> None:
    package = selected("demo", source="path", source_location="../demo.whl", requested=True)
    placement = placed("demo")
    distribution = describe_distribution(LINUX_313, package, placement, b"{}")
    manifest = build_manifest(LINUX_313, [distribution])
    assert manifest.distributions == (distribution,)
    assert distribution == ManifestDistribution(
        name="demo",
        version="1",
        tree=placement.tree,
        requested=True,
        direct_url="{}",
        written=distribution.written,
    )
    info = INFO.format("demo")
    written = {file.path: file for file in distribution.written}
    assert list(written) == sorted(
        [
            "bin/demo",
            f"{info}/INSTALLER",
            f"{info}/RECORD",
            f"{info}/REQUESTED",
            f"{info}/direct_url.json",
            f"{info}/uv_cache.json",
        ]
    )
    assert [path for path, file in written.items() if file.executable] == ["bin/demo"]
    assert written[f"{info}/REQUESTED"].digest == digest_of(b"")
    launcher = b"#!{prefix}/bin/python\n" + placement.launchers[0][1]
    assert written["bin/demo"].digest == digest_of(launcher)
    assert ("bin/python", EXECUTABLE) in manifest.links
    assert {"pyvenv.cfg", "bin/activate"} <= {file.path for file in manifest.skeleton}
    assert WrittenDigest(path=".gitignore", digest=digest_of(b"*\n"), executable=False) in (
        manifest.skeleton
    )


def test_the_order_of_packages_does_not_matter() -> None:
    one, other = selected("one"), selected("other")
    assert environment(one, other) == environment(other, one)


@pytest.mark.parametrize(
    "target",
    [
        replace(LINUX_313, libc="musl 1.2"),
        replace(LINUX_313, tags=LINUX_313.tags[1:]),
        replace(
            LINUX_313,
            markers={**LINUX_313.markers, "platform_release": "7", "platform_version": "8"},
        ),
    ],
)
def test_what_only_decides_which_wheels_fit_is_no_part_of_an_environment(target: Target) -> None:
    assert environment(selected("demo"), target=target) == environment(selected("demo"))


@pytest.mark.parametrize(
    "package",
    [
        selected("demo", source_location="https://mirror.example/simple"),
        selected(
            "demo",
            distribution=Wheel(
                filename="demo-1-py3-none-any.whl", location="y", hash="sha256:0", size=3
            ),
        ),
    ],
)
def test_where_a_wheel_of_an_index_was_is_no_part_of_an_environment(
    package: SelectedPackage,
) -> None:
    assert environment(package) == environment(selected("demo"))


@pytest.mark.parametrize(
    ("package", "target"),
    [
        (selected("other"), LINUX_313),
        (selected("demo", version="2"), LINUX_313),
        (selected("demo", requested=True), LINUX_313),
        (selected("demo", source="path", source_location="a.whl"), LINUX_313),
        (selected("demo"), MACOS_ARM_312),
        (selected("demo"), replace(LINUX_313, version="3.13.1")),
        (selected("demo"), replace(LINUX_313, scheme=replace(LINUX_313.scheme, scripts="Scripts"))),
    ],
)
def test_everything_that_is_in_an_environment_is_part_of_its_digest(
    package: SelectedPackage, target: Target
) -> None:
    assert environment(package, target=target) != environment(selected("demo"))


def test_changed_code_changes_the_identity() -> None:
    package = selected("demo")
    digests = {
        describe_distribution(LINUX_313, package, placed("demo", code=code), None).digest
        for code in (b"1", b"2")
    }
    assert len(digests) == 2


LIVE = {
    "live-1.dist-info/METADATA": b"Name: live\n",
    "live-1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
    "live-1.dist-info/entry_points.txt": b"[console_scripts]\nlive = m:f\n",
}


def described(folder: str, package: SelectedPackage, pth: str = "{}/src\n") -> ManifestDistribution:
    """Describe an editable whose wheel was built to lead to `folder`."""
    wheel = unpacked({**LIVE, "live.pth": pth.format(folder).encode()})
    symbolic = symbolic_tree(wheel.tree, folder, wheel.blobs.__getitem__)
    return describe_distribution(
        LINUX_313,
        package,
        wheel.place("live", LINUX_313.scheme),
        direct_url(package, lock_folder=PROJECT),
        payload=payload_digest(symbolic, wheel.blobs.__getitem__),
    )


def test_an_editable_is_described_by_its_folder_and_its_payload() -> None:
    found = described("/srv/app/packages/live", edited(requested=True))
    assert found.tree is None
    assert found.editable is not None
    assert found.editable.folder == "packages/live"
    info = INFO.format("live")
    assert [file.path for file in found.written] == sorted(
        [
            "bin/live",
            *(
                f"{info}/{name}"
                for name in ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
            ),
        ]
    )
    assert found.direct_url is not None
    assert "{project}/packages/live" in found.direct_url


def test_an_editable_is_the_same_in_every_checkout() -> None:
    places = ("/srv/app/packages/live", "/src/packages/live", "/home/me/copy of app/packages/live")
    assert len({described(place, edited()).digest for place in places}) == 1


@pytest.mark.parametrize(
    "other",
    [
        described("/srv/live", edited(), "{}/lib\n"),
        described("/srv/live", edited("packages/other")),
        described("/srv/live", edited(version="2")),
        described("/srv/live", edited(requested=True)),
    ],
    ids=["payload", "folder in the lock", "version", "requested"],
)
def test_another_editable_is_another_distribution(other: ManifestDistribution) -> None:
    assert other.digest != described("/srv/live", edited()).digest


def test_what_is_not_editable_after_all_has_its_tree() -> None:
    package = edited()
    placement = placed("live")
    found = describe_distribution(LINUX_313, package, placement, None)
    assert (found.tree, found.editable) == (placement.tree, None)
    payload = Digest("0" * 64)
    as_editable = describe_distribution(LINUX_313, package, placement, None, payload=payload)
    assert as_editable.editable == ManifestEditable(folder="packages/live", payload=payload)
    info = INFO.format("live")
    assert {file.path for file in found.written} - {file.path for file in as_editable.written} == {
        f"{info}/RECORD"
    }


def test_a_manifest_put_together_from_its_frame_is_the_one_encoded_as_a_whole() -> None:
    distributions = [
        describe_distribution(LINUX_313, selected(name), placed(name), None)
        for name in ("demo", "other")
    ]
    frame = frame_for(LINUX_313)
    for some in (distributions, distributions[:1], []):
        manifest = build_manifest(LINUX_313, some)
        assert frame.manifest_of(each.encode() for each in some) == manifest.encode()
        assert frame.skeleton.identity == manifest.skeleton_digest
    assert Frame.from_tuple(frame.as_tuple()) == frame
