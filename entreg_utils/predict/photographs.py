"""From photographs to the files of the room: which they are, and one call for all of it."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from entreg_utils.data.folder import ENDINGS
from entreg_utils.files import StorageError, results
from entreg_utils.metrics.contours import check_rule, threshold_list
from entreg_utils.predict import tables
from entreg_utils.predict.classifiers import Classifier, classifier
from entreg_utils.predict.passes import Job, name_of
from entreg_utils.training import SIGMA


def predict(
    images,
    model,
    out: Path | str | None = None,
    threshold: float | Literal["carried"] = SIGMA,
    contours: str = "largest",
    of_class: str | int | None = None,
    npz: bool = False,
    progress: bool = True,
    **options,
) -> pd.DataFrame:
    """Ask a network about photographs, and write what the module says to ``out``.

    An interrupted call goes on where it was: what is there of the same network, settings and
    unchanged photographs is kept. Memory does not grow with their number, but for a table row each.

    Args:
        images: a folder, a file, a list of these, or photographs by what tables call them. In
            folders, hidden files and those in ``masks`` are left out.
        model: of :func:`classifier`, or what it takes, with ``options``.
        out: default ``results/predictions/NAME`` of the first of ``images``.
        threshold: of boxes, a share of the map's maximum; ``carried``: the run's, from validation.
        contours: ``largest``, or ``all``, a box each.
        of_class: of all maps, by name or index; None takes each photograph's predicted class.
        npz: also ``maps.npz``, all maps by their NAME.

    Returns:
        A row a photograph: ``image, class, probability`` of the map's class, ``boxes`` (a list of
        [x0, y0, x1, y1]), ``map`` and ``overlay`` (paths). ``.attrs["failed"]`` says of each
        photograph that cannot be read why.

    Raises:
        ValueError: no photographs, two with one NAME, ``out`` of another call, and what
            ``classifier`` refuses.
        StorageError: files that cannot be read or written.
    """
    named = isinstance(images, Mapping)
    given = [images] if isinstance(images, (str, Path)) else [*images]
    given = [*images.values()] if named else given
    if not given:
        raise ValueError("name a folder of photographs, or photographs")
    out = Path(out) if out else results("predictions", Path(given[0]).resolve().name)
    photographs = dict(zip(images, map(Path, given), strict=True)) if named else find(given, out)
    check_rule(contours)
    if threshold != "carried":
        threshold = float(threshold_list([threshold])[0])
    asked = model if isinstance(model, Classifier) else classifier(model, **options)
    if threshold == "carried" and (threshold := asked.threshold) is None:
        raise ValueError(f"{asked.title} has no threshold from validation: give a number")
    index = None if of_class is None else asked.index_of(of_class)
    homes = [path.resolve() for path in map(Path, given)]
    home = os.path.commonpath([path if path.is_dir() else path.parent for path in homes])
    job = Job(asked, out, threshold, contours, index, home)
    rows, failed = job.run(photographs, progress)
    table = tables.write_tables(job, rows)
    tables.write_sheet(job, rows, photographs)
    if npz:
        tables.write_npz(job, rows)
    table.attrs |= {"failed": failed, "out": out}
    return table


def find(given: Iterable[Path | str], out: Path) -> dict[str, Path]:
    """The photographs by what tables call them, in order; none of those in ``out``.

    StorageError: a path that is not there. ValueError: no photographs, or two with one NAME.
    """
    pairs, left_out = [], []
    for place in map(Path, given):
        if not place.exists():
            raise StorageError(f"there is no {place}: name a folder or photographs")
        home, kept = place.resolve(), out.resolve()
        kept = kept if home in kept.parents else None  # predictions among the photographs
        inside = sorted(place.rglob("*")) if place.is_dir() else []
        pairs += [] if place.is_dir() else [(place.name, place)]
        for path in inside:
            inner = path.relative_to(place)
            hidden = any(part.startswith(".") or part == "masks" for part in inner.parts)
            if hidden or kept in (home / inner).parents:
                continue
            if path.suffix.lower() in ENDINGS:
                pairs.append((inner.as_posix(), path))
            elif path.is_file():
                left_out.append(path)
    endings = ", ".join(ENDINGS)
    if not pairs:
        raise ValueError(f"no photographs in {', '.join(map(str, given))}: they end in {endings}")
    if left_out:
        warnings.warn(
            f"{len(left_out)} files are left out, such as {left_out[0]}: photographs end in "
            f"{endings}",
            stacklevel=3,
        )
    found, taken = {}, {}
    for name, path in pairs:
        name = unicodedata.normalize("NFC", name)
        other = taken.setdefault(name_of(name), path)
        if other != path:
            raise ValueError(
                f"{other} and {path} would both write maps/{name_of(name)}.npy: rename one"
            )
        found[name] = path
    return found
