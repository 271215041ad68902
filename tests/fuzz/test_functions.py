"""Public functions under arguments of every kind: a valid result, or a documented refusal.

A row of the table names a public function and a law that its results obey. Each argument has, by
its name, a kind of :mod:`kinds`: however it is changed, the result obeys the law all the same, or
the package itself refuses it in one sentence.
Nothing warns but the package itself, and no argument changes. Objects of the package (models, runs,
data sets, axes) are given as they are: of another type in their place speaks Python.

``ENTREG_FUZZ=500 pytest tests/fuzz`` draws so many examples of each function, new ones.
"""

# ruff: noqa: F403, F405
import dataclasses
import inspect
import math
import os
import pickle
import re
import traceback
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kinds import *

import entreg_utils as eu
from entreg_utils import metrics

LONG = int(os.environ.get("ENTREG_FUZZ", 0))
FUZZ = settings(
    max_examples=LONG or 2,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
)


# fmt: off
# ---- laws
def within(low=-math.inf, high=math.inf, slack=1e-5):
    """All numbers of a result are finite and in a range."""
    def law(found, _=None) -> bool:
        found = np.concatenate([np.ravel(one) for one in numbers(found)]).astype(float)
        low_, high_ = low - slack, high + slack
        return bool((np.isfinite(found) & (found >= low_) & (found <= high_)).all())

    return law


UNIT, POSITIVE, FINITE = within(0, 1), within(0), within()


class Row(NamedTuple):
    function: Callable
    law: Callable
    arguments: dict[str, Kind]
    changes: tuple[str, ...] = ()  # what is changed in place, as documented


TABLE: dict[str, Row] = {}


def public(name: str):
    room, _, own = name.partition(".")
    return getattr(import_module(f"entreg_utils.{room}"), own)


def row(functions: str, law, changes=(), call=None, leave=(), **own: Kind) -> None:
    """Functions with one law; arguments of no known kind keep their default."""
    for name in functions.split():
        room, kinds, function = name.partition(".")[0], {}, call or public(name)
        for argument in {*inspect.signature(function).parameters} - {*leave}:
            kind = own.get(argument) or KINDS.get(f"{room}.{argument}") or KINDS.get(argument)
            kinds |= {argument: kind} if kind else {}
        TABLE[name] = Row(function, law, kinds, ("generator", *changes))


def settings_rows(*names: str) -> None:
    """Dataclasses of settings: each field by the type of its default; equal to a copy."""
    spoils = {bool: FLAG.changes, int: NOT_WHOLES, float: NOT_NUMBERS, tuple: NOT_WHOLES}
    for name in names:
        fields = {field.name: field.default for field in dataclasses.fields(public(name))}
        kinds = {n: one_of(v, spoils=spoils.get(type(v), NOT_TEXTS)) for n, v in fields.items()}
        law = lambda r, a: dataclasses.replace(r) == r and isinstance(hash(r), int)  # noqa: E731
        TABLE[name] = Row(public(name), law, kinds)


row("losses.entropy losses.kl_to_uniform",
    lambda r, a: within(0, math.log(a["logits"].shape[1]))(r))
row("losses.kl_uniform losses.jeffreys losses.alpha_divergence losses.cross_entropy", POSITIVE)
row("losses.jsd", within(0, math.log(2)))
row("losses.objective", lambda r, a: r.shape == () and FINITE(r))
row("losses.validate", lambda r, a: r is None)
row("losses.epsilon_from_lambda", UNIT)
row("losses.lambda_from_epsilon losses.matched_strength", POSITIVE)
row("losses.smoothed_optimum", lambda r, a: 0 < r[0] <= 1 and r[1] >= 0 and r[2] > 0)
row("cam.class_activation_map cam.grad_cam",
    lambda r, a: FINITE(r) and len(r[0]) == len(a["images"]))
row("cam.is_blank", lambda r, a: r in (True, False))
row("cam.normalize", lambda r, a: UNIT(r) and np.shape(r) == np.shape(a["maps"]))
row("cam.overlay", lambda r, a: UNIT(r) and r.shape == (SIDE, SIDE, 3), alpha=number(),
    normalized_map=Kind(array(SIDE, SIDE, elements=grid()), NOT_ARRAYS))
