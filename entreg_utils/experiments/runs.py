"""``run(config)``: load the record, or train until there is one."""

from __future__ import annotations

import copy
import io
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.lock import only_one
from entreg_utils.experiments.preparation import build, measures_of, splits
from entreg_utils.experiments.progress import Progress
from entreg_utils.experiments.provenance import pick_device, provenance
from entreg_utils.files import StorageError, read_checked, sha256, write_checked
from entreg_utils.training import Best, fit
from entreg_utils.training.photographs import BASELINES

SUFFIXES = {"last": ".pt", "best": ".best.pt"}  # of the files of a run's checkpoints


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        config: what was run.
        history: one row an epoch: ``epoch``, ``loss``, and ``train_*``, ``val_*``, ``test_*`` of
            the quantities of ``training.evaluate`` (train: on 100 images, without flips; of
            photographs test is measured at the end alone, unless ``watch_test``).
        metrics: final scores on test, last checkpoint; see ``training.summarise``. For photographs
            also those of the best checkpoint, under the same names with ``_best``.
        provenance: commit, device, threads, versions, wall time.
        panel: indices of test images whose maps were kept; ``maps`` float32 (E, n, h, w), raw.
        selection: of photographs, how the best checkpoint was chosen: ``criterion``, a column of
            the history, ``epoch``, and ``weights_sha256``; None for the embedded world.
        outcomes: of photographs with one class and boxes, what became of each test image at the
            last checkpoint, see ``training.outcomes``; else empty.
    """

    config: Config
    history: pd.DataFrame
    metrics: dict
    provenance: dict
    panel: list[int]
    maps: np.ndarray
    weights_sha256: str
    selection: dict | None = None
    outcomes: dict[str, np.ndarray] = field(default_factory=dict)

    def model(self, which: str = "last") -> torch.nn.Module:
        """The trained model in eval mode, from its checkpoint; trained again when it is absent.

        Trained again on another machine, its last bits may differ from those behind ``metrics``.

        Args:
            which: ``last``, or for photographs ``best``, chosen on validation.

        Raises:
            ValueError: another checkpoint than those that are kept.
        """
        wanted = {"last": self.weights_sha256}
        if self.selection is not None:
            wanted["best"] = self.selection["weights_sha256"]
        if which not in wanted:
            raise ValueError(f"there is no {which!r} checkpoint: kept are {', '.join(wanted)}")
        paths = [
            folder / f"{self.config.name}{SUFFIXES[which]}" for folder in store.folders(self.config)
        ]
        content = next((c for c in map(_whole, paths) if _is(c, wanted[which])), None)
        if content is None:
            record = _own_record(paths[0].with_name(f"{self.config.name}.json"))
            if record is None:
                print(f"{paths[0].name} is not stored: training this run again", file=sys.stderr)
                record = train(self.config)
            content = read_checked(paths[0])
        if content is None:
            raise StorageError(f"{paths[0]} is gone again: something else empties that folder")
        state = torch.load(io.BytesIO(content), "cpu", weights_only=True)
        model = build(self.config, len(state["head.bias"]), with_weights=False)
        model.load_state_dict(state)
        # the layout of training, so that the maps are those of the record to the last bit
        return model.to(pick_device(), memory_format=torch.channels_last).eval()


def run(config: Config, progress: bool = True) -> Run:
    """The run of ``config``: from the store when it is there, else trained now and stored.

    A training that was interrupted (Ctrl-C, a kill, a full disk) goes on from its last whole epoch.
    A second process that wants the same run waits for the first and then loads its record.

    Raises:
        training.TrainingError: the loss is not finite.
        StorageError: checkpoint or record cannot be written.
    """
    record = store.find(config)
    return as_run(config, record if record is not None else train(config, progress))


def train(config: Config, progress: bool = True) -> dict:
    """Train unless the results hold both record and checkpoint, whole; write both there."""
    path = store.results_folder() / f"{config.name}.json"
    with only_one(path.with_suffix(".lock")):
        record = _own_record(path)
        return _train(config, path, progress) if record is None else record


def _train(config: Config, path: Path, progress: bool) -> dict:
    start = time.perf_counter()
    train_data, val, test = splits(config)
    model = build(config, test.num_classes)
    model = model.to(pick_device(), memory_format=torch.channels_last)
    measures = measures_of(config, train_data, val, test)
    best = Best(measures.criterion) if measures.criterion else None
    title = " ".join(
        [*_unusual(config), f"{config.regularizer} {config.epsilon:g} seed {config.seed}"]
    )
    partial = path.with_suffix(".partial")
    shown = {"accuracy": "val_accuracy", "PxAP": "val_pxap"}
    if best is not None:
        shown = {"loss": "loss", best.criterion: best.criterion}
    log = path.with_suffix(".jsonl") if best is not None else None  # hours, not seconds
    try:
        with Progress(title, config.epochs, shown, progress, log) as report:
            recipe, after = config.recipe, measures.after_epoch
            history = fit(model, train_data, recipe, after, partial, report, best)
            final, outcomes = measures.final(model)
            weights = {"last": weights_of(model)}
            if best is not None:
                final |= _of_best(best, model, measures)
                weights["best"] = _packed(best.weights)
    except KeyboardInterrupt:
        kept = "keeps its last whole epoch" if partial.exists() else "had no whole epoch yet"
        print(f"\nstopped; {title} {kept}, the same call goes on from there", flush=True)
        raise
    maps = np.array([row.pop("maps") for row in history])
    source = getattr(train_data, "source", "")
    record = {
        "config": config.content,
        "history": {name: [row[name] for row in history] for name in history[0]},
        "metrics": final,
        "panel": measures.panel,
        "maps": store.pack_maps(maps),
        "weights_sha256": sha256(weights["last"]),
        "provenance": provenance(config, time.perf_counter() - start, source),
    }
    if outcomes:
        record["outcomes"] = store.pack_arrays(outcomes)
    if best is not None:
        digest = sha256(weights["best"])
        record["selection"] = {
            "criterion": best.criterion,
            "epoch": best.epoch,
            "weights_sha256": digest,
        }
    for which, content in weights.items():
        write_checked(path.with_suffix(SUFFIXES[which]), content)
    store.write(record, path.parent)
    partial.unlink(missing_ok=True)
    return record


def _unusual(config: Config) -> list[str]:
    """Data set, network and method where they are not the course's usual ones."""
    return [
        getattr(config, name)
        for name in ("dataset", "model", "method")
        if getattr(config, name) != getattr(Config, name)
    ]


