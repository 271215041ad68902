"""Numbers of NumPy and PyTorch do where Python's do, and nothing else does; seeds of any size."""

import dataclasses
import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from entreg_utils import (
    analysis,
    cam,
    data,
    erasing,
    experiments,
    figures,
    losses,
    metrics,
    models,
    theory,
    training,
)
from entreg_utils.experiments import grids

RANDOM = np.random.default_rng(0)
MAPS = RANDOM.random((4, 5, 5))
BOXES = [[[1, 1, 20, 20]]] * 4
LABELS = torch.tensor([0, 1, 2, 5])
IMAGES = torch.tensor(RANDOM.random((4, 3, 32, 32)), dtype=torch.float32)
SCORES = pd.DataFrame({"seed": [0, 0, 1, 1], "epsilon": [0.0, 0.5] * 2, "method": "a"})
SCORES = SCORES.assign(x=[0.0, 1.0, 0.3, 0.4])
KNOBS = {"part": 0.5, "num_classes": 5, "image_size": 32, "seed": 7}


def draws():
    return torch.Generator().manual_seed(0)


def toy():
    torch.manual_seed(0)
    return models.build("toy", 8, width=4)


def erased(layer, **numbers):
    return layer(**numbers, generator=draws()).train()(IMAGES)


# What is called, how, and with which numbers; these are then given as other types. Functions whose
# arguments `fuzz/test_functions.py` gives in all types are not here.
CALLS = {
    "matched": (
        lambda **k: losses.matched_strength("jsd", **k),
        {"entropy": 0.5, "num_classes": 4},
    ),
    "upsample, sides": (lambda **k: cam.upsample(MAPS, **k), {"size": (8, 9)}),
    "Network": (models.Network, {"width": 4, "head_outputs": 9}),
    "Network.build": (
        lambda **k: models.Network(width=4).build(**k).state_dict(),
        {"num_classes": 5, "seed": 3},
    ),
    "build, own": (
        lambda **k: models.build(lambda n: models.ToyNet(n, 4), **k).num_classes,
        {"num_classes": 5},
    ),
    "freeze_stages": (lambda **k: models.freeze_stages(toy(), **k).frozen_stages, {"count": 1}),
    "cutmix": (
        lambda **k: erasing.cutmix(IMAGES, LABELS, generator=draws(), **k),
        {"beta": 0.5, "probability": 0.75, "num_classes": 6},
    ),
    "RDAP": (lambda **k: erased(erasing.RDAP, **k), {"square": 0.5, "rate": 0.5}),
    "Erasing": (lambda **k: erasing.Erasing("has", **k), {"sides": (8, 16), "rate": 0.5}),
    "World": (lambda **k: dataclasses.asdict(data.World(**k)), KNOBS),
    "toy": (lambda **k: data.toy("val", cache=False, **k).images, {"num_images": 3} | KNOBS),
    "shoal": (lambda **k: data.shoal("val", cache=False, **k).images, {"num_images": 3} | KNOBS),
    "Data": (data.Data, {"num_train": 100, "part": 0.5, "world_seed": 5}),
    "box_accuracy": (
        lambda **k: vars(metrics.box_accuracy(MAPS, BOXES, size=32, **k)),
        {"iou_thresholds": (0.25, 0.5), "thresholds": 10, "threads": 1},
    ),
    "iou_curves": (
        lambda **k: metrics.iou_curves(MAPS, BOXES, size=32, normalization="pas", **k),
        {"thresholds": (0.25, 0.5), "percentile": 75.0},
    ),
    "Recipe": (training.Recipe, {"seed": 3, "epochs": 2, "learning_rate": 0.5}),
    "Config": (
        lambda **k: (lambda made: (made.name, made.to_dict(), repr(made)))(experiments.Config(**k)),
        {"seed": 3, "world_seed": 2, "learning_rate": 0.5, "num_train": 100, "sigma": 0.25},
    ),
    "er": (lambda **k: experiments.er(**k).name, {"epsilon": 0.5, "seed": 3, "num_classes": 5}),
    "sweep_epsilon": (
        lambda **k: [made.name for made in grids.sweep_epsilon(**k)],
        {"epsilons": (0.0, 0.5), "seeds": (1, 2)},
    ),
    "paired": (
        lambda **k: analysis.paired(SCORES, "x", by="method", **k),
        {"plain": 0.0, "treated": 0.5},
    ),
    "ThreeCues": (
        theory.ThreeCues,
        {"reliability": (1.0, 0.5, 0.25), "amplitude": (0.5, 0.25, 0.125), "num_classes": 3},
    ),
    "triptych": (
        lambda **k: figures.triptych(IMAGES[0], MAPS[0], BOXES[0], **k)[1],
        {"threshold": 0.25},
    ),
    "grid": (lambda **k: len(figures.picture_grid(IMAGES, **k)[0].axes), {"columns": 2}),
}


