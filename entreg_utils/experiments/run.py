"""``run(config)``: load the record, or train until there is one; ``rescore(run)``: measure anew."""

import io
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from entreg_utils.experiments import store
from entreg_utils.experiments.config import PROTOCOL, Config
from entreg_utils.experiments.provenance import Files, pick_device, provenance
from entreg_utils.experiments.watch import Log, Watch
from entreg_utils.fields import plain_numbers
from entreg_utils.files import sha256, write_checked
from entreg_utils.training import Best, fit
from entreg_utils.training.batches import check_kind, steps_of
from entreg_utils.training.recipe import loss_of_chance
from entreg_utils.training.summary import BASELINES

EVALUATION = ("eval_size", "eval_view", "sigma")  # settings that training does not depend on


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        history: one row an epoch: ``epoch``, ``loss``, and ``train_*``, ``val_*``, ``test_*`` of
            the quantities of ``training.evaluate`` (train: class and entropy, on 100 images without
            flips; test of photographs only under ``watch_test``).
        metrics: final scores on test, last checkpoint; see ``training.summarise``. Those of the
            best checkpoint stand under the same names with ``_best``.
        provenance: commit, device, threads, versions, wall time.
        panel: indices of test images whose maps were kept; ``maps`` float32 (E, n, h, w), raw.
        selection: how the best checkpoint was chosen: ``criterion``, a column of the history,
            ``epoch``, and ``weights_sha256``; None for one that was scored and not trained.
        outcomes: what became of each test image at the last checkpoint: ``training.summarise``.
        files, protocol: what it was made from, and which version of measuring.
        path: of a record that was named by its file: its checkpoints lie beside it.
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
    files: Files = Files()
    protocol: int = PROTOCOL
    path: Path | None = None

    def model(self, which: str = "last") -> torch.nn.Module:
        """The ``last`` or ``best`` (on validation) model in eval mode, from its checkpoint.

        Trained again when it is absent: on another machine its last bits may then differ from
        those behind ``metrics``.

        Raises:
            ValueError: another checkpoint than those that are kept.
        """
        wanted = store.digests(vars(self))
        if which not in wanted:
            raise ValueError(f"there is no {which!r} checkpoint: kept are {', '.join(wanted)}")
        records = [self.path] if self.path else []
        records += store.candidates(self.config)
        found = (store.checkpoint(record, which, wanted[which]) for record in records)
        content = next(filter(None, found), None)
        if content is None:
            path = store.path_of(self.config)
            own = store.own_record(path)
            if own is None:
                print(f"{path.stem} has no checkpoint here: training it again", file=sys.stderr)
                own = train(self.config)
            content = store.checkpoint(path, which, store.digests(own)[which])
        state = torch.load(io.BytesIO(content), "cpu", weights_only=True)
        classes = len(state["head.bias"]) if "head.bias" in state else None
        model = build(self.config, classes, with_weights=False)
        model.load_state_dict(state)
        return _placed(model).eval()


def run(config: Config, progress: bool = True) -> Run:
    """The run of ``config``: from the store when it is there, else trained now and stored.

    A training that was interrupted (Ctrl-C, a kill, a full disk) goes on from its last whole epoch.
    A second process that wants the same run waits for the first and then loads its record.

    Raises:
        training.TrainingError: the loss is not finite.
        StorageError: photographs or weights are not there, or a file cannot be written.
    """
    return as_run(config, store.find(config) or train(config, progress))


def train(config: Config, progress: bool = True) -> dict:
    """Train unless the results hold both record and checkpoints, whole; write them there."""
    path = store.path_of(config)
    with store.only_one(path):
        return store.own_record(path) or _train(config, path, progress)


