"""The parts of the tutorial that can be tested without training for minutes."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from entreg_utils import analysis, data, experiments, tutorial
from entreg_utils.experiments import grids, store

ROOT = Path(__file__).resolve().parents[1]
START, END = tutorial.marks("headline")
ORIGIN = {"cpu": "A", "capability": "AVX2", "torch": "2.11", "threads": 1, "device": "cpu"}


def test_only_the_block_between_the_marks_is_replaced():
    text = f"title\n{START}\nold | old\n{END}\nrest\n"
    assert tutorial.with_block(text, "headline", "new") == f"title\n{START}\nnew\n{END}\nrest\n"
    with pytest.raises(ValueError, match="no block between .*headline.* put it back"):
        tutorial.with_block("title\n", "headline", "new")


def test_readme_shows_what_the_committed_records_say(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path))
    assert all(store.find(config) for config in grids.ALL), "run `make records`"
    report = analysis.report(experiments.sweep(grids.SWEEP), data.load("toy", "test"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tutorial.with_block(text, "headline", report) == text, "run `make records`"
    report = analysis.readme_block()
    assert tutorial.with_block(text, "photographs", report) == text, "run `make records`"
    assert not list(tmp_path.glob("*.json"))


def test_records_come_with_the_checkpoints_that_notebooks_open(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for config in grids.ALL:
        (source / f"{config.name}.json").write_text(config.name)
        (source / f"{config.name}.pt").write_text(config.name)
    target.mkdir()
    (target / "toy-old.json").write_text("old")
    (target / "cub-kept.json").write_text("photographs are not trained here")
    tutorial._replace_records(source, target)
    records = {f"{config.name}.json" for config in grids.ALL} | {"cub-kept.json"}
    checkpoints = {f"{config.name}.pt" for config in grids.CHECKPOINTS}
    assert {path.name for path in target.iterdir()} == records | checkpoints
    assert (target / "cub-kept.json").read_text() == "photographs are not trained here"


# ---- how near fresh runs are to the committed records


def fresh(seed, weights="same", pxap=0.5, **origin):
    metrics = dict.fromkeys(analysis.HEADLINE, 0.5) | {"pxap": pxap}
    config, origin = grids.er(0.5, seed), ORIGIN | origin
    return SimpleNamespace(
        config=config, weights_sha256=weights, metrics=metrics, provenance=origin
    )


def commit(run):
    record = {"protocol": 5, "config": run.config.to_dict(), "metrics": run.metrics}
    record |= {"weights_sha256": run.weights_sha256, "provenance": run.provenance}
    store.write(record, store.committed_folder() / f"{run.config.name}.json")


def test_unequal_and_absent_runs_are_counted_measured_and_explained(project):
    old = {name: value for name, value in ORIGIN.items() if name != "capability"}
    commit(fresh(0))
    commit(fresh(1, "other", pxap=0.52, cpu="B"))
    commit(SimpleNamespace(**vars(fresh(2, "other", pxap=0.49)) | {"provenance": old}))
    said = tutorial.reproducibility([fresh(0), fresh(1), fresh(2), fresh(3)]).splitlines()
    assert said[0].startswith("Reproducibility: 1 of 3 fresh runs")
    assert said[1] == "1 have no committed record."
    assert said[2].startswith("Largest difference of a run's score: accuracy 0.000, ")
    assert "PxAP 0.020, " in said[2]
    assert said[2].endswith(
        "What differs: capability not recorded there, AVX2 here; cpu B there, A here."
    )


def test_equal_runs_differences_without_a_reason_and_no_record_are_said(project):
    said = tutorial.reproducibility([fresh(0)])
    assert said.endswith("1 have no committed record.") and "Largest" not in said
    runs = [fresh(0), fresh(1)]
    for run in runs:
        commit(run)
    assert tutorial.reproducibility(runs) == (
        "Reproducibility: 2 of 2 fresh runs have the weights of the committed records to the bit."
    )
    commit(fresh(0, "other"))
    assert tutorial.reproducibility([fresh(0)]).endswith("nothing that is recorded differs.")
