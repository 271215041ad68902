"""Public functions under arguments of every kind: a valid result, or a documented refusal.

A row of the table names a public function and a law that its results obey. Each argument has, by
its name, a kind of :mod:`kinds`: dressed, it gives the same result; spoiled, the result obeys the
law all the same, or the package raises, in one sentence, an exception that the docstring names.
Nothing warns but the package itself, and no argument changes. Objects of the package (models, runs,
data sets, axes) are given as they are: of another type in their place speaks Python.

``ENTREG_FUZZ=500 pytest tests/fuzz`` draws so many examples of each function, new ones.
"""

# ruff: noqa: F403, F405
import contextlib
import dataclasses
import inspect
import io
import math
import os
import pickle
import re
import traceback
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kinds import *

import entreg_utils as eu
from entreg_utils import analysis, checks, data, erasing, experiments, metrics, models

LONG = int(os.environ.get("ENTREG_FUZZ", 0))
FUZZ = settings(
    max_examples=LONG or 2,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
)
ROOMS = [room for room in eu._ROOMS if room != "widgets"] + ["names"]


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
    spoils = {bool: FLAG.spoils, int: NOT_WHOLES, float: NOT_NUMBERS, tuple: NOT_WHOLES}
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
    normalized_map=Kind(array(SIDE, SIDE, elements=grid()), ARRAYS, NOT_ARRAYS))
row("cam.upsample", lambda r, a: r.dtype == float and r.shape == (len(a["maps"]), SIDE, SIDE))
row("models.build", lambda r, a: r.num_classes == a["num_classes"], name=choice("toy"),
    pretrained=one_of(False, spoils=FLAG.spoils))
row("models.ToyNet", lambda r, a: r.num_classes == a["num_classes"], width=whole())
TUNED = made(lambda: models.build("toy", 3, width=1), **ODD)
row("models.adapt models.freeze_batchnorm models.freeze_stages", lambda r, a: r.num_classes == 3,
    changes=("module",), module=TUNED)
row("models.map_offset", lambda r, a: r[0] == r[1], module=TUNED,
    size=one_of(32, spoils=NOT_WHOLES, array=np.array))
row("models.parameter_groups", lambda r, a: len(r) == 2, module=TUNED, factor=number(1, 9))
row("models.remove_stride", lambda r, a: r is None, changes=("block",),
    block=made(lambda: torch.nn.Conv2d(3, 3, 3, 2), other=torch.nn.Linear(1, 1)))
row("erasing.ADL erasing.RDAP", lambda r, a: r.training)
row("erasing.cutmix", lambda r, a: r[0].shape == a["images"].shape, leave=("num_classes",),
    targets=Kind(mapped(array("n", "c", elements=grid()), torch.tensor),
                 {k: TENSORS[k] for k in ("float32", "view")}, NOT_TENSORS))
row("erasing.hide_and_seek", lambda r, a: r.shape == a["images"].shape,
    sides=one_of(4, (0, 8), spoils=NOT_WHOLES))
row("erasing.hidden", lambda r, a: r.images.shape == a["images"].shape, leave=("model",))
row("erasing.attach", lambda r, a: r == {"last"}, model=made(net),
    erasing=made(lambda: erasing.preset("adl", "toy", "toy")),
    call=lambda model, erasing, generator: attached(model, erasing, generator))
row("erasing.preset", lambda r, a: r.method == a["method"], method=choice("cam", "has"),
    dataset=choice("toy"), model=choice("toy"))
row("data.load", lambda r, a: len(r) == (a["num_images"] or len(r)), name=choice("toy"),
    split=choice("train", "val"), num_images=whole(), image_size=whole(32, 34),
    call=lambda name, split, num_images, image_size: data.load(
        name, split, num_images=num_images, image_size=image_size, cache=False))
row("data.collate", lambda r, a: len(r.image) == 4,
    samples=made(lambda: [toy()[i] for i in range(4)], empty=[], text="a"))
row("data.counterfactual", lambda r, a: r.shape == (a["count"] or 4, 3, 32, 32),
    cue=choice(*data.CUES))
own = {"images": SimpleNamespace(images=[]),
       "floats": SimpleNamespace(images=torch.rand(2, 3, 8, 8), labels=[0, 1]),
       "labels": SimpleNamespace(images=torch.zeros(1, 3, 8, 8).byte(), labels=[-1])}
