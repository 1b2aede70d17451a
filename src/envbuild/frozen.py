"""Frozen values: records with named fields, compared by content.

What `@dataclass(frozen=True, slots=True, kw_only=True)` gives, made without generating code: the
standard decorator costs 10 ms to import and 0.35 ms for each class, and a short command loads some
eighty of them. Type checkers treat the two alike (PEP 681). `docs/decisions/values.md` has the
figures.

A class that is a value declares its fields by annotations, in order. A field may have a default,
plain or as `field(...)`. `__post_init__` is called when there is one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, TypeVar, dataclass_transform

    T = TypeVar("T")

    class _Default(Generic[T]):
        """How a field without a given value gets one."""

        factory: Callable[[], T] | None
        init: bool
        repr: bool
        value: T

else:

    def dataclass_transform(**_: object) -> object:
        """Mark a decorator for type checkers; nothing at run time."""
        return lambda decorator: decorator

    class _Default:
        __slots__ = ("factory", "init", "repr", "value")


_MISSING = object()


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    init: bool = True,
    repr: bool = True,  # noqa: A002 - the name that it has in the standard library
) -> Any:
    """Describe a field.

    Args:
        default: what it is where nothing is given.
        default_factory: makes that for each value.
        init: `False` for a memo, which is no part of the value and can only be set from inside, by
            `object.__setattr__`; it needs a default.
        repr: whether representations show it.
    """
    described: _Default[Any] = _Default()
    described.value = default
    described.factory = default_factory
    described.init = init
    described.repr = repr
    return described


@dataclass_transform(
    frozen_default=True, kw_only_default=True, eq_default=True, field_specifiers=(field,)
)
def frozen(cls: type[T]) -> type[T]:
    """Make a value of a class."""
    made: Any = cls
    namespace = cls.__dict__
    bases = [base for base in cls.__bases__ if hasattr(base, "__fields__")]
    fields = _inherited(bases, "__fields__")
    shown = _inherited(bases, "__shown__")
    defaults = dict(_inherited(bases, "__defaults__"))
    memos = _inherited(bases, "__memos__")
    for name in namespace.get("__annotations__", ()):
        default = namespace.get(name, _MISSING)
        described = default if isinstance(default, _Default) else None
        if described is None or described.repr:
            shown.append(name)
        if described is not None and not described.init:
            memos.append((name, described.value))
            continue
        fields.append(name)
        if described is not None and (described.factory or described.value is not _MISSING):
            defaults[name] = described.factory or _returning(described.value)
        elif described is None and default is not _MISSING:
            defaults[name] = _returning(default)
    made.__fields__ = tuple(fields)
    made.__shown__ = tuple(shown)
    made.__defaults__ = defaults
    made.__memos__ = tuple(memos)
    made.__init__ = _init
    made.__setattr__ = _refuse_to_set
    made.__delattr__ = _refuse_to_delete
    made.__reduce__ = _reduce
    if "__eq__" not in namespace:
        made.__eq__ = _eq
        made.__hash__ = _hash
    if "__repr__" not in namespace:
        made.__repr__ = _repr
    return cls


def replace(original: T, **changes: Any) -> T:
    """Return a value like `original` with other values for some fields."""
    fields: tuple[str, ...] = original.__fields__  # type: ignore[attr-defined]
    return type(original)(**{**{name: getattr(original, name) for name in fields}, **changes})


def as_dict(original: object) -> dict[str, Any]:
    """Return the fields of a value by their names, in order, and so for values in it."""
    fields: tuple[str, ...] = original.__fields__  # type: ignore[attr-defined]
    items = ((name, getattr(original, name)) for name in fields)
    return {
        name: as_dict(item) if hasattr(type(item), "__fields__") else item for name, item in items
    }


class FrozenError(AttributeError):
    """An attempt to change a value."""


_set = object.__setattr__


def _inherited(bases: list[Any], attribute: str) -> list[Any]:
    found = (getattr(base, attribute) for base in bases)
    return [item for each in found for item in (each.items() if isinstance(each, dict) else each)]


def _returning(default: Any) -> Callable[[], Any]:
    return lambda: default


def _init(self: Any, **given: Any) -> None:
    fields = self.__fields__
    if len(given) != len(fields):
        for name, default in self.__defaults__.items():
            if name not in given:
                given[name] = default()
    try:
        for name in fields:
            _set(self, name, given[name])
    except KeyError:
        raise _wrong_fields(self, given) from None
    if len(given) != len(fields):
        raise _wrong_fields(self, given)
    for name, default in self.__memos__:
        _set(self, name, default)
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _wrong_fields(self: Any, given: dict[str, Any]) -> TypeError:
    missing = [name for name in self.__fields__ if name not in given]
    unknown = [name for name in given if name not in self.__fields__]
    told = [f"missing {name}" for name in missing] + [f"unknown {name}" for name in unknown]
    return TypeError(f"{type(self).__name__}: {', '.join(told)}")


def _eq(self: Any, other: Any) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    return all(getattr(self, name) == getattr(other, name) for name in self.__fields__)


def _hash(self: Any) -> int:
    return hash(tuple(getattr(self, name) for name in self.__fields__))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shown__)
    return f"{type(self).__qualname__}({shown})"


def _refuse_to_set(self: Any, name: str, _: object) -> None:
    raise FrozenError(f"cannot assign to field {name!r} of {type(self).__name__}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenError(f"cannot delete field {name!r} of {type(self).__name__}")


def _reduce(self: Any) -> tuple[Any, ...]:
    return _restore, (type(self), tuple(getattr(self, name) for name in self.__fields__))


def _restore(cls: Callable[..., T], items: tuple[Any, ...]) -> T:
    return cls(**dict(zip(cls.__fields__, items, strict=True)))  # type: ignore[attr-defined]
