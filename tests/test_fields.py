"""``fields.settle``: one value has one form, and what is of another type is refused by its name."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch

from entreg_utils.fields import Door, plain_numbers, settle


@dataclass(frozen=True)
class Inner:
    value: int = 1


@dataclass(frozen=True)
class Settings:
    flag: bool = False
    count: int = 1
    rate: float = 0.5
    name: str = ""
    door: Door = "toy"
    lists: Literal["official", "evaluation"] = "official"
    sides: tuple[int, ...] | None = None
    pair: tuple[float, float] = (1.0, 2.0)
    seed: int = 0
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self):
        settle(self)


def maker():
    pass


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("flag", np.True_, True),
        ("count", np.int64(3), 3),
        ("rate", 1, 1.0),
        ("rate", -0.0, 0.0),
        ("name", pathlib.PurePosixPath("a/b"), "a/b"),
        ("count", torch.tensor(3), 3),
        ("rate", torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        ("sides", torch.tensor([2, 3]), (2, 3)),
        ("sides", pd.Series([2, 3], index=[7, 8]), (2, 3)),
        ("door", "module:function", "module:function"),
        ("door", maker, maker),
        ("lists", "evaluation", "evaluation"),
        ("sides", [np.int32(2), 3], (2, 3)),
        ("sides", None, None),
    ],
)
def test_values_become_pythons_own(field, given, kept):
    value = getattr(Settings(**{field: given}), field)
    assert repr(value) == repr(kept) and type(value) is type(kept)


@pytest.mark.parametrize(
    ("field", "given", "message"),
    [
        ("flag", 1, "flag=1: give True or False"),
        ("count", True, "count=True: give a whole number"),
        ("count", 2.0, "count=2.0: give a whole number"),
        ("rate", True, "rate=True: give a number"),
        ("name", 1, "name=1: give a name"),
        ("door", 3, "door=3: give a name or a function"),
        ("lists", "x", "unknown lists 'x': known are official, evaluation"),
        ("sides", [1.5], "sides=1.5: give a whole number"),
        ("sides", "23", "sides='23': give a list, each a whole number"),
        ("pair", (1, 2, 3), "pair=(1.0, 2.0, 3.0): give 2 of them"),
        ("seed", -1, "seed=-1: give a whole number of at least 0"),
        ("inner", 3, "inner=3: give a "),
    ],
)
def test_what_is_of_another_type_is_refused(field, given, message):
    with pytest.raises(ValueError) as error:
        Settings(**{field: given})
    assert str(error.value).startswith(message)


@plain_numbers
def called(text, count: int, *rest, rate: float = 0.5, most: int | None = None, any: int | str = 1):
    return text, count, rest, rate, most, any


def test_arguments_that_are_numbers_become_pythons_own_and_others_stay():
    ones = np.int64(1), np.int64(2), np.int64(3)
    given = called(*ones, rate=1, most=torch.tensor(4), any="a")
    assert repr(given) == repr((ones[0], 2, ones[2:], 1.0, 4, "a"))
    assert called("a", 1, most=None, any=np.uint8(3))[4:] == (None, 3)
    assert called.__name__ == "called" and called.__wrapped__
    for wrong in ({"count": 1.0}, {"count": None}, {"count": 1, "any": True}, {"count": "1"}):
        with pytest.raises(ValueError, match="(count|any)=.*: give a whole number"):
            called("a", **wrong)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'count'"):
        called("a")