row("data.OwnDataset", lambda r, a: len(r) == 4 and r[0].image.shape == (3, 32, 32),
    split=choice("val"), name=one_of("own", spoils={}), found=made(
        lambda: SimpleNamespace(images=toy().images, labels=toy().labels), constant(own | ODD)))
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
    features=Kind(array("n", 2, 2, 4, elements=grid(0, 4)), ARRAYS, NOT_ARRAYS),
    call=lambda features, region: metrics.energy_shares(features, region))
row("metrics.evidence_shares", lambda r, a: UNIT(np.nan_to_num(dataclasses.astuple(r))))
row("training.regularised_loss", FINITE, logits=T_LOGITS)
row("training.View", lambda r, a: len(r) == 4, size=one_of(8, spoils=NOT_WHOLES),
    crop=one_of(0, 16, spoils=NOT_WHOLES))
row("training.predict", lambda r, a: FINITE(r.maps) and len(r.logits) == 4, batch=whole(),
    leave=("score", "use"))
row("training.evaluate", lambda r, a: UNIT([r[n] for n in ("accuracy", "gt_known", "pxap")]))
row("training.reliance", lambda r, a: len(r) == 3)
row("experiments.er", lambda r, a: math.isclose(r.epsilon, a["epsilon"] or 0, abs_tol=1e-6))
row("experiments.sweep_epsilon", lambda r, a: len(r) == 1, epsilons=one_of((0.5,), array=np.array,
    list=list, spoils={}), seeds=one_of((1,), spoils={}))
row("experiments.build", lambda r, a: r.num_classes == (a["num_classes"] or 8),
    config=made(lambda: runs()[0].config))
settings_rows("models.Network", "erasing.Erasing", "data.Data", "data.World", "training.Recipe",
              "experiments.Evaluation")
row("analysis.table analysis.final analysis.history analysis.headline", lambda r, a: len(r) > 0)
row("analysis.by", lambda r, a: len(r) == 4 or not a["runs"], field=choice("seed"),
    call=lambda runs, field: [*analysis.by(runs, field, "epsilon")])
row("analysis.choose", lambda r, a: r in (0.0, 0.5), score=choice("val_pxap"))
row("analysis.verdict", lambda r, a: "PxAP" in r)
SEEDS = {"runs": made(lambda: runs()[:2], empty=[]), "score": choice("accuracy", "max_box_acc")}
row("analysis.outcomes", lambda r, a: r.dtype == bool, **SEEDS)
row("analysis.change", lambda r, a: r["low"] <= r["high"], score=choice("accuracy"),
    plain=SEEDS["runs"], treated=made(lambda: runs()[2:], empty=[]))
row("analysis.at_entropy", lambda r, a: len(r) == 2, table=FINAL)
row("analysis.over_seeds", lambda r, a: len(r) == 2, table=FINAL)
row("analysis.by_checkpoint", lambda r, a: list(r) == ["last", "validation", "test"],
    history=made(lambda: analysis.history(runs()), TABLES), criterion=choice(""))
row("figures.as_picture", lambda r, a: r.size and r.shape[2] == 3)
row("figures.draw_box", lambda r, a: r is None, changes=("axes",), axes=made(lambda: new_axes()),
    colour=one_of("red", spoils={}),
    box=Kind(mapped(OWN_BOXES.good, lambda b: b[0]), INTEGERS, NOT_ARRAYS))
row("figures.ink", lambda r, a: re.fullmatch("#[0-9a-f]{6}", r), colour=choice("orange", "red"))
row("figures.student", lambda r, a: r[0] <= r[1], values=SHARES)
row("score.score", lambda r, a: UNIT(r.table.value) and len(r.images) == 2, call=lambda maps,
    threshold, thresholds, size, samples, seed: eu.score.score(maps, truth(), threshold=threshold,
    thresholds=thresholds, size=size, samples=samples, seed=seed), samples=whole(0, 3),
    maps=made(lambda: {"a": np.eye(4), "b": np.ones((3, 3))}, constant(ODD | {
        "no file": "no/where", "none": {}, "stranger": {"c": np.eye(2)}, "number": {1: np.eye(2)},
        "NaN": {"a": np.full((2, 2), np.nan), "b": np.eye(2)},
        "texts": {"a": "x", "b": "y"}, "empty": {"a": np.zeros((0, 3)), "b": np.eye(2)}})),
    thresholds=one_of(7, spoils=NOT_WHOLES))
row("score.compare", lambda r, a: len(r.table) > 0, first=made(scored), second=made(scored),
    samples=whole(0, 3))
