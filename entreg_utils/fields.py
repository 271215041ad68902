"""Fields of settings, and arguments that are numbers, brought to Python's own types: equal settings
are equal as text too, and a NumPy integer does where Python's does.

Numbers of NumPy and PyTorch become Python's, whole numbers floats where a float belongs, sequences
tuples, paths text, -0.0 0.0. :func:`whole` and :func:`known` check single arguments.
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
    value = scalar(value)
    origin, inner = get_origin(kind) or kind, get_args(kind)
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
        if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, Set)):
            settled = tuple(plain(name, inner[0], one) for one in value)
            if inner[-1] is ... or len(settled) == len(inner):
                return settled
            raise ValueError(f"{name}={settled}: give {len(inner)} of them")
        first = next(iter(get_args(inner[0])), inner[0])
        raise ValueError(f"{name}={shown(value)}: give a list, each {_KINDS[first][2]}")
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
    parameters = inspect.signature(function).parameters.values()
    order = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]

    @functools.cache
    def kinds() -> dict[str, tuple]:
        found = {}
        for name, kind in get_type_hints(function).items():
            inner = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
            number = next((one for one in inner if one in (int, float)), None)
            if number is not None and name != "return":
                texts = str in inner or any(get_origin(one) is Literal for one in inner)
                numbers = (bool, number) if texts else (bool, number, str)
                alone = set(inner) <= {number, type(None)}
                found[name] = number, object if alone else numbers, type(None) in inner
        return found

    def read(name: str, value):
        number, refused_or_read, optional = kinds().get(name, (None, (), False))
        if number is None or (value is None and optional):
            return value
        value = scalar(value)
        return plain(name, number, value) if isinstance(value, refused_or_read) else value

    @functools.wraps(function)
    def call(*given, **named):
        read_ones = [read(name, value) for name, value in zip(order, given, strict=False)]
        named = {name: read(name, value) for name, value in named.items()}
        return function(*read_ones, *given[len(order) :], **named)

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
