"""The one mechanism of all checks: read an answer that may be anything, print one sentence.

An exercise is a table in ``words.toml`` and a function of the same name, of the answer and of what
the exercise gives. The function returns values by name, the right one and those of the usual slips;
the table says in rows of these names what to print::

    def loudness(value, share, area):   [loudness]
        return {                        title = "Loudness"
            "right": share / area,      relative = 0.01
            "inverse": area / share,    right = "right, {right:.2f} times an even map."
        }                               inverse = "upside down. A loud region is above 1."
                                        otherwise = "not {value:g}. Divide the one by the other."

``checks.loudness(answer, share, area)`` prints the first row that fits: its value is true, or a
number or an array that the answer is near (``within``, ``relative`` as in ``np.allclose``; without
them, equal). Of several slips it is the nearest. Where the answer is a function, ``found`` is what
it gave, and is compared. The row ``right`` passes; where other rows do, the table lists them as
``passes``. An answer of another kind is told what it should have been.
"""

import functools
import inspect
import math
import textwrap
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files

import numpy as np

WORDS = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))
# ``asks`` becomes the docstring. The answer is a function of what it ``takes``, a number for each
# of ``names``, a dict of ``items``, or else one number.
SETTINGS = ("title", "asks", "takes", "names", "items", "within", "relative", "passes")
SESSION: dict[str, dict] = {}  # what the checks of this kernel saw, by exercise
# Outcomes beside the rows of words.toml: no answer yet, and none of the kind that was asked for.
NONE, UNREADABLE = "none", "unreadable"


class Unreadable(Exception):
    """The answer is not of the kind that was asked for; the message is what the check prints."""


class Misshapen(Exception):
    """A student's function gave something of another shape, which is the argument."""


def checks_of(exercises: Mapping) -> dict[str, Callable[..., None]]:
    """The checks, ``check(answer, *given)``, of the functions among these that are exercises."""
    asked = {name for name, words in WORDS.items() if "asks" in words}
    return {name: _check(values) for name, values in exercises.items() if name in asked}


def _check(values: Callable[..., dict]) -> Callable[..., None]:
    name, words = values.__name__, WORDS[values.__name__]
    signature = inspect.signature(values)

    @functools.wraps(values)
    def check(answer, *given, **named) -> None:
        try:
            bound = signature.bind(_read(words, answer), *given, **named)
            bound.apply_defaults()
            value = bound.args[0]
            found = _usual(value) | bound.arguments | values(*bound.args)
            kind = row(words, found.get("found", value), found)
            told = words[kind].format(**found)
        except Misshapen as fault:
            kind, told = "shape", words["shape"].format(given=fault)
        except Unreadable as fault:
            kind, told = NONE if answer is None else UNREADABLE, fault
        _note(name, kind, kind in passing(words))
        for line in f"{words['title']}: {told}".splitlines():
            print(textwrap.fill(line, 76, break_on_hyphens=False))  # what A4 keeps

    check.__doc__ = words["asks"]
    return check


def _read(words: Mapping, answer):
    if "takes" in words:
        return _function(words["takes"], answer)
    if "items" in words:
        if not isinstance(answer, Mapping):
            raise Unreadable(f"no answer yet. Write a dict with {words['items']}.")
        return dict(answer)
    names = words.get("names", ())
    wanted = f"{len(names)} numbers, ({', '.join(names)})" if names else "one number"
    if answer is None:
        raise Unreadable(f"no answer yet. Put {wanted} in its place and run the cell again.")
    try:
        values = tuple(map(float, answer if names else [answer]))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise Unreadable(f"expected {wanted}, got {type(answer).__name__}.") from None
    if len(values) != max(len(names), 1) or not all(map(math.isfinite, values)):
        raise Unreadable(f"expected {wanted}, finite; got {str(answer)[:60]}.")
    return values if names else values[0]


def _function(takes: str, answer) -> Callable:
    """The student's function, whose results are arrays; what it raises is said.

    It has keywords of its own: ``shape``, of the result, None for any; ``on``, words for the case;
    ``gives``, in place of the conversion. ``names`` are those of modules and methods in its code.
    """
    if answer is None:
        raise Unreadable(f"no answer yet. Write a function of {takes} and hand it to the check.")
    if not callable(answer):
        raise Unreadable(f"expected a function of {takes}, got {type(answer).__name__}.")

    def guarded(*arguments, shape: tuple | None = (), on: str = "", gives: Callable = array):
        try:
            given = gives(answer(*arguments))
        except Exception as error:  # a student's function may do anything
            what = f"{type(error).__name__}: {error}"
            raise Unreadable(f"your function stopped{on} with {what}") from None
        if shape == () != np.shape(given):
            raise Unreadable(f"your function must give one number; it gave {np.shape(given)}.")
        if shape is not None and np.shape(given) != shape:
            raise Misshapen(tuple(np.shape(given)))
        return given

    guarded.names = getattr(getattr(answer, "__code__", None), "co_names", ())
    return guarded


def array(given):
    """Numbers of any library as floats of NumPy."""
    return np.asarray(given.detach() if hasattr(given, "detach") else given, float)[()]


def _usual(value) -> dict[str, bool]:
    """Slips that any number may be."""
    if not isinstance(value, float):
        return {}
    within = {"negative": value <= 0, "above": value > 1, "outside": not 0 <= value <= 1}
    return within | {"broken": value % 1 != 0}


def passing(words: Mapping) -> Sequence[str]:
    """The rows of ``words`` that pass the exercise."""
    return words.get("passes", ["right"])


def row(words: Mapping, value, found: Mapping) -> str:
    """The name of the first row of ``words`` that fits; what is not in ``found`` does not."""
    near = {"rtol": words.get("relative", 1e-9), "atol": words.get("within", 0.0)}
    slips = {}  # by distance: two of them may lie within the tolerance
    for name in (one for one in words if one not in SETTINGS):
        when = found.get(name, name == "otherwise")
        if isinstance(when, (bool, np.bool_)):
            if when:
                return min(slips, key=slips.get, default=name)
        elif np.shape(value) == np.shape(when) and np.allclose(value, when, **near):
            if name == "right":
                return name
            slips[name] = np.abs(np.subtract(value, when)).max()
    if slips:
        return min(slips, key=slips.get)
    raise KeyError(f"{words['title']}: no row fits, and there is no otherwise")


def _note(exercise: str, kind: str, passed: bool) -> None:
    """Add an outcome to the session; what is passed stays so, and no answer is no attempt."""
    fresh = {"passed": False, "attempts": 0, "said": {}, "time": ""}
    entry = SESSION.setdefault(exercise, fresh)
    if not entry["passed"]:
        entry["attempts"] += kind != NONE
        entry["said"][kind] = entry["said"].get(kind, 0) + 1
        entry |= {"passed": passed, "time": datetime.now(UTC).isoformat(timespec="seconds")}