row("cam.upsample", lambda r, a: r.dtype == float and r.shape == (len(a["maps"]), SIDE, SIDE))
row("models.build", lambda r, a: r.num_classes == a["num_classes"], name=choice("toy"),
    pretrained=one_of(False, spoils=FLAG.changes))
row("models.ToyNet", lambda r, a: r.num_classes == a["num_classes"], width=whole())
row("erasing.ADL erasing.RDAP", lambda r, a: r.training)
row("erasing.cutmix", lambda r, a: r[0].shape == a["images"].shape, leave=("num_classes",),
    targets=Kind(mapped(array("n", "c", elements=grid()), torch.tensor), NOT_TENSORS))
row("erasing.hide_and_seek", lambda r, a: r.shape == a["images"].shape,
    sides=one_of(4, (0, 8), spoils=NOT_WHOLES))
row("metrics.score_map", lambda r, a: UNIT(r.scores) and r.scores.shape == (SIDE, SIDE))
row("metrics.boxes_at", lambda r, a: r.shape[1:] == (4,) and within(0, SIDE - 1)(r))
row("metrics.box_iou metrics.iou_curves", lambda r, a: UNIT(r) and r.ndim == 2)
row("metrics.rescale_boxes", lambda r, a: r.dtype == np.int64 and r.shape[-1] == 4, boxes=OWN_BOXES)
row("metrics.explain", lambda r, a: 0 <= r.iou <= 1 and str(r), boxes=OWN_BOXES)
row("metrics.box_accuracy metrics.centre_box_baseline metrics.full_box_baseline",
    lambda r, a: UNIT(r.curve) and r.num_images > 0)
row("metrics.localisation", lambda r, a: UNIT(r.gt_known) and str(r),
    threshold=one_of(0.25, "oracle"))
row("metrics.correct_classes metrics.gt_known_correct",
    lambda r, a: r.dtype == bool and r.ndim == 1)
row("metrics.accuracy metrics.gt_known_loc metrics.constant_map_baseline metrics.box_shares "
    "metrics.pixel_average_precision metrics.mean_pixel_average_precision", UNIT)
row("metrics.mean_entropy", POSITIVE)
row("metrics.PixelAveragePrecision", lambda r, a: len(r.edges) > 3)
row("metrics.MeanPixelAveragePrecision", lambda r, a: r.pools == {})
row("metrics.class_pixel_average_precision", lambda r, a: all(map(UNIT, r.values())))
row("metrics.bootstrap_interval", lambda r, a: r.low <= r.high and FINITE(r), values=SHARES)
row("metrics.paired_bootstrap", lambda r, a: r.low <= r.high and FINITE(r))
row("metrics.seed_interval", lambda r, a: r.half_width >= 0 and FINITE(r), values=SHARES)
row("metrics.box_accuracy_by_size", lambda r, a: sum(r.groups.values()).num_images > 0)
row("metrics.size_groups", lambda r, a: set(r.ravel()) <= {"small", "medium", "large"})
row("metrics.energy_shares", lambda r, a: UNIT(r[np.isfinite(r)]), region=MASKS,
    features=Kind(array("n", 2, 2, 4, elements=grid(0, 4)), NOT_ARRAYS),
    call=lambda features, region: metrics.energy_shares(features, region))
row("metrics.evidence_shares", lambda r, a: UNIT(np.nan_to_num(dataclasses.astuple(r))))
row("training.regularised_loss", FINITE, logits=T_LOGITS)
settings_rows("models.Network", "erasing.Erasing", "data.Data", "data.World", "training.Recipe",
              "experiments.Evaluation")
row("score.score", lambda r, a: UNIT(r.table.value) and len(r.images) == 2, call=lambda maps,
    threshold, thresholds, size, samples, seed: eu.score.score(maps, truth(), threshold=threshold,
    thresholds=thresholds, size=size, samples=samples, seed=seed), samples=whole(0, 3),
    maps=made(lambda: {"a": np.eye(4), "b": np.ones((3, 3))}, constant(ODD | {
        "no file": "no/where", "none": {}, "stranger": {"c": np.eye(2)}, "number": {1: np.eye(2)},
        "NaN": {"a": np.full((2, 2), np.nan), "b": np.eye(2)},
        "texts": {"a": "x", "b": "y"}, "empty": {"a": np.zeros((0, 3)), "b": np.eye(2)}})),
    thresholds=one_of(7, spoils=NOT_WHOLES))
