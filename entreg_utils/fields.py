"""Fields of settings brought to Python's own types, so that equal settings are equal as text too.

Numbers of NumPy and torch become Python's, whole numbers floats where a float belongs, lists
tuples, -0.0 0.0. :func:`plain`, :func:`whole` and :func:`known` check the arguments of functions.
"""

from __future__ import annotations

import contextlib
import functools
import math
import numbers
import sys
import types
from collections.abc import Callable, Collection
from typing import Literal, Union, get_args, get_origin, get_type_hints

MOST_CLASSES = 10**6  # no data set has as many
Door = str | Callable  # a known name, or somebody's own function or its name

_KINDS = {  # what a field may be: what will do for it, what it becomes, how a message asks for it
    bool: (bool, bool, "True or False"),
    int: (numbers.Integral, int, "a whole number"),
    float: (numbers.Real, lambda value: float(value) + 0.0, "a number"),
    str: (str, str, "a name"),
    Callable: (Callable, lambda value: value, "a name or a function"),
}
_hints = functools.cache(get_type_hints)


def settle(settings) -> None:
    """Bring every field of a (frozen) dataclass to its annotation's type; for ``__post_init__``."""
    for name, kind in _hints(type(settings)).items():
        object.__setattr__(settings, name, plain(name, kind, getattr(settings, name)))


def plain(name: str, kind, value):
    """``value`` as ``kind``: bool (no number), int, float, str, ``Callable``, another class,
    ``Literal[...]`` of names, ``tuple[kind, ...]``, or a union of these, the first that fits.

    Raises:
        ValueError: it is none; the message names the field and what would do.
    """
    origin, inner = get_origin(kind) or kind, get_args(kind)
    value = value.item() if getattr(value, "ndim", None) == 0 else value  # of NumPy and torch
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        first, *rest = [one for one in inner if one is not type(None)]
        with contextlib.suppress(*[ValueError] * bool(rest)):
            return plain(name, first, value)
        return plain(name, Union[tuple(rest)], value)  # noqa: UP007
    if origin is Literal:
        return known(name, value, inner)
    if origin is tuple:
        if isinstance(value, (tuple, list)):
            return tuple(plain(name, inner[0], one) for one in value)
        first = next(iter(get_args(inner[0])), inner[0])
        raise ValueError(f"{name}={value!r}: give a list, each {_KINDS[first][2]}")
    fits, become, wanted = _KINDS.get(origin, (origin, lambda value: value, f"a {origin}"))
    odd = origin in (int, float) and isinstance(value, bool)
    if origin is float and isinstance(value, numbers.Rational):
        odd |= abs(value) > sys.float_info.max
    if odd or not isinstance(value, fits):
        raise ValueError(f"{name}={shown(value)}: give {wanted}")
    return become(value)


def whole(name: str, value, low: int, high: float = math.inf) -> int:
    """``value`` as a whole number of at least ``low``, and at most ``high``; or a ValueError."""
    value = plain(name, int, value)
    if not low <= value <= high:
        fits = f"of at least {low}" if high == math.inf else f"in {low}..{high}"
        raise ValueError(f"{name}={shown(value)}: give a whole number {fits}")
    return value


def known(name: str, value, among: Collection[str]) -> str:
    """``value`` as text, when it is one of ``among``; else a ValueError names them."""
    if isinstance(value, str) and value in among:
        return str(value)
    raise ValueError(f"unknown {name} {shown(value)}: known are {', '.join(among)}")


def shown(value) -> str:
    """``repr`` on one line, of what is long its beginning."""
    text = " ".join(repr(value).split())
    return text if len(text) < 100 else f"{text[:90]}..."
