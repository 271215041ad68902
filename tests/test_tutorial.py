"""How near fresh runs are to the committed records: nothing is trained for minutes."""

from types import SimpleNamespace

import pytest

from entreg_utils import analysis, experiments, tutorial
from entreg_utils.experiments import grids, store

ORIGIN = {"cpu": "A", "capability": "AVX2", "torch": "2.11", "threads": 1, "device": "cpu"}


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


def test_scores_that_one_side_lacks_are_not_compared(project):
    newer, older = fresh(0), fresh(0, "other")
    newer.metrics |= {"lit_recall": 0.5, "lit_recall_carried": 0.5}
    del older.metrics["top1_loc"]
    commit(older)
    said = tutorial.reproducibility([newer])
    assert "PxAP 0.000" in said and "Top-1" not in said and "lit_" not in said


def test_kernels_find_results_of_a_relative_folder_and_a_package_has_no_notebooks(
    monkeypatch, tmp_path
):
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENTREG_RESULTS", "mine")
    monkeypatch.setenv("ENTREG_FRESH", "0")  # given back after the test
    monkeypatch.setattr(tutorial.subprocess, "run", lambda command, env: calls.append(env) or DONE)
    monkeypatch.setattr(experiments, "sweep", lambda configs, jobs: [])
    monkeypatch.setattr(analysis, "report", lambda *_: "")
    DONE = SimpleNamespace(returncode=0)
    assert tutorial.run(None, False) == 0
    assert [env["ENTREG_RESULTS"] for env in calls] == [str(tmp_path / "mine" / "tutorial")]
    monkeypatch.setattr(tutorial, "checkout", lambda: None)
    with pytest.raises(ValueError, match="no sources of notebooks: clone the repository"):
        tutorial.run(None, False)
