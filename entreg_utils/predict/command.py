"""``python -m entreg_utils predict``."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from entreg_utils.experiments.config import own_code
from entreg_utils.options import AllowCode, allow, quiet
from entreg_utils.predict.classifiers import find_run
from entreg_utils.predict.photographs import predict
from entreg_utils.training import SIGMA


def main(argv: list[str]) -> int:
    """``python -m entreg_utils predict``."""

    def predict_command(
        images: Positional[Annotated[tuple[str, ...], quiet(metavar="FOLDER|IMAGE..")]],
        model: Annotated[str | None, quiet(metavar="NAME")] = None,
        run: Annotated[str | None, quiet(metavar="RUN")] = None,
        weights: Annotated[Path | None, quiet(metavar="FILE")] = None,
        classes: Annotated[tuple[str, ...], quiet(metavar="NAME..")] = (),
        root: Annotated[str | None, quiet(metavar="DIR")] = None,
        out: Annotated[
            Path | None,
            arg(metavar="DIR", help_behavior_hint="(default: results/predictions/FOLDER)"),
        ] = None,
        size: Annotated[
            int | None, arg(metavar="N", help_behavior_hint="(default: 224, or the run's)")
        ] = None,
        threshold: Annotated[float | Literal["carried"], arg(metavar="X|carried")] = SIGMA,
        contours: Literal["largest", "all"] = "largest",
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
            classes: their names in the order of the network's outputs, where not ImageNet's.
            root: with --run: folder of its data set, which names its classes.
            threshold: of boxes, a share of the map's maximum; carried: the run's, from validation.
            contours: the box of the largest object above the threshold, or of all.
            npz: write maps.npz as well, all maps in one file.
        """
        if (model is None) == (run is None):
            raise ValueError("give one of --model and --run: they say which network is asked")
        if run is None and root is not None:
            raise ValueError("--root is the folder of a run's data set: leave it out of --model")
        asked = model if run is None else find_run(run)
        if root is not None:
            asked = dataclasses.replace(asked, config=dataclasses.replace(asked.config, root=root))
        allow([model] if run is None else own_code(asked.config), allow_code)
        options = {"weights": weights, "classes": classes or None, "size": size}
        table = predict(images, asked, out, threshold, contours, npz, **options)
        failed = table.attrs["failed"]
        print(f"{len(table)} of {len(table) + len(failed)} photographs are in {table.attrs['out']}")
        for reason in failed.values():
            print(f"left out: {reason}", file=sys.stderr)
        return 1 if failed else 0

    config = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(
        predict_command, prog="python -m entreg_utils predict", args=argv, config=config
    )
