"""Hours by hand, from throughputs that are round numbers."""

from dataclasses import replace

import pytest

from entreg_utils.experiments import Config, cost, presets
from entreg_utils.experiments.cost import Measured, Step

CUB = presets.wsol_evaluation("cub", "resnet50").config()  # 50 epochs of 5,994 in batches of 32
ADL = presets.adl_code("openimages", "seresnet50").config()  # 105 epochs of 32,000
STEP = Step("resnet50", 224, 32, "fp32", False, False)
TOY = Step("toy", 32, 4, "fp32", False, False)


def measured(device, step, rate, date="2026-01-01"):
    return Measured(device, step, rate, 10, "2.11", date, 0.5)


def test_images_of_a_run():
    assert cost.images_of(CUB) == 50 * 187 * 32  # the last, shorter batch is left out
    assert cost.images_of(replace(CUB, lists="official")) == 50 * 156 * 32  # 4,994
    assert cost.images_of(ADL) == 105 * 32_000
    assert cost.images_of(replace(CUB, classes=20, lists="official")) == 50 * 15 * 32  # 499
    with pytest.raises(ValueError, match="how many photographs toy has is not known here"):
        cost.images_of(Config())


def test_a_step_is_the_network_and_its_input_and_no_regulariser():
    assert cost.step_of(CUB) == STEP
    er = replace(CUB, regularizer="kl_uniform", strength=1.0, method="has", seed=2, epochs=3)
    assert cost.step_of(er) == STEP
    for change in ({"crop": 192}, {"batch_size": 64}, {"precision": "bf16"}, {"large_map": True}):
        assert cost.step_of(replace(CUB, **change)) != STEP
    assert str(TOY) == "toy at 32, batch 4, fp32"
    assert str(TOY._replace(large_map=True, compile=True)).endswith("fp32, large map, compiled")


def test_hours_are_images_over_throughput_on_each_device_by_itself():
    table = [
        measured("fast", STEP, 1000.0),
        measured("slow", STEP, 10.0),
        measured("slow", STEP._replace(model="seresnet50"), 5.0, "2026-01-02"),
        measured("slow", STEP, 20.0, "2026-01-03"),  # later: it counts
    ]
    fast, slow = cost.estimate([CUB, replace(CUB, seed=1), ADL], table)
    images = 50 * 187 * 32
    assert fast.hours == pytest.approx(2 * images / 1000 / 3600) and fast.counted == 2
    assert fast.unmeasured == {STEP._replace(model="seresnet50"): 1}
    assert slow.hours == pytest.approx((2 * images / 20 + 105 * 32_000 / 5) / 3600)
    assert (slow.counted, slow.unmeasured) == (3, {})
    assert slow.dates == ["2026-01-02", "2026-01-03"]


def test_the_report_names_device_and_date_and_what_was_not_measured():
    table = [measured("A GPU", STEP, 1000.0), measured("idle", STEP._replace(crop=96), 1.0)]
    assert list(cost._hours([CUB, ADL], table, "this CPU")) == [
        # 50 * 187 * 32 images at 1,000 a second: 299 s
        "A GPU: 0.1 hours of training steps for 1 of the 2 runs, on one such device without a "
        "break (measured 2026-01-01 with torch 2.11; evaluation and decoding come on top).",
        "  not measured there: seresnet50 at 224, batch 32, fp32 (1 runs)",
        "this CPU: not measured (data/throughput.json has what was).",
    ]
    assert len(list(cost._hours([CUB], table, "A GPU"))) == 1


def test_the_table_of_the_project_says_where_each_number_is_from():
    rows = cost.load()
    assert len({(row.device, row.step) for row in rows}) == len(rows) > 0
    for row in rows:
        assert row.images_per_second > 0 and row.steps >= 1 and row.device
        assert row.torch and row.date.startswith("20")
