"""The formats of records: how the code reads and writes each, and the values of its vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envbuild import canonical
from envbuild.derivation.build import (
    Backend,
    BuildWheel,
    Dependency,
    InterpreterIdentity,
    Platform,
    Program,
    Toolchain,
)
from envbuild.derivation.model import Fetch, Unpack, decode_derivation
from envbuild.derivation.payload import payload_digest, symbolic_tree
from envbuild.derivation.sources import (
    PRESENT,
    Checkout,
    Fact,
    FileOfTree,
    LocalSource,
    UnpackSource,
)
from envbuild.digest import Digest, digest_of
from envbuild.environment.manifest import (
    Manifest,
    ManifestDistribution,
    ManifestEditable,
    WrittenDigest,
    decode_manifest,
)
from envbuild.environment.written import INSTALLER
from envbuild.frozen import replace
from envbuild.store.records import (
    ArchiveOutput,
    BuildOutput,
    Realisation,
    RebuildOutput,
    TreeOutput,
    decode_realisation,
    decode_root,
)
from envbuild.store.root_records import EnvironmentRoot, NamedRoot
from envbuild.store.tree import Tree, decode_tree
from envbuild.target.model import Scheme
from store_layout.build_locks import BUILD_LOCKS, decode_build_lock, encode_build_lock
from support.build_identity import BASE, MATTERS, TREE
from support.build_identity import PAYLOADS as BASE_PAYLOADS
from support.stores import file_entry, link_entry, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Format:
    """One kind of record.

    Attributes:
        kind: folder of its vectors, and name of its schema where it has one.
        decode: canonical bytes to a value.
        encode: the inverse.
        values: the values of the vectors, by name.
        suffix: of the vectors' names.
    """

    kind: str
    decode: Callable[[bytes], object]
    encode: Callable[[object], bytes]
    values: Mapping[str, object]
    has_schema: bool = True
    suffix: str = ".json"


def encode_value(value: object) -> bytes:
    """Return the canonical bytes of a record or of a JSON value."""
    match value:
        case Tree() | Realisation() | Manifest() | EnvironmentRoot() | NamedRoot():
            return value.encode()
        case _:
            return canonical.encode(value)  # type: ignore[arg-type]


MODULE = b"VERSION = 1\n"
SCRIPT = b"#!python\nprint('hello')\n"
FETCH = Fetch(name="demo-1.0-py3-none-any.whl", hash="sha256:" + "5e" * 32, location=None)
UNPACK = Unpack(source=FETCH, distribution="demo", version="1.0")
UNPACK_SOURCE = UnpackSource(
    source=Fetch(name="demo-1.0.tar.gz", hash="sha256:" + "5d" * 32, location=None),
    distribution="demo",
    version="1.0",
)
CHECKOUT = Checkout(commit="c0" * 20)
KEY = UNPACK.resolved_key("5e" * 32)
ONE_FILE = tree_of({"demo/__init__.py": MODULE})

SMALL = Manifest(
    implementation="cpython",
    version="3.13.0",
    cache_tag="cpython-313",
    soabi="cpython-313-x86_64-linux-gnu",
    abi_flags="",
    platform="linux-x86_64",
    scheme=Scheme(
        purelib="lib/python3.13/site-packages",
        platlib="lib/python3.13/site-packages",
        scripts="bin",
        data="",
        headers="include/site/python3.13",
    ),
    distributions=(
        ManifestDistribution(
            name="demo",
            version="1.0",
            tree=ONE_FILE.digest,
            requested=True,
            direct_url=None,
            written=(
                WrittenDigest(
                    path="bin/demo",
                    digest=digest_of(b"#!{prefix}/bin/python\n"),
                    executable=True,
                ),
            ),
        ),
    ),
    skeleton=(
        WrittenDigest(path="pyvenv.cfg", digest=digest_of(b"home = {home}\n"), executable=False),
    ),
    links=(("bin/python", "{executable}"), ("lib64", "lib")),
    writer=1,
)
MANIFEST = Digest("4d" * 32)
LIVE_FOLDER = "/srv/app/packages/live"
LIVE_FILES = {
    "live.pth": f"{LIVE_FOLDER}/src\n".encode(),
    "live-0.1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: live\nVersion: 0.1\n",
    "live-0.1.dist-info/RECORD": b"live.pth,,\n",
    "live-0.1.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: demo.build\n",
}
LIVE_TREE = tree_of(LIVE_FILES)
LIVE_BLOBS = {digest_of(content): content for content in LIVE_FILES.values()}
LIVE_PAYLOAD = payload_digest(
    symbolic_tree(LIVE_TREE, LIVE_FOLDER, LIVE_BLOBS.__getitem__), LIVE_BLOBS.__getitem__
)
LIVE = ManifestDistribution(
    name="live",
    version="0.1",
    tree=None,
    editable=ManifestEditable(folder="packages/live", payload=LIVE_PAYLOAD),
    requested=True,
    direct_url='{"dir_info":{"editable":true},"url":"file://{project}/packages/live"}',
    written=(
        WrittenDigest(
            path="lib/python3.13/site-packages/live-0.1.dist-info/INSTALLER",
            digest=digest_of(INSTALLER),
            executable=False,
        ),
    ),
)

MANIFESTS: dict[str, object] = {
    "small": SMALL,
    "nothing-installed": replace(SMALL, distributions=()),
    "from-a-path": replace(
        SMALL,
        distributions=tuple(
            replace(each, direct_url='{"url":"file://{project}/wheels/demo-1.0-py3-none-any.whl"}')
            for each in SMALL.distributions
        ),
    ),
    "two-distributions": replace(
        SMALL,
        distributions=(
            *SMALL.distributions,
            replace(SMALL.distributions[0], name="demo-extras", requested=False, written=()),
        ),
    ),
    "editable": replace(SMALL, distributions=(*SMALL.distributions, LIVE)),
    "paths-left-out": replace(
        SMALL,
        distributions=(
            *SMALL.distributions,
            replace(
                SMALL.distributions[0],
                name="demo-fork",
                requested=False,
                written=(),
                excluded=("bin/demo", "lib/python3.13/site-packages/demo/__init__.py"),
            ),
        ),
    ),
}

TREES: dict[str, object] = {
    "empty": Tree(entries=()),
    "one-file": ONE_FILE,
    "empty-file": tree_of({"demo/py.typed": b""}),
    "executable": tree_of({"demo/data.txt": SCRIPT}, {"demo-1.0.data/scripts/demo": SCRIPT}),
    "order-of-paths": tree_of(
        dict.fromkeys(("a/b", "a.b", "a-b", "B", "aa", "a0", "\u00e9", "\uff5e", "\U0001f600"), b"")
    ),
    "unicode": tree_of({"docs/e\u0301 and \u00e9.txt": b"not normalised\n", 'quote"tab\t': b""}),
    "symlinks": Tree.of(
        (
            file_entry("lib/libdemo.so.1.2", b"\x7fELF"),
            link_entry("lib/libdemo.so", "libdemo.so.1.2"),
            link_entry("bin/here", "../lib/./libdemo.so"),
            link_entry("dangling", "nowhere/at all"),
        )
    ),
}

SOURCES = UnpackSource(
    source=Fetch(name="built-2.0.tar.gz", hash="sha256:" + "5d" * 32, location=None),
    distribution="built",
    version="2.0",
)
BUILD = BuildWheel(
    source=SOURCES,
    distribution="built",
    version="2.0",
    backend=Backend(name="demo.build", path=()),
    requires=("demo>=1",),
    environment=(Dependency(name="demo", version="1.0", made_by=UNPACK),),
    interpreter=InterpreterIdentity(
        implementation="cpython",
        version="3.13.0",
        cache_tag="cpython-313",
        soabi="cpython-313-x86_64-linux-gnu",
        ext_suffix=".cpython-313-x86_64-linux-gnu.so",
        abi_flags="",
        pointer_bits=64,
        is_debug=False,
        variables=Digest("1a" * 32),
        headers=Digest("1b" * 32),
    ),
    platform=Platform(name="linux-x86_64", libc="glibc 2.36", tags=Digest("1c" * 32)),
    toolchain=Toolchain(
        level="probed",
        programs=(Program(name="cc", version="cc 12.2.0", digest=Digest("1d" * 32)),),
    ),
    rung="bubblewrap",
)
SOURCE_TREE = Digest("5c" * 32)
PAYLOADS = {"demo": Digest("5b" * 32)}
LOCAL = LocalSource(
    tree=ONE_FILE.digest,
    facts=(
        Fact(kind="environment", name="BUILD_MODE", value=digest_of(b"release")),
        Fact(kind="folder", name="src", value=PRESENT),
    ),
)
EDITABLE = replace(BUILD, source=LOCAL, distribution="live", version=None, editable=LIVE_FOLDER)
BUILD_KEY = BUILD.resolved_key(SOURCE_TREE, PAYLOADS)

_PLAIN = str.maketrans({" ": "-", "'": None})

DERIVATIONS: dict[str, object] = {
    "build-wheel": BUILD.as_json(),
    "build-wheel-resolved": BUILD.resolved(SOURCE_TREE, PAYLOADS),
    "identity": BASE.resolved(TREE, BASE_PAYLOADS),
    # Each differs from that in the one input that it is called by.
    **{f"identity-{name.translate(_PLAIN)}": form for name, form in MATTERS.items()},
    "build-wheel-with-everything": replace(
        BUILD,
        subdirectory="packages/built",
        backend=Backend(name="backend:api", path=("tools", ".")),
        config_settings={"--global-option": ("-v", "-v"), "setup-args": ()},
        variables={"CFLAGS": "-O1", "EMPTY": ""},
        rung="landlock",
        network=True,
        salt="2026-11",
    ).resolved(SOURCE_TREE, PAYLOADS),
    "build-wheel-by-itself": replace(
        BUILD,
        backend=Backend(name="own", path=(".",)),
        requires=(),
        environment=(),
        toolchain=Toolchain(level="open"),
        rung="none",
    ).as_json(),
    "build-wheel-editable": EDITABLE.as_json(),
    "build-wheel-editable-resolved": EDITABLE.resolved(LOCAL.tree, PAYLOADS),
    "checkout": CHECKOUT.as_json(),
    "checkout-with-lfs": replace(CHECKOUT, lfs=True).as_json(),
    "fetch": FETCH.as_json(),
    "fetch-sha512": Fetch(
        name="demo-1.0-py3-none-any.whl", hash="sha512:" + "7d" * 64, location=None
    ).as_json(),
    "fetch-without-hash": Fetch(
        name="demo-1.0-py3-none-any.whl",
        hash=None,
        location="https://index.example/files/demo-1.0-py3-none-any.whl",
    ).as_json(),
    "source": LocalSource(tree=ONE_FILE.digest).as_json(),
    "source-with-facts": LocalSource(
        tree=ONE_FILE.digest,
        facts=(
            Fact(kind="environment", name="BUILD_MODE", value=digest_of(b"release")),
            Fact(kind="environment", name="CFLAGS", value=None),
            Fact(kind="folder", name="generated", value=None),
            Fact(kind="folder", name="src", value=PRESENT),
            Fact(kind="git-commit", name="", value="c0" * 20),
            Fact(kind="git-tags", name="", value=canonical.digest(["refs/tags/v1 " + "c1" * 20])),
        ),
    ).as_json(),
    "source-without-repository": LocalSource(
        tree=ONE_FILE.digest,
        facts=(
            Fact(kind="git-commit", name="", value=None),
            Fact(kind="git-tags", name="", value=None),
        ),
    ).as_json(),
    "unpack": UNPACK.as_json(),
    "unpack-resolved": UNPACK.resolved("5e" * 32),
    "unpack-unverified": Unpack(
        source=FETCH, distribution="demo", version="1.0", verify_record=False
    ).resolved("5e" * 32),
    "unpack-of-checkout": replace(
        UNPACK, source=FileOfTree(tree=CHECKOUT, path="dist/demo-1.0-py3-none-any.whl")
    ).as_json(),
    "unpack-source": UNPACK_SOURCE.as_json(),
    "unpack-source-resolved": UNPACK_SOURCE.resolved("5d" * 32),
    "unpack-source-of-any": replace(UNPACK_SOURCE, distribution=None, version=None).as_json(),
    "unpack-source-of-checkout": replace(
        UNPACK_SOURCE, source=FileOfTree(tree=CHECKOUT, path="vendor/demo-1.0.tar.gz")
    ).as_json(),
}

REALISATIONS: dict[str, object] = {
    "tree": Realisation(
        resolved_key=KEY,
        output=TreeOutput(digest=ONE_FILE.digest),
        name="demo-1.0-py3-none-any.whl",
    ),
    "notes": Realisation(
        resolved_key=KEY,
        output=TreeOutput(digest=ONE_FILE.digest),
        name="demo-1.0-py3-none-any.whl",
        notes=("`demo/a.py` is not as RECORD says", "`demo/b.py` is not in RECORD"),
    ),
    "build": Realisation(
        resolved_key=BUILD_KEY,
        output=BuildOutput(
            digest=ONE_FILE.digest,
            archive="5f" * 32,
            duration_ms=1234,
            log=Digest("6c" * 32),
            payload=Digest("6d" * 32),
            rung="bubblewrap",
        ),
        name="built-2.0-py3-none-any.whl",
    ),
    "rebuild": Realisation(
        resolved_key=BUILD_KEY,
        output=RebuildOutput(
            digest=Digest("8c" * 32),
            archive="6f" * 32,
            duration_ms=2345,
            log=Digest("7c" * 32),
            payload=Digest("7d" * 32),
            rung="namespaces",
        ),
        name="built-2.0-py3-none-any.whl",
    ),
    "archive": Realisation(
        resolved_key=Digest("3c" * 32),
        output=ArchiveOutput(sha256="5e" * 32, size=12_345),
        name="demo-1.0-py3-none-any.whl",
    ),
}

ROOTS: dict[str, object] = {
    "environment": EnvironmentRoot(path="/srv/app/.venv", manifest=MANIFEST),
    "environment-unicode": EnvironmentRoot(path="/srv/Grüße 1/.venv", manifest=MANIFEST),
    "named": NamedRoot(name="release-3", manifest=MANIFEST),
}

CANONICAL: dict[str, object] = {
    "null": None,
    "booleans": [False, True],
    "integers": [0, -1, canonical.LARGEST_INTEGER, -canonical.LARGEST_INTEGER],
    "empty-containers": [{}, [], ""],
    "order-of-keys": {"b": 1, "a": 2, "B": 3, "_": 4, "aa": 5, "1": 6, "": 7},
    "control-characters": "".join(map(chr, range(0x20))),
    "no-needless-escapes": "/ \x7f \u0080 \u00e9 \u2028 \u2029 \ufeff \uffff \U0001f600 \U0010ffff",
    "escapes": '"\\',
    "depth": {"a": [{"b": [[{"c": "d"}]]}]},
}


def decode_canonical(data: bytes) -> object:
    """Return the value of canonical JSON."""
    return canonical.decode(data, what="vector")


FORMATS = (
    Format("canonical-json", decode_canonical, encode_value, CANONICAL, has_schema=False),
    Format("tree", decode_tree, encode_value, TREES),
    Format("derivation", decode_derivation, encode_value, DERIVATIONS),
    Format("realisation", decode_realisation, encode_value, REALISATIONS),
    Format("manifest", decode_manifest, encode_value, MANIFESTS),
    Format("root", decode_root, encode_value, ROOTS),
    Format("build-lock", decode_build_lock, encode_build_lock, BUILD_LOCKS, suffix=".toml"),
)
BY_KIND = {each.kind: each for each in FORMATS}
