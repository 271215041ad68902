"""``fields.settle``: one value has one form, and what is of another type is refused by its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from entreg_utils.fields import Door, settle


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
        ("rate", np.float32(0.5), 0.5),
        ("rate", -0.0, 0.0),
        ("name", np.str_("a"), "a"),
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
        ("count", None, "count=None: give a whole number"),
        ("rate", True, "rate=True: give a number"),
        ("rate", "1", "rate='1': give a number"),
        ("name", 1, "name=1: give a name"),
        ("door", 3, "door=3: give a name or a function"),
        ("lists", "x", "unknown lists 'x': known are official, evaluation"),
        ("sides", 3, "sides=3: give a list, each a whole number"),
        ("sides", [1.5], "sides=1.5: give a whole number"),
        ("inner", 3, "inner=3: give a "),
    ],
)
def test_what_is_of_another_type_is_refused(field, given, message):
    with pytest.raises(ValueError) as error:
        Settings(**{field: given})
    assert str(error.value).startswith(message)
