"""The torchmetrics doors: the numbers of the functions, over batches and over processes."""

import sys

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from entreg_utils import metrics
from entreg_utils.metrics.torch import MaxBoxAcc, MaxBoxAccV2, MeanPxAP, PxAP

SIZE = 32


def world(images=7):
    """(cams, boxes, masks, ignore, classes) of some images, tensors but for the boxes."""
    generator = np.random.default_rng(0)
    corners = np.sort(generator.integers(0, SIZE, (images, 2, 2)), axis=1)
    boxes = [corners[[i, (i + 1) % images][: 1 + i % 2]].reshape(-1, 4) for i in range(images)]
    masks = torch.from_numpy(generator.random((images, SIZE, SIZE)) > 0.6)
    ignore = torch.from_numpy(generator.random((images, SIZE, SIZE)) > 0.9)
    cams = torch.from_numpy(generator.normal(size=(images, 5, 5))).float()
    return cams, boxes, masks, ignore, torch.arange(images) % 3


CAMS, BOXES, MASKS, IGNORE, CLASSES = world()
OPTIONS = {"thresholds": 50, "size": SIZE}
PIXELS = {"step": 0.01, "size": SIZE}


def doors():
    """name: (metric, its batches as a function of the rows, what the functions say)."""
    accuracy = {
        rule: metrics.box_accuracy(CAMS, BOXES, rule, **OPTIONS) for rule in ("largest", "all")
    }
    boxed = lambda rows: (CAMS[rows], [BOXES[i] for i in rows])  # noqa: E731
    pixels = (CAMS, MASKS)
    return {
        "MaxBoxAcc": (MaxBoxAcc(**OPTIONS), boxed, accuracy["largest"].max_box_acc),
        "MaxBoxAccV2": (MaxBoxAccV2(**OPTIONS), boxed, accuracy["all"].max_box_acc_v2),
        "PxAP": (
            PxAP(**PIXELS),
            lambda rows: (CAMS[rows], MASKS[rows], IGNORE[rows]),
            metrics.pixel_average_precision(*pixels, IGNORE, **PIXELS),
        ),
        "MeanPxAP": (
            MeanPxAP(4, **PIXELS),  # the fourth class is never seen
            lambda rows: (CAMS[rows], MASKS[rows], CLASSES[rows]),
            metrics.mean_pixel_average_precision(*pixels, CLASSES, **PIXELS),
        ),
    }


NAMES = ("MaxBoxAcc", "MaxBoxAccV2", "PxAP", "MeanPxAP")


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_any_size_give_the_number_of_the_function(name):
    metric, batch, wanted = doors()[name]
    for rows in ([0, 1, 2], [3], [4, 5, 6]):
        metric.update(*batch(rows))
    assert metric.compute().item() == wanted and metric.compute().dtype == torch.float64
    assert 0 < wanted < 1
    metric.reset()
    one = metric(*batch([2]))  # forward gives the batch's own score
    assert one == metric.compute() and one != wanted


@pytest.mark.parametrize("name", NAMES)
def test_maps_without_numbers_are_said(name):
    metric, batch, _ = doors()[name]
    cams, *rest = batch([0, 1, 2])
    cams[1, 0, 0] = torch.nan
    with pytest.warns(RuntimeWarning, match="1 of 3 maps hold NaN"):
        metric.update(cams, *rest)


def _process(rank, address, queue):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    for name, (metric, batch, _) in doors().items():
        for rows in ([[0, 1], [2, 3], [4]], [[5, 6]])[rank]:
            metric.update(*batch(rows))
        queue.put((name, rank, metric.compute().item()))
    lonely, batch, _ = doors()["MaxBoxAcc"]  # a process without images is no reason to hang
    if rank == 0:
        lonely.update(*batch(list(range(7))))
    queue.put(("lonely", rank, lonely.compute().item()))
    dist.destroy_process_group()


def test_two_processes_with_uneven_images_give_the_number_of_all_images(tmp_path):
    queue = mp.get_context("spawn").SimpleQueue()
    mp.spawn(_process, (f"file://{tmp_path / 'meeting'}", queue), nprocs=2)
    wanted = {name: door[2] for name, door in doors().items()}
    wanted["lonely"] = wanted["MaxBoxAcc"]
    found = dict(((name, rank), score) for name, rank, score in (queue.get() for _ in range(10)))
    assert found == {(name, rank): score for name, score in wanted.items() for rank in (0, 1)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: MaxBoxAcc().compute(), "call update before compute"),
        (lambda: MaxBoxAcc(thresholds=[2.0]), "give values in 0..1"),
        (lambda: MaxBoxAcc().update(CAMS[0], BOXES[:1]), "must have shape"),
        (lambda: PxAP(step=0), "width of a score bin"),
        (lambda: PxAP(**PIXELS).compute(), "no foreground pixel"),
        (lambda: MeanPxAP(0), "num_classes=0: give a whole number above 0"),
        (lambda: MeanPxAP(2).update(CAMS, MASKS, CLASSES), r"lie in 0\.\.1, found 0\.\.2"),
    ],
)
@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_what_cannot_be_scored_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_without_torchmetrics_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "entreg_utils.metrics.torch")
    with pytest.raises(ImportError, match=r"pip install 'torchmetrics>=1\.4'$"):
        import entreg_utils.metrics.torch  # noqa: F401