row("predict.find_run", lambda r, a: r.config, name=one_of(
    min(experiments.store.committed_folder().glob("toy*.json")).stem, spoils=NOT_TEXTS))
row("predict.find", lambda r, a: len(r) > 0, out=made(lambda: Path("nowhere")), given=made(
    lambda: [photo()], empty=[], absent=["no/where"], nul=["a\0b"], text_file=[truth()]))
row("theory.optimum theory.reliance", POSITIVE,
    epsilons=one_of((0.2, 0.5), list=list, array=np.array))
row("theory.pays_until", lambda r, a: bool((r <= 1).all()))
row("theory.prediction", lambda r, a: UNIT(r[0]) and POSITIVE(r[1]))
VALUE = one_of("toy", math.sqrt, spoils=NOT_TEXTS)
row("names.is_own names.travels", lambda r, a: r in (True, False), value=VALUE)
row("names.label names.text_of", lambda r, a: isinstance(r, str), value=VALUE)
GONE = NOT_TEXTS | constant({"no function": "math:no", "no file": "no.such:f"})
row("names.resolve", lambda r, a: callable(r), value=one_of("math:sqrt", len, spoils=GONE),
    what=choice("model"))
row("names.digest", lambda r, a: len(r) == 64,
    value=one_of("entreg_utils.files:sha256", spoils=GONE))
row("names.source_file", lambda r, a: r is None or r.exists(), module=one_of("entreg_utils.names",
    "math", spoils=constant({"absent": "no.such", "odd letters": "ä ☃", "empty": ""})))


def asked(check, answer) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        needed = [*inspect.signature(check).parameters][1:]
        check(answer, **{n: GIVEN[n] if n in GIVEN else LAZY[n]() for n in needed})
    return said.getvalue()


for name in checks.__all__:  # of an answer that may be anything: a few lines, never an exception
    row(f"checks.{name}", lambda r, a: r.count("\n") < 15 and len(r) > 20, answer=one_of(
        0.5, 3, len, (1, 2), {"metric": "PxAP"}, spoils=NOT_WHOLES | NOT_TEXTS),
        call=partial(asked, getattr(checks, name)))
EXEMPT = {  # public names that are not in the table, and why
    "reached through data.load": "data.Images data.toy data.cub data.openimages data.flowers "
    "data.pets data.voc data.shoal",
    "results and containers": "models.Adapted models.Backbone erasing.Hidden "
    "erasing.Preset data.Sample data.DrawnDataset data.PhotoDataset "
    "metrics.ScoreMap metrics.Explanation metrics.BoxAccuracy metrics.Localisation "
    "metrics.Interval metrics.SeedInterval metrics.SizeAccuracy metrics.EvidenceShares "
    "metrics.Lit training.Prediction training.Best experiments.Run figures.Example "
    "predict.Classifier score.Scores theory.ThreeCues",
    "exceptions": "training.TrainingError experiments.SweepError",
    "train networks": "training.fit experiments.run experiments.rescore experiments.sweep",
    "load data sets or networks, or pass many images": "models.PhotoNet experiments.splits "
    "training.summarise training.evidence predict.classifier predict.predict",
    "read folders, in test_files.py": "data.folder data.survey",
    "tables of stored plans, or of tables of this room": "analysis.stored analysis.complete "
    "analysis.changes analysis.points analysis.clear analysis.differences "
    "analysis.differences_by_seed analysis.tally analysis.verdicts analysis.readable "
    "analysis.optimism analysis.paired analysis.baselines analysis.report analysis.markdown",
    "draw: what they say comes from cam and metrics": "figures.steps figures.triptych "
    "figures.triptychs figures.invariance figures.picture_grid figures.draw_picture figures.forest "
    "figures.entropy_axis figures.picture_axes figures.png figures.show "
    "figures.say figures.captured figures.use_style",
    "its keywords are those of five rows here": "experiments.Config",
    "takes what other functions of the room give": "theory.fit_price theory.data_loss",
}
# fmt: on


def attached(model, erasing_, generator) -> set:
    with erasing.attach(model, erasing_, generator) as layers:
        return {*layers}


def new_axes():
    plt.close("all")
    return plt.subplots()[1]


def photo() -> Path:
    path = truth().with_name("photo.png")
    plt.imsave(path, np.zeros((9, 9)))
    return path


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


def same(one, other) -> bool:
    """Whether two results are equal, up to the rounding of half precision."""
    one, other, near = numbers(one), numbers(other), {"rtol": 2e-3, "atol": 2e-3}
    alike = [a.shape for a in one] == [b.shape for b in other]
    return alike and all(map(partial(np.allclose, equal_nan=True, **near), one, other))