def _of_best(best: Best, model, measures) -> dict:
    """Scores of the best checkpoint, each name with ``_best``; baselines have no checkpoint."""
    chosen = copy.deepcopy(model)
    chosen.load_state_dict(best.weights)
    scores = measures.scores(chosen).items()
    return {f"{name}_best": value for name, value in scores if name not in BASELINES}


def weights_of(model: torch.nn.Module) -> bytes:
    """Content of a checkpoint with the model's weights."""
    return _packed(model.state_dict())


def _packed(state: dict) -> bytes:
    buffer = io.BytesIO()
    torch.save({name: value.cpu() for name, value in state.items()}, buffer)
    return buffer.getvalue()


def _own_record(path: Path) -> dict | None:
    """The record at ``path`` if its checkpoints lie beside it, all of them whole."""
    try:
        record = store.read(path)
    except StorageError:  # damaged: it is trained again and replaced
        return None
    if record is None:
        return None
    digests = {"last": record["weights_sha256"]}
    if record.get("selection"):
        digests["best"] = record["selection"]["weights_sha256"]
    whole = (_is(_whole(path.with_suffix(SUFFIXES[w])), digest) for w, digest in digests.items())
    return record if all(whole) else None


def _whole(path: Path) -> bytes | None:
    """Content of a checkpoint, or None when there is none; a damaged one is named in a warning."""
    try:
        return read_checked(path)
    except StorageError as error:
        warnings.warn(f"passed over: {error}", stacklevel=4)
        return None


def _is(content: bytes | None, digest: str) -> bool:
    return content is not None and sha256(content) == digest


def as_run(config: Config, record: dict) -> Run:
    """The run that a record holds."""
    return Run(
        config=config,
        history=pd.DataFrame(record["history"]),
        metrics=record["metrics"],
        provenance=record["provenance"],
        panel=record["panel"],
        maps=store.unpack_maps(record["maps"]),
        weights_sha256=record["weights_sha256"],
        selection=record.get("selection"),
        outcomes=store.unpack_arrays(record.get("outcomes", {})),
    )
