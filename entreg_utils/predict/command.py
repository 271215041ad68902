"""``python -m entreg_utils predict``."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import tyro
from tyro.conf import Positional, arg

from entreg_utils.commands import AllowCode, allow, quiet
from entreg_utils.files import StorageError, read_bytes
from entreg_utils.names import is_own
from entreg_utils.predict.classifiers import find_run
from entreg_utils.predict.photographs import predict
from entreg_utils.training import SIGMA


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
        elif root is not None:
            raise ValueError("--root is the folder of a run's data set: leave it out of --model")
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
