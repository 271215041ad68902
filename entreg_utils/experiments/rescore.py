"""``rescore(run)``: the scores of a finished run under other settings of evaluation."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.packing import pack_state
from entreg_utils.experiments.provenance import provenance
from entreg_utils.experiments.run import Run, as_run, keep, splits
from entreg_utils.experiments.watch import Watch

EVALUATION = ("eval_size", "eval_view", "sigma")  # settings that training does not depend on


def rescore(source: Run, **changes) -> Run:
    """The run of ``source`` with other values of settings of evaluation.

    Training does not depend on them, so the last checkpoint of ``source``, a run on photographs, is
    scored instead of trained. The record lies in the store under the changed config; its provenance
    names the run whose weights it has (``rescored``), its history keeps what does not depend on
    evaluation, and no best checkpoint is chosen.

    Args:
        changes: of :data:`EVALUATION`, such as ``eval_size=288``.

    Raises:
        ValueError: a setting that training depends on, or a run of the drawn world.
        StorageError: photographs or checkpoint that are not there, or no room for the record.
    """
    wrong = [name for name in changes if name not in EVALUATION]
    if wrong or not changes:
        named = f"{wrong[0]} decides what is trained" if wrong else "nothing is changed"
        raise ValueError(f"{named}: only {', '.join(EVALUATION)} can be changed without training")
    if source.config.data.is_drawn:
        raise ValueError("the drawn world is scored at its own size: rescore photographs")
    config = replace(source.config, **changes)
    record = store.find(config)
    if record is None:
        path = store.path_of(config)
        with store.only_one(path):
            record = store.find(config) or _scored(source, config, path)
    return as_run(config, record)


def _scored(source: Run, config: Config, path: Path) -> dict:
    model = source.model()
    watch = Watch(config, *splits(config))
    metrics, outcomes = watch.final(model)
    kept = [c for c in source.history if not c.startswith(("train_", "val_", "test_"))]
    history = {name: source.history[name].tolist() for name in kept}
    measured = history, metrics, watch.panel, np.array([watch.panel_maps(model)]), outcomes
    weights = {"last": pack_state(model.state_dict())}
    origin = provenance(config, source.provenance["seconds"], source.provenance.get("source", ""))
    origin["rescored"] = source.config.name
    return keep(config, store.files_of(config), path, measured, weights, provenance=origin)