def _train(config: Config, path: Path, progress: bool) -> dict:
    start, files, recipe = time.perf_counter(), store.files_of(config), config.training
    train_data, val, test = splits(config)
    model = _placed(build(config, test.num_classes))
    steps = recipe.epochs * steps_of(len(train_data), recipe)  # refused before all is decoded
    watch = Watch(config, train_data, val, test, progress)
    best, partial = Best(watch.criterion), path.with_suffix(".partial")
    chance = loss_of_chance(recipe, test.num_classes)
    log = Log(path, config.title, recipe.epochs, steps, watch.criterion, chance, progress)
    try:
        with log.bar:
            what = model, train_data, recipe, config.erasing, watch.train.crop
            history = fit(*what, watch.after_epoch, partial, log.epoch, best, log.step)
            final, outcomes = watch.final(model)
            weights = {"last": _packed(model.state_dict()), "best": _packed(best.weights)}
            scores = final
            if best.epoch < recipe.epochs:
                model.load_state_dict(best.weights)
                scores, _ = watch.final(model)
            final |= {f"{n}_best": v for n, v in scores.items() if n not in BASELINES}
    except KeyboardInterrupt:
        kept = "keeps its last whole epoch" if partial.exists() else "had no whole epoch yet"
        said = f"stopped; {config.title} {kept}, the same call goes on from there"
        print(f"\n{said}", flush=True)
        raise
    maps = np.array([row.pop("maps") for row in history])
    chosen = {"criterion": best.criterion, "epoch": best.epoch}
    chosen["weights_sha256"] = sha256(weights["best"])
    origin = provenance(config, time.perf_counter() - start, getattr(train_data, "source", ""))
    measured = pd.DataFrame(history), final, origin, watch.panel, maps, sha256(weights["last"])
    record = _keep(Run(config, *measured, chosen, outcomes, files), path, weights)
    partial.unlink(missing_ok=True)
    return record


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
    model, origin = source.model(), source.provenance
    watch = Watch(config, *splits(config))
    metrics, outcomes = watch.final(model)
    kept = [c for c in source.history if not c.startswith(("train_", "val_", "test_"))]
    origin = provenance(config, origin["seconds"], origin.get("source", ""))
    origin["rescored"] = source.config.name
    maps, weights = np.array([watch.panel_maps(model)]), _packed(model.state_dict())
    measured = source.history[kept], metrics, origin, watch.panel, maps, sha256(weights)
    made = Run(config, *measured, outcomes=outcomes, files=store.files_of(config))
    return _keep(made, path, {"last": weights})


_PLAIN = ("metrics", "provenance", "panel", "weights_sha256", "protocol")  # as they are in a record


def _keep(made: Run, path: Path, weights: dict[str, bytes]) -> dict:
    """Write the checkpoints and then the record, which is returned; :func:`as_run` reads it."""
    config, files = made.config, made.files
    record = {"config": config.to_dict(), "code": config.code, "selection": made.selection}
    record |= {"files": asdict(files) if files else {}, "history": made.history.to_dict("list")}
    record |= {"maps": store.pack_maps(made.maps), "outcomes": store.pack_arrays(made.outcomes)}
    record = {name: value for name, value in record.items() if value}
    record |= {name: getattr(made, name) for name in _PLAIN}
    for which, content in weights.items():
        write_checked(path.with_suffix(store.SUFFIXES[which]), content)
    store.write(record, path)
    return record


def _packed(state: dict) -> bytes:
    """A checkpoint: a state of tensors as ``torch.save`` writes it, on the CPU."""
    buffer = io.BytesIO()
    torch.save({name: value.cpu() for name, value in state.items()}, buffer)
    return buffer.getvalue()


def as_run(config: Config, record: dict) -> Run:
    """The run that a record holds."""
    return Run(
        config,
        pd.DataFrame(record["history"]),
        maps=store.unpack_maps(record["maps"]),
        selection=record.get("selection"),
        outcomes=store.unpack_arrays(record.get("outcomes", {})),
        files=Files(**record.get("files", {})),
        **{name: record[name] for name in _PLAIN},
    )


@plain_numbers
def build(config: Config, num_classes: int | None = None, with_weights: bool = True):
    """The untrained model of a config; what is random in it depends on the seed alone.

    Without ``num_classes`` it looks at the data, which for photographs reads their lists; without
    ``with_weights``, ``pretrained`` and ``weights`` are left out: the whole state is loaded anyway.

    Raises:
        ValueError: fewer ``head_outputs`` than classes, or weights that do not fit.
        StorageError: weights or data that are not there.
    """
    if num_classes is None:
        drawn = config.data.is_drawn
        num_classes = config.num_classes if drawn else config.data.load("test").num_classes
    return config.network.build(num_classes, config.seed, with_weights)


def _placed(model: torch.nn.Module) -> torch.nn.Module:
    """On its device, always in one layout, so that equal weights give equal maps to the bit."""
    return model.to(pick_device(), memory_format=torch.channels_last)


def splits(config: Config) -> tuple:
    """Train, validation and test data of a config, at the sizes at which they are shown.

    Raises:
        ValueError: labels of several classes without ``multilabel``, or of one with it.
        StorageError: photographs that are not there, with how to get them.
    """
    size = config.data.resize if config.eval_view == "centre_crop" else config.eval_size
    data = config.data
    train = data.load("train")
    check_kind(train.labels, config.multilabel)  # of own photographs it is known only now
    return train, data.load("val", size), data.load("test", size)
