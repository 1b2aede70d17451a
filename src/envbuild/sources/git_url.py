"""Addresses of git repositories: as locks and `.gitmodules` have them, and as they may be kept.

Spellings are git's: URLs, paths, and `user@host:path` as `scp` has it. Nothing is contacted here.
"""

from __future__ import annotations

from envbuild.frozen import field, frozen

_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})
_WITH_PASSWORDS = frozenset({"http", "https"})


@frozen
class Address:
    """A repository's address, taken apart.

    Attributes:
        url: without credentials, and without what a lock adds to it.
        root: the part of `url` that credentials belong to, with a `/` at the end; empty where the
            address can have none.
        secret_root: the same with the credentials that were given; empty where there were none.
    """

    url: str
    root: str
    secret_root: str = field(repr=False)


def parse_address(text: str) -> Address:
    """Return the address that `text` is, with or without the query and fragment of a lock."""
    text = text.partition("#")[0].partition("?")[0]
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in _WITH_PASSWORDS:
        return Address(url=text, root="", secret_root="")
    authority, slash, path = rest.partition("/")
    userinfo, _, host = authority.rpartition("@")
    root = f"{scheme}://{host}/"
    return Address(
        url=f"{scheme}://{host}{slash}{path}",
        root=root,
        secret_root=f"{scheme}://{userinfo}@{host}/" if userinfo else "",
    )


def repository_key(url: str) -> str:
    """Return the same for all usual spellings of one repository's address without credentials."""
    key = url.rstrip("/").removesuffix(".git").rstrip("/")
    scheme, separator, rest = key.partition("://")
    if not separator:
        return key
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}"


def transport(url: str) -> str:
    """Return the protocol that git would use for `url`, as `protocol.<name>.allow` names it."""
    before_slash = url.partition("/")[0]
    helper, double_colon, _ = before_slash.partition("::")
    if double_colon:
        return helper
    scheme, separator, _ = url.partition("://")
    if separator:
        return "ssh" if scheme.lower() in _SSH else scheme.lower()
    return "ssh" if ":" in before_slash else "file"


def submodule_url(parent: str, stated: str) -> str:
    """Return the address that `.gitmodules` in the repository at `parent` means by `stated`.

    Raises:
        ValueError: it is none that git should be given.
    """
    if not stated or stated.startswith("-") or not stated.isprintable():
        raise ValueError("it is no address of a repository")
    if not stated.startswith(("./", "../")):
        return stated
    base, separator = parent.rstrip("/"), "/"
    while stated.startswith(("./", "../")):
        step, _, stated = stated.partition("/")
        if step == "..":
            base, separator = _above(base)
    return f"{base}{separator}{stated}".rstrip("/")


def _above(base: str) -> tuple[str, str]:
    """Return `base` without its last part, and what stood between the two."""
    start = base.find("://") + 3 if "://" in base else 0
    at = base.rfind("/", start)
    if at > start or (at == 0 and start == 0):
        return base[:at], "/"
    at = base.rfind(":", start)
    if not start and at > 0:
        return base[:at], ":"
    raise ValueError("it leads above the repository's host")
