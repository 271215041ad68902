"""The one mechanism of all checks: read an answer that may be anything, print one sentence.

An exercise is a function of the answer and of what the exercise gives, and a table of the same name
in ``words.toml``. The function returns values by name, the right one and those of the usual slips;
the table says in rows of these names what to print::

    @reads(number)                      [loudness]
    def loudness(value, share, area):   title = "Loudness"
        return {                        relative = 0.01
            "right": share / area,      right = "right, {right:.2f} times an even map."
            "inverse": area / share,    inverse = "upside down. A loud region is above 1."
        }                               otherwise = "not {value:g}. Divide the one by the other."

``loudness(answer, share, area)`` prints the first row that fits: its value is true, or a number
that the answer is close to (``within``, ``relative`` as in ``math.isclose``; without them, equal).
Where the answer is close to several slips, it is the nearest one. The row ``right`` passes; where
other rows do, the table lists them as ``passes``.
An answer that is missing, not finite, or of another type or shape is told what it should have been.
"""

import contextlib
import functools
import inspect
import math
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from unittest import mock

import numpy as np
from torch.autograd import Variable, forward_ad

WORDS = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))
SETTINGS = ("title", "within", "relative", "passes")
SESSION: dict[str, dict] = {}  # what the checks of this kernel saw, by exercise
NONE, UNREADABLE = (
    "none",
    "unreadable",
)  # beside the rows of words.toml: no answer yet, no such kind


class Unreadable(Exception):
    """The answer is not of the kind that was asked for; the message is what the check prints."""


def number(answer) -> float:
    """A finite number, from whatever ``float`` takes: scalars of NumPy and PyTorch, too."""
    if answer is None:
        raise Unreadable("no answer yet. Put a number in its place and run the cell again.")
    try:
        value = float(answer)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise Unreadable(f"expected one number, got {type(answer).__name__}.") from None
    if not math.isfinite(value):
        raise Unreadable(f"expected a finite number, got {value}.")
    return value


def numbers(count: str, *names: str) -> Callable:
    """A reader of a finite number for each name; ``count`` says in words how many they are."""
    wanted = f"{count} numbers, ({', '.join(names)})."

    def read(answer) -> tuple[float, ...]:
        if answer is None:
            raise Unreadable(f"no answer yet. Give {wanted}")
        try:
            values = tuple(map(number, answer))
        except (TypeError, Unreadable):
            values = ()
        if len(values) != len(names):
            raise Unreadable(f"expected {wanted}")
        return values

    return read


def function(takes: str, gives: Callable) -> Callable:
    """A reader of a student's function of ``takes``, whose results go through ``gives``.

    What it raises is said, with the case that the call names in ``on``.
    """

    def read(answer) -> Callable:
        if answer is None:
            raise Unreadable(
                f"no answer yet. Write a function of {takes} and hand it to the check."
            )
        if not callable(answer):
            raise Unreadable(f"expected a function of {takes}, got {type(answer).__name__}.")

        def guarded(*arguments, on: str = ""):
            try:
                return gives(answer(*arguments))
            except Exception as error:  # a student's function may do anything
                what = f"{type(error).__name__}: {error}"
                raise Unreadable(f"your function stopped{on} with {what}") from None

        return guarded

    return read


@contextlib.contextmanager
def differentiation() -> Iterator[Callable[[], bool]]:
    """Yields what says whether PyTorch has differentiated since, by whatever name it was called.

    All backward passes go through one engine, all forward ones through ``make_dual``; both still do
    their work, so that whoever uses them gets numbers and is told afterwards.
    """
    engine = mock.Mock(wraps=Variable._execution_engine)
    forward = mock.patch.object(forward_ad, "make_dual", wraps=forward_ad.make_dual)
    with mock.patch.object(Variable, "_execution_engine", engine), forward as dual:
        yield lambda: engine.run_backward.called or dual.called


def claim(answer) -> dict:
    """A reader of a dict."""
    if not isinstance(answer, Mapping):
        raise Unreadable("no answer yet. Write a dict with the items of the checklist.")
    return dict(answer)


def reads(read: Callable) -> Callable[[Callable], Callable[..., None]]:
    """Makes a check, ``check(answer, *given)``, of a function ``values(read(answer), *given)``."""

    def make(values: Callable) -> Callable[..., None]:
        words = WORDS[values.__name__]

        @functools.wraps(values)
        def check(answer, *given, **named) -> None:
            try:
                bound = inspect.signature(values).bind(read(answer), *given, **named)
                bound.apply_defaults()
                found = values(*bound.args, **bound.kwargs)
                kind = row(words, bound.args[0], found)
                told = words[kind].format(**bound.arguments | found)
            except Unreadable as fault:
                told, kind = fault, NONE if answer is None else UNREADABLE
            _note(values.__name__, kind, kind in passing(words))
            for line in f"{words['title']}: {told}".splitlines():
                print(textwrap.fill(line, 76, break_on_hyphens=False))  # what A4 keeps

        return check

    return make


def passing(words: Mapping) -> Sequence[str]:
    """The rows of ``words`` that pass the exercise."""
    return words.get("passes", ["right"])


def _note(exercise: str, kind: str, passed: bool) -> None:
    """Add an outcome to the session; what is passed stays so, and no answer is no attempt."""
    fresh = {"passed": False, "attempts": 0, "said": {}, "time": ""}
    entry = SESSION.setdefault(exercise, fresh)
    if not entry["passed"]:
        entry["attempts"] += kind != NONE
        entry["said"][kind] = entry["said"].get(kind, 0) + 1
        entry |= {"passed": passed, "time": datetime.now(UTC).isoformat(timespec="seconds")}


def row(words: Mapping, value, found: Mapping) -> str:
    """The name of the first row of ``words`` that fits; what is not in ``found`` does not."""
    near = {"rel_tol": words.get("relative", 1e-9), "abs_tol": words.get("within", 0.0)}
    distances = {}  # of the slips that are numbers: two of them may lie within the tolerance
    for name in words:
        when = name == "otherwise" or (name not in SETTINGS and found.get(name, False))
        sure = isinstance(when, (bool, np.bool_))
        if sure and when:
            return min(distances, key=distances.get, default=name)
        if not sure and math.isclose(value, when, **near):
            if name == "right":
                return name
            distances[name] = abs(value - when)
    if distances:
        return min(distances, key=distances.get)
    raise KeyError(f"{words['title']}: no row fits, and there is no otherwise")