def usual(value, good):
    """A dressed value in the container and precision that good values have."""
    if isinstance(good, torch.Tensor):
        value = torch.as_tensor(value).detach()
        return value.to(good.dtype) if value.is_floating_point() else value
    if not isinstance(good, np.ndarray):
        return float(value) if isinstance(good, float) else good
    if isinstance(value, (list, tuple)):
        return np.array([usual(own, good) for own in value]).astype(good.dtype)
    if isinstance(value, torch.Tensor):
        value = value.detach()
        value = value.double() if value.is_floating_point() else value
    value = np.asarray(value)
    return value.astype({"f": float, "b": bool}.get(value.dtype.kind, np.int64))


OWN = re.compile(r"NaN or infinite|left out, because|left out: ")  # what the package warns of
FOREIGN = re.compile(r"mat1 and|out of bounds|truth value|broadcast|not supported between")
PACKAGE = str(Path(eu.__file__).parent)


@cache
def documented(function, depth=2) -> str:
    """The docstring, and those that it refers to."""
    text = f"{function.__doc__} {getattr(function, '__init__', function).__doc__}"
    rooms = [import_module(f"entreg_utils.{room}") for room in ROOMS]
    for name in re.findall(r":(?:func|class|meth):`[~.\w]*?(\w+)`", text) if depth else ():
        places = [import_module(function.__module__), *rooms]
        found = next((getattr(place, name) for place in places if hasattr(place, name)), None)
        text += documented(found, depth - 1) if callable(found) else ""
    return text


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


def foreign(error: Exception, function=None) -> str:
    """What is wrong with an exception; empty where the package raised it as it says."""
    frame, text = traceback.extract_tb(error.__traceback__)[-1], f"{type(error).__name__}: {error}"
    if not (frame.filename.startswith(PACKAGE) and frame.line.startswith("raise")):
        return f"{text} ({Path(frame.filename).name}:{frame.lineno}, {frame.line})"
    if FOREIGN.search(text) or "\n" in text or not 20 < len(text) < 1500:
        return f"no sentence: {text!r}"
    known = function is None or type(error).__name__ in documented(function)
    return "" if known else f"not documented: {text}"


def lawful(one: Row, result, arguments) -> str:
    try:
        return "" if one.law(result, arguments) else f"against the law: {result}"
    except Exception as error:
        return f"{type(error).__name__} in its law ({error}): {result}"


def faults(name: str, good: dict):
    """What is wrong with a function at good arguments, and with each dressed or spoiled in turn."""
    one = TABLE[name]
    result, refused, wrong = called(one, good)
    yield from (f"good: {w}" for w in wrong + [refused or lawful(one, result, good)] if w)
    for argument, kind in one.arguments.items():
        changes = [(pair, True) for pair in kind.dresses.items()]
        for (label, change), dress in changes + [(pair, False) for pair in kind.spoils.items()]:
            try:
                value = change(good[argument])
            except (ValueError, TypeError, IndexError, RuntimeError):
                continue  # this value has no such dress
            given = good | {argument: value}
            result, refused, wrong = called(one, given)
            if dress:
                expected, other, _ = called(one, good | {argument: usual(value, good[argument])})
                alike = refused or isinstance(result, torch.nn.Module) or same(result, expected)
                if type(refused) is not type(other) or not alike:
                    wrong += [f"{refused or result}, and plain {other or expected}"]
            fault = foreign(refused, public(name)) if refused else lawful(one, result, given)
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
    plt.close("all")


def test_every_public_function_is_in_the_table_or_exempt_for_a_reason():
    found = set()
    for room in ROOMS:
        module = import_module(f"entreg_utils.{room}")
        for name in getattr(module, "__all__", dir(module)):
            home = str(getattr(getattr(module, name), "__module__", ""))
            own = home.startswith(f"entreg_utils.{room}") or name in ("rescale_boxes", "as_picture")
            if own and not name.startswith("_") and callable(getattr(module, name)):
                found.add(f"{room}.{name}")
    exempt = {name for names in EXEMPT.values() for name in names.split()}
    assert found == exempt | {*TABLE} and not exempt & {*TABLE}


def test_the_table_does_not_shrink_unnoticed():
    changes = [
        len({**k.dresses, **k.spoils}) for one in TABLE.values() for k in one.arguments.values()
    ]
    assert len(TABLE) >= 120 and sum(changes) >= 7000