row("score.compare", lambda r, a: len(r.table) > 0, first=made(scored), second=made(scored))
# fmt: on


def state(value):
    """What may not change in an argument."""
    try:
        return pickle.dumps(value)
    except (TypeError, AttributeError, pickle.PicklingError):
        return id(value)


def numbers(found) -> list[np.ndarray]:
    """All numbers of a result, in order."""
    if isinstance(found, torch.Tensor):
        found = found.detach().double().numpy()
    if dataclasses.is_dataclass(found):
        found = [getattr(found, field.name) for field in dataclasses.fields(found)]
    if isinstance(found, Mapping):
        found = [*found.values()]
    if isinstance(found, (list, tuple)):
        return [one for own in found for one in numbers(own)]
    known = isinstance(found, (int, float, np.ndarray, np.generic, pd.DataFrame, pd.Series))
    return [np.asarray(found)] if known and np.asarray(found).dtype.kind in "biuf" else []


OWN = re.compile(r"NaN or infinite|left out, because|left out: ")  # what the package warns of
FOREIGN = re.compile(r"mat1 and|out of bounds|truth value|broadcast|not supported between")
PACKAGE = str(Path(eu.__file__).parent)


def called(one: Row, arguments: dict):
    """What a call gives, the exception that it raises, and what else it does that is wrong."""
    if isinstance(arguments.get("generator"), torch.Generator):
        arguments["generator"].manual_seed(0)  # each call draws the same
    before, result, refused = {name: state(own) for name, own in arguments.items()}, None, None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = one.function(**arguments)
        except Exception as error:
            refused = error
    wrong = [f"warned: {w.message}" for w in said if not OWN.search(str(w.message))]
    changed = [name for name in arguments if before[name] != state(arguments[name])]
    return result, refused, wrong + [f"changed {n}" for n in changed if n not in one.changes]


def foreign(error: Exception) -> str:
    """What is wrong with an exception; empty where the package raised it, in a sentence."""
    frame, text = traceback.extract_tb(error.__traceback__)[-1], f"{type(error).__name__}: {error}"
    if not (frame.filename.startswith(PACKAGE) and frame.line.startswith("raise")):
        return f"{text} ({Path(frame.filename).name}:{frame.lineno}, {frame.line})"
    odd = FOREIGN.search(text) or "\n" in text or not 20 < len(text) < 1500
    return f"no sentence: {text!r}" if odd else ""


def lawful(one: Row, result, arguments) -> str:
    try:
        return "" if one.law(result, arguments) else f"against the law: {result}"
    except Exception as error:
        return f"{type(error).__name__} in its law ({error}): {result}"


def faults(name: str, good: dict):
    """What is wrong with a function at good arguments, and with each of them changed."""
    one = TABLE[name]
    result, refused, wrong = called(one, good)
    yield from (f"good: {w}" for w in wrong + [refused or lawful(one, result, good)] if w)
    for argument, kind in one.arguments.items():
        for label, change in kind.changes.items():
            try:
                given = good | {argument: change(good[argument])}
            except (ValueError, TypeError, IndexError, RuntimeError, AttributeError):
                continue  # this value has no such change
            result, refused, wrong = called(one, given)
            fault = foreign(refused) if refused else lawful(one, result, given)
            yield from (f"{argument} {label}: {w}" for w in wrong + [fault] if w)


def example(draw, one: Row) -> dict:
    w = SimpleNamespace(**{axis: draw(st.integers(1 + (axis == "c"), 3)) for axis in "nchw"})
    return {argument: draw(kind.good(w)) for argument, kind in one.arguments.items()}


@pytest.mark.parametrize("name", TABLE)
def test_a_valid_result_or_a_documented_refusal(name):
    @FUZZ
    @given(st.data())
    def contract(data):
        assert not [*faults(name, example(data.draw, TABLE[name]))]

    contract()


def test_the_table_does_not_shrink_unnoticed():
    changes = [len(kind.changes) for one in TABLE.values() for kind in one.arguments.values()]
    assert len(TABLE) >= 60 and sum(changes) >= 5000