def number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def others(value) -> list:
    """The same value in the types of other libraries."""
    if isinstance(value, int):
        return [np.int64(value), np.uint8(value), np.array(value), torch.tensor(value)]
    if isinstance(value, float):
        kinds = torch.float64, torch.bfloat16
        tensors = [torch.tensor(value, dtype=kind) for kind in kinds]
        return [np.float64(value), np.float32(value), np.array(value), *tensors]
    if isinstance(value, tuple) and all(map(number, value)):
        array = np.array(value)
        series = pd.Series(value, index=range(5, 5 + len(value)))  # its labels are no places
        return [list(value), array, tuple(array), series, torch.from_numpy(array)]
    return []


def same(found, wanted):
    if dataclasses.is_dataclass(wanted):
        found, wanted = repr(found), repr(wanted)
    if isinstance(wanted, pd.DataFrame | pd.Series):
        found, wanted = found.to_numpy(), wanted.to_numpy()
    first = [*wanted.values()] if isinstance(wanted, dict) else wanted
    if torch.is_tensor(first) or (isinstance(first, list | tuple) and torch.is_tensor(first[0])):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    else:
        np.testing.assert_equal(found, wanted)


@pytest.mark.parametrize("name", CALLS)
def test_numbers_of_other_libraries_do_and_no_truth_values_or_texts(name):
    call, given = CALLS[name]
    wanted = call(**given)
    for argument, value in given.items():
        for other in others(value):
            same(call(**given | {argument: other}), wanted)
        for wrong in (True, np.True_, torch.tensor(True), "1") if number(value) else ():
            with pytest.raises(ValueError, match=argument):
                call(**given | {argument: wrong})
    plt.close("all")


ROOMS = "losses cam models erasing data metrics training experiments analysis figures predict score"
OWN = {erasing.ADL, erasing.RDAP}  # read theirs by `erasing.batches.number`
RESULTS = "BoxAccuracy EvidenceShares Explanation Interval Localisation SeedInterval Run Sample"
RESULTS += " Classifier Example"  # classes that hold numbers and are made by the package alone
SETTINGS = {models.Network, data.Data, data.World, training.Recipe, erasing.Erasing}
SETTINGS |= {experiments.config.Evaluation, theory.ThreeCues}  # see `fields.settle`


def test_every_public_function_reads_its_numbers_in_the_same_way():
    unread = []
    for room in (*ROOMS.split(), "theory", "widgets"):
        for name, found in vars(importlib.import_module(f"entreg_utils.{room}")).items():
            ours = getattr(found, "__module__", "").startswith(f"entreg_utils.{room}")
            if name.startswith("_") or not ours or not callable(found) or found in OWN | SETTINGS:
                continue
            if isinstance(found, type) and issubclass(found, Exception):
                continue
            annotations = inspect.signature(found).parameters.values()
            kinds = {str(getattr(p.annotation, "__name__", p.annotation)) for p in annotations}
            read = hasattr(getattr(found, "__init__", None), "__wrapped__")
            if kinds & NUMBERS and not (read or hasattr(found, "__wrapped__")):
                unread.append(name)
    assert set(unread) <= set(RESULTS.split())


NUMBERS = {"int", "float", "int | None", "float | None", "Size", "int | tuple[int, int]"}
SEEDS = {  # what takes a seed of any size, each by itself
    "World": lambda seed: (
        data.toy("val", num_images=2, cache=False, image_size=32, seed=seed).images
    ),
    "Network": lambda seed: models.Network(width=4).build(3, seed).state_dict(),
    "bootstrap": lambda seed: metrics.bootstrap_interval(MAPS, samples=9, seed=seed),
    "paired": lambda seed: metrics.paired_bootstrap(MAPS[0], MAPS[1], samples=9, seed=seed),
    "Config, world": lambda seed: experiments.Config(world_seed=seed).name,
}
SMALLER = {  # whose draws are many and told apart by it
    "Recipe": lambda seed: training.Recipe(seed=seed),
    "Config": lambda seed: experiments.Config(seed=seed).name,
    "er": lambda seed: experiments.er(0.5, seed).name,
}


@pytest.mark.parametrize("name", [*SEEDS, *SMALLER])
def test_seeds_of_any_size_work_or_are_refused_in_one_sentence(name):
    call, most = (SEEDS | SMALLER)[name], 2**63 if name in SEEDS else 2**46
    for seed in (most - 1, most // 2 + 1, *((2**64, 2**200 + 1) if name in SEEDS else ())):
        if seed < 2**64:
            same(call(np.uint64(seed)), call(seed))
        with pytest.raises(AssertionError):
            same(call(seed - 1), call(seed))
    for wrong in (-1, np.int64(-1), 0.5, True, *(() if name in SEEDS else (most, 2**200))):
        with pytest.raises(ValueError, match=r"seed=\S+: give a (non-negative )?whole number"):
            call(wrong)
