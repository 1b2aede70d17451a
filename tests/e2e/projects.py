"""Real projects of many kinds, each as the files that its author would have written.

They are locked when a test runs, so their dependencies move with the index; `no-build` keeps these
to what has wheels. `imports` are modules that must be importable with the first of the `variants`,
arguments that `envbuild realize` and `uv sync` both understand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project: `files` beside its `pyproject.toml`, several `variants` of what is asked."""

    name: str
    pyproject: str
    imports: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[tuple[str, ...], ...] = ((),)


def _plain(name: str, *dependencies: str, requires_python: str = ">=3.11", more: str = "") -> str:
    listed = "".join(f'  "{dependency}",\n' for dependency in dependencies)
    return f"""\
[project]
name = "{name}"
version = "1"
requires-python = "{requires_python}"
dependencies = [
{listed}]

[tool.uv]
package = false
no-build = true
{more}"""


PROJECTS = (
    Project(
        name="tiny",
        pyproject=_plain("tiny", "requests"),
        imports=("requests", "urllib3", "idna"),
    ),
    Project(
        name="cli",
        pyproject=_plain("cli", "typer", "click", "httpie", "black", "ruff", "rich-cli", "tqdm"),
        imports=("typer", "httpie", "black", "rich", "tqdm"),
    ),
    Project(
        name="web",
        pyproject=_plain(
            "web", "fastapi[standard]", "sqlalchemy[asyncio]", "alembic", "flask", "gunicorn",
            more="""
[dependency-groups]
dev = ["pytest", "pytest-cov", { include-group = "types" }]
types = ["types-requests", "types-PyYAML"]
docs = ["mkdocs-material"]
""",
        ),
        imports=("fastapi", "uvicorn", "sqlalchemy", "greenlet", "alembic.command", "flask"),
        variants=(
            (),
            ("--no-dev",),
            ("--group", "docs"),
            ("--only-group", "types"),
            ("--all-groups",),
        ),
    ),
    Project(
        name="django",
        pyproject=_plain(
            "django-site", "django", "djangorestframework", "celery[redis]", "psycopg[binary]",
            "whitenoise", "django-debug-toolbar", "pillow",
        ),
        imports=("django", "rest_framework", "celery", "psycopg", "PIL.Image"),
    ),
    Project(
        name="data",
        pyproject=_plain("data", "pandas", "matplotlib", "openpyxl", "duckdb", "seaborn"),
        imports=("pandas", "matplotlib.pyplot", "openpyxl", "duckdb", "numpy"),
    ),
    Project(
        name="science",
        pyproject=_plain("science", "scipy", "scikit-learn", "sympy", "networkx", "xarray"),
        imports=("scipy.linalg", "sklearn.linear_model", "sympy", "networkx", "xarray"),
    ),
    Project(
        name="notebook",
        pyproject=_plain("notebook-user", "jupyterlab", "ipywidgets", "nbconvert"),
        imports=("jupyterlab", "ipywidgets", "nbconvert", "zmq", "IPython"),
    ),
    Project(
        name="cloud",
        pyproject=_plain(
            "cloud", "boto3", "google-cloud-storage", "google-cloud-pubsub", "azure-storage-blob",
            "azure-identity", "kubernetes",
        ),
        imports=(
            "boto3", "google.cloud.storage", "google.cloud.pubsub_v1", "azure.storage.blob",
            "azure.identity", "kubernetes", "grpc",
        ),
    ),
    Project(
        name="typed",
        pyproject=_plain(
            "typed", "mypy", "pydantic-settings", "attrs", "cattrs", "beartype", "msgspec",
            "types-setuptools", "pandas-stubs",
        ),
        imports=("mypy.api", "pydantic_settings", "cattrs", "beartype", "msgspec"),
    ),
    Project(
        name="async",
        pyproject=_plain(
            "async-user", "aiohttp", "trio", "anyio", "uvloop", "asyncpg", "httpx[http2]", "aiofiles",
        ),
        imports=("aiohttp", "trio", "anyio", "uvloop", "asyncpg", "h2", "aiofiles"),
    ),
    Project(
        name="docs",
        pyproject=_plain("docs", "sphinx", "furo", "myst-parser", "mkdocs-material"),
        imports=("sphinx", "furo", "myst_parser", "material"),
    ),
    Project(
        name="workspace",
        pyproject="""\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["shop-basket", "shop-ledger[reports]"]

[tool.uv]
no-build-package = ["requests", "jinja2", "attrs"]

[tool.uv.workspace]
members = ["parts/*"]

[tool.uv.sources]
shop-basket = { workspace = true }
shop-ledger = { workspace = true }

[dependency-groups]
dev = ["pytest"]
""",
        files={
            "parts/basket/pyproject.toml": """\
[project]
name = "shop-basket"
version = "1"
requires-python = ">=3.11"
dependencies = ["attrs"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
""",
            "parts/basket/src/shop_basket/__init__.py": "",
            "parts/ledger/pyproject.toml": """\
[project]
name = "shop-ledger"
version = "1"
requires-python = ">=3.11"
dependencies = ["requests"]

[project.optional-dependencies]
reports = ["jinja2"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
""",
            "parts/ledger/src/shop_ledger/__init__.py": "",
        },
        imports=("attrs", "jinja2", "requests", "shop_basket", "shop_ledger"),
        variants=(
            (),
            ("--no-editable",),
            ("--no-install-workspace",),
            ("--no-install-local", "--no-dev"),
        ),
    ),
    Project(
        name="forks",
        pyproject=_plain(
            "forks",
            "numpy <2 ; python_version < '3.12'",
            "numpy >=2.1 ; python_version >= '3.12'",
            "markupsafe ==2.1.5 ; sys_platform == 'linux'",
            "markupsafe >=3 ; sys_platform != 'linux'",
        ),
        imports=("numpy", "markupsafe"),
    ),
    Project(
        name="conflicts",
        pyproject=_plain(
            "conflicts", "anyio",
            more="""\
conflicts = [
  [{ extra = "old" }, { extra = "new" }],
  [{ group = "one" }, { group = "two" }],
]

[project.optional-dependencies]
old = ["sniffio ==1.3.0", "pydantic <2.10"]
new = ["sniffio ==1.3.1", "pydantic >=2.10"]

[dependency-groups]
one = ["idna ==3.6"]
two = ["idna ==3.7"]
""",
        ),
        imports=("anyio", "idna"),
        variants=(
            (),
            ("--extra", "old"),
            ("--extra", "new", "--group", "one"),
            ("--extra", "old", "--group", "two"),
        ),
    ),
    Project(
        name="large",
        pyproject=_plain(
            "large", "jupyterlab", "notebook", "pandas", "scikit-learn", "matplotlib", "django",
            "fastapi[standard]", "sqlalchemy", "boto3", "requests", "aiohttp", "rich", "typer",
            "pydantic", "ipython", "sphinx", "pytest", "hypothesis", "black", "mypy", "pylint",
            "tox", "networkx", "flask", "seaborn", "openai", "redis", "psycopg2-binary", "pymongo",
            "mkdocs-material", "twine", "hatch", "nox", "pre-commit", "celery[redis]", "streamlit",
        ),
        imports=("streamlit", "hatch", "twine", "pylint", "pymongo", "psycopg2", "openai", "tox"),
    ),
)  # fmt: skip
