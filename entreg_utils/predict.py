"""``predict``: classes, maps, boxes and overlays of photographs that nobody has labelled.

The output folder::

    predict.json       what was asked: the same call goes on, another is refused
    maps/NAME.npy      float32 (h, w), raw map of the class in ``boxes.csv``
    overlays/NAME.png  photograph, map, outline, boxes, colour bar, class; a longer side of at most
                       1280 pixels
    predictions.csv    image, class_1, probability_1, ..., class_5, probability_5, weights
    boxes.csv          image, x0, y0, x1, y1, class, probability, threshold, weights: a row a box
    boxes.coco.json    the same boxes; category_id is the index of the class
    contact_sheet.png  up to 60 of the photographs, evenly spaced in their order
    journal.jsonl      a line for each photograph that is done

``image`` is the path in the folder, or the file name of one that was named by itself, and NAME that
without its ending. A box is read as in evaluation, from the map at 224x224, and brought to pixels
of the upright photograph (W, H): ``ceil(v W / 224)``, at most W - 1, which
``metrics.rescale_boxes`` takes back to the box at 224 where W, H >= 224. So x1, y1 lie one behind
the object's last pixel, or on the photograph's last, as in boxes that ``data.folder`` reads; w of
COCO is x1 - x0. A blank map, of one value, has no box, and no row in ``boxes.csv``.
"""

from __future__ import annotations

import dataclasses
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import tyro
from tyro.conf import Positional, arg

from entreg_utils import predictions
from entreg_utils.classifiers import Classifier, classifier, find_run
from entreg_utils.commands import AllowCode, allow, quiet
from entreg_utils.data.folder import ENDINGS
from entreg_utils.files import StorageError, read_bytes, results
from entreg_utils.metrics.contours import check_rule, threshold_list
from entreg_utils.names import is_own
from entreg_utils.passes import Job, name_of

SIGMA = 0.15  # the papers' threshold


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
        model: of :func:`entreg_utils.classifiers.classifier`, or what it takes, with ``options``.
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
    job = Job(asked, out, threshold, contours, index)
    rows, failed = job.run(photographs, progress)
    table = predictions.write_tables(job, rows)
    predictions.write_sheet(job, rows, photographs)
    if npz:
        predictions.write_npz(job, rows)
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
        if other is not path:
            raise ValueError(
                f"{other} and {path} would both write maps/{name_of(name)}.npy: rename one"
            )
        found[name] = path
    return found


def _lines(path: Path) -> list[str]:
    """The lines of a text file that hold something."""
    try:
        lines = (read_bytes(path) or b"").decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is no UTF-8 text: save it as UTF-8") from error
    if not (lines := [line.strip() for line in lines if line.strip()]):
        raise StorageError(f"{path} is not there or empty: give a file with a name on each line")
    return lines


def _report(table: pd.DataFrame) -> int:
    """Say what became of it; the exit status."""
    failed = table.attrs["failed"]
    print(f"{len(table)} of {len(table) + len(failed)} photographs are in {table.attrs['out']}")
    for reason in failed.values():
        print(f"left out: {reason}", file=sys.stderr)
    return 1 if failed else 0


def main(argv: list[str]) -> int:
    """``python -m entreg_utils predict``."""

    def predict_command(
        images: Positional[Annotated[tuple[str, ...], quiet(metavar="FOLDER|IMAGE..")]],
        model: Annotated[str | None, quiet(metavar="NAME")] = None,
        run: Annotated[str | None, quiet(metavar="RUN")] = None,
        weights: Annotated[Path | None, quiet(metavar="FILE")] = None,
        classes: Annotated[Path | None, quiet(metavar="FILE")] = None,
        root: Annotated[str | None, quiet(metavar="DIR")] = None,
        out: Annotated[
            Path | None,
            arg(metavar="DIR", help_behavior_hint="(default: results/predictions/FOLDER)"),
        ] = None,
        size: Annotated[
            int | None, arg(metavar="N", help_behavior_hint="(default: 224, or the run's)")
        ] = None,
        threshold: Annotated[str, arg(metavar="X|carried")] = str(SIGMA),
        contours: Literal["largest", "all"] = "largest",
        of_class: Annotated[str | None, quiet(name="class", metavar="NAME")] = None,
        npz: Annotated[bool, quiet()] = False,
        allow_code: AllowCode = False,
    ) -> int:
        """Classes, maps, boxes and overlays of photographs without labels.

        Writes predictions.csv, boxes.csv, boxes.coco.json, contact_sheet.png, maps/ and
        overlays/. The same command goes on after an interruption. Boxes are read from the map at
        224x224 and given in pixels of the upright photograph, x1 and y1 one behind the last pixel
        of the object, at most the photograph's last; w of COCO is x1 - x0. Exit status 1:
        some photographs could not be read; they are named.
        Examples: predict photos --model timm:tf_efficientnet_lite0;
        predict photos --run cub-resnet50-none-0-s0 --threshold carried

        Args:
            images: photographs, or folders of them with all that is in them.
            model: a known network, timm:NAME or module:function; without --weights the published
                ImageNet weights, and where these cannot be had "untrained" ones.
            run: in its place a stored run: its record's name, how that begins, or its path.
            weights: file of weights for --model.
            root: with --run: folder of its data set, which names its classes.
            classes: text file with the names of the classes of --weights, one a line.
            out: folder of the files, new, or of the same call.
            size: side in pixels of the square that the network is shown.
            threshold: of boxes, a share of the map's maximum; carried: the run's, from validation.
            contours: the box of the largest object above the threshold, or of all.
            of_class: the class of all maps, name or number; else each photograph's predicted one.
            npz: write maps.npz as well, all maps in one file.
        """
        if (model is None) == (run is None):
            raise ValueError("give one of --model and --run: they say which network is asked")
        if threshold != "carried":
            try:
                threshold = float(threshold)
            except ValueError:
                raise ValueError(f"threshold {threshold!r}: give 0..1, or carried") from None
        options = {"threshold": threshold, "contours": contours, "of_class": of_class, "npz": npz}
        if run is not None:
            model = find_run(run)
            if root is not None:
                config = dataclasses.replace(model.config, root=root)
                model = dataclasses.replace(model, config=config)
            allow([model.config], allow_code)
        elif is_own(model) and not allow_code:
            raise ValueError(
                f"{model} would be imported and run: give --allow-code if you trust it"
            )
        if classes is not None:
            options["classes"] = _lines(classes)
        table = predict(images, model, out, weights=weights, size=size, **options)
        return _report(table)

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(
        predict_command, prog="python -m entreg_utils predict", args=argv, config=config
    )
