"""Settings and arguments brought to Python's own types, so that equal ones are equal as text too.

Numbers of NumPy and PyTorch become Python's, whole numbers floats where a float belongs, sequences
tuples, paths text, -0.0 0.0.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import numbers
import os
import sys
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from typing import Literal, Union, get_args, get_origin, get_type_hints

MOST_CLASSES = 10**6  # no data set has as many
Door = str | Callable  # a known name, or somebody's own function or its name

_KINDS = {  # what a field may be: what will do for it, what it becomes, how a message asks for it
    bool: (bool, bool, "True or False"),
    int: (numbers.Integral, int, "a whole number"),
    float: (numbers.Real, lambda value: float(value) + 0.0, "a number"),
    str: ((str, os.PathLike), lambda value: str(os.fspath(value)), "a name"),
    Callable: (Callable, lambda value: value, "a name or a function"),
}
_hints = functools.cache(get_type_hints)
_SEEDS = ("seed", "world_seed")  # no generator takes negative ones


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
    value, origin, inner = scalar(value), get_origin(kind) or kind, get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        *others, last = [one for one in inner if one is not type(None)]
        for one in others:
            with contextlib.suppress(ValueError):
                return plain(name, one, value)
        return plain(name, last, value)
    if origin is Literal:
        return known(name, value, inner)
    if origin is tuple:
        if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping, Set)):
            first = next(iter(get_args(inner[0])), inner[0])
            raise ValueError(f"{name}={shown(value)}: give a list, each {_KINDS[first][2]}")
        settled = tuple(plain(name, inner[0], one) for one in value)
        if inner[-1] is not ... and len(settled) != len(inner):
            raise ValueError(f"{name}={settled}: give {len(inner)} of them")
        return settled
    fits, become, wanted = _KINDS.get(origin, (origin, lambda value: value, f"a {origin}"))
    odd = origin in (int, float) and isinstance(value, bool)
    if origin is float and isinstance(value, numbers.Rational):
        odd |= abs(value) > sys.float_info.max
    if odd or not isinstance(value, fits):
        raise ValueError(f"{name}={shown(value)}: give {wanted}")
    if name in _SEEDS and value < 0:
        raise ValueError(f"{name}={value}: give a whole number of at least 0")
    return become(value)


def scalar(value):
    """An array or tensor without dimensions, NumPy's numbers among them, as Python's number."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def plain_numbers(function: Callable) -> Callable:
    """Brings those arguments of ``function`` to Python's numbers that its annotations call numbers.

    An ``int`` or ``float``, or None where that may be, is read by :func:`plain`. Where something
    else may stand (``int | Sequence[float]``) numbers alone are, and True and False are refused.
    """
    signature = inspect.signature(function)

    @functools.cache  # annotations are looked up late: they may name what is defined below
    def kinds() -> dict[str, tuple]:
        """Of each argument that may be a number: as what it is read, and what is read so."""
        found = {}
        for name, kind in get_type_hints(function).items():
            inner = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
            number = next((one for one in inner if one in (int, float)), None)
            if number is None or name == "return":
                continue
            texts = str in inner or any(get_origin(one) is Literal for one in inner)
            alone = set(inner) <= {number, type(None)}
            read = (bool, number) if texts else (bool, number, str)
            found[name] = (kind, object) if alone else (number, read)
        return found

    @functools.wraps(function)
    def call(*given, **named):
        bound = signature.bind_partial(*given, **named)
        for name in bound.arguments.keys() & kinds().keys():
            (kind, read), value = kinds()[name], scalar(bound.arguments[name])
            bound.arguments[name] = plain(name, kind, value) if isinstance(value, read) else value
        return function(*bound.args, **bound.kwargs)

    return call


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
