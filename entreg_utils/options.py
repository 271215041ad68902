"""Settings as options of the command line, and messages that speak of them as it does.

Every setting of :class:`entreg_utils.experiments.Config` is an option under its flat name; types,
choices, defaults and help are read from the dataclasses of the rooms, where they stand once.
"""

from __future__ import annotations

import contextlib
import functools
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import field, make_dataclass
from typing import Annotated

import docstring_parser
import tyro
from tyro.conf import OmitArgPrefixes, arg

from entreg_utils import names
from entreg_utils.experiments.config import DEFAULTS, FLAT, GROUPS

_METAVARS = {int: "N", float: "X", str: "NAME"}


def _as_options(leave_out: tuple[str, ...] = ()) -> type:
    """A dataclass of the groups with flat names, for tyro to read."""
    made = []
    for group, kind in GROUPS.items():
        said = {p.arg_name: p.description for p in docstring_parser.parse_from_object(kind).params}
        hints, options = typing.get_type_hints(kind), []
        for flat, (own_group, name) in FLAT.items():
            if own_group == group and flat not in leave_out:
                options.append((flat, *_option(flat, hints[name], said.get(name, ""))))
        one = make_dataclass(kind.__name__, options)
        one.__doc__ = ""
        made.append((group, OmitArgPrefixes[one], field(default_factory=one)))
    return make_dataclass("Settings", made)


def _option(flat: str, hint, said: str):
    """Type and default of one option; own code goes by its name, and None is not to be written."""
    default = DEFAULTS[flat]
    shown = "" if default in ("", (), None) else f"(default: {default})"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    metavar = _METAVARS.get(hint)
    if typing.get_origin(hint) is tuple:
        element = typing.get_args(hint)[0]
        element = element if element in _METAVARS else str
        hint, metavar = tuple[element, ...], f"{_METAVARS[element]}.."
    about = arg(name=flat, help=said, help_behavior_hint=shown, metavar=metavar)
    return Annotated[hint if default is not None else hint | None, about], field(default=default)


def given_of(settings, argv: list[str]) -> dict:
    """The settings that were named on the command line, with their values."""
    words = {word.partition("=")[0] for word in argv if word.startswith("--")}
    named = {word.removeprefix("--").replace("-", "_") for word in words}
    named |= {name.removeprefix("no_") for name in named}
    return {
        flat: getattr(getattr(settings, group), flat)
        for flat, (group, _) in FLAT.items()
        if flat in named
    }


CONFIG = (tyro.conf.HelptextFromCommentsOff,)
Settings, Sweepable = _as_options(), _as_options(leave_out=("seed", "strength"))
quiet = functools.partial(arg, help_behavior_hint="")  # says no default
Flag = tyro.conf.FlagCreatePairsOff[bool]  # a setting has both: what a preset turned on goes off
Fresh = Annotated[Flag, quiet(help="leave out the records of the project")]
AllowCode = Annotated[Flag, quiet(help="let code that is named as module:function run")]


def allow(named: Iterable, said: bool) -> None:
    """Refuse own code (ValueError) without ``--allow-code``: a name in a plan would run a file."""
    code = {names.text_of(value) for value in named if names.is_own(value)}
    if code and not said:
        what = f"{', '.join(sorted(code))} would be imported and run"
        raise ValueError(f"{what}: give --allow-code if you trust it")


# A setting in a message: one of two words anywhere, another where it cannot be a usual word.
_LONG = "|".join(name for name in FLAT if "_" in name)
_SETTING = rf"(?<![\w/.-])(?:(?:{_LONG})(?![\w/])|(?:{'|'.join(FLAT)})(?==| out\b| belongs\b))=?"


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """What is refused in the block names settings as the command line does: ``batch_size=0`` is
    ``--batch-size 0``."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if len(error.args) == 1:
            said = re.sub(r"\w+=\S+ \((--[^)]+)\)", r"\1", str(error))  # it says the option itself
            error.args = (re.sub(_SETTING, _as_option, said),)
        raise


def _as_option(found: re.Match) -> str:
    return f"--{found[0].replace('_', '-').replace('=', ' ')}"
