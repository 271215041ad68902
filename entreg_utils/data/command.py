"""``python -m entreg_utils data``: make or fetch a data set, check it, and say where it lies."""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np

from entreg_utils import data
from entreg_utils.data.fetch import Source, fetch, plan, read_source
from entreg_utils.data.toy import ToyDataset, digest
from entreg_utils.data.world import SPLITS, World
from entreg_utils.files import StorageError, project_root

TOY = (
    "the embedded world: fish on a reef, with exact boxes, masks and three cues of known "
    "reliability; nothing is downloaded"
)
LICENCE = "drawn by this package, MIT"
HELP = {
    "part": "reliability of the mark, 0..1",
    "body": "reliability of the body's colours, 0..1",
    "context": "reliability of the habitat, 0..1",
    "part_visibility": "share of images in which the mark is painted, 0..1",
    "num_classes": "species, 2..10",
    "image_size": "side of the images in pixels, 32..128",
    "seed": "of the world",
    "num_train": "training images",
}
_USUAL = {field.name: field.default for field in fields(World)} | {"num_train": SPLITS["train"]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example: data toy --part-visibility 0.9. Calling it again changes nothing: it paints "
        "anew in memory, and compares. The photographic data sets are downloaded, checked and "
        "unpacked (data cub); a call that was interrupted goes on where it stopped, and one that "
        "was not has nothing to do the next time."
    )
    parser.add_argument("name", nargs="?", choices=list(data.DATASETS), help="the data set")
    parser.add_argument("--list", action="store_true", help="name the data sets and stop")
    parser.add_argument(
        "--root",
        type=Path,
        help="folder of the cache (toy; the project's data/cache) or of all photographic data sets "
        "(the project's data)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be fetched and where, and stop"
    )
    group = parser.add_argument_group("the embedded world")
    for name, usual in _USUAL.items():
        option, kind = "--" + name.replace("_", "-"), type(usual)
        metavar = kind.__name__.upper()
        group.add_argument(option, type=kind, default=usual, metavar=metavar, help=HELP[name])


def main(args: argparse.Namespace) -> int:
    """Make or fetch every split, check it, and print what is there; 0.

    The embedded world is painted or read, and compared with a fresh painting. Of a photographic
    data set, licence and size are printed first; then what is missing is fetched.

    Raises:
        ValueError: no name, or a knob out of its range or of another data set.
        StorageError: the cache cannot be written, or is not what the painter paints; a download
            fails or is not what it should be; something is left to fetch by hand.
    """
    if args.list:
        for name in data.DATASETS:
            print(f"{name}: {_described(name, args.root or project_root() / 'data')}")
    elif args.name is None:
        raise ValueError(f"name a data set, one of {', '.join(data.DATASETS)}, or ask for --list")
    elif args.name != "toy":
        _photographs(read_source(args.name), args)
    elif args.dry_run:
        print(f"toy: {TOY}")
    else:
        _world(args)
    return 0


def _described(name: str, root: Path) -> str:
    if name == "toy":
        return f"{TOY} ({LICENCE})"
    source = read_source(name)
    needed = [file for some in source.missing(root) for file in some if not file.optional]
    here = "not here" if needed else "here"
    return f"{source.about} ({source.licence}; {source.extent}; {here})"


def _photographs(source: Source, args: argparse.Namespace) -> None:
    for name, usual in _USUAL.items():
        if getattr(args, name) != usual:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"{option} belongs to the embedded world: leave it out for {source.name}"
            )
    root = args.root or project_root() / "data"
    print(f"{source.name}: {source.about}")
    print(f"licence: {source.licence} ({source.homepage})")
    print(f"size: {source.extent}; folder: {root}")
    print("\n".join(plan(source, root)))
    if not args.dry_run:
        fetch(source, root)
        for split in SPLITS:
            dataset = data.load(source.name, split, root=root)
            print(f"{split:6}{len(dataset):6} images, {dataset.num_classes} classes")


def _world(args: argparse.Namespace) -> None:
    folder = args.root or project_root() / "data" / "cache"
    knobs = {field.name: getattr(args, field.name) for field in fields(World)}
    World(**knobs)  # refuses knobs out of range before anything is painted
    before = set(folder.glob("*.npz"))
    print(f"toy: {TOY}")
    for split, usual in SPLITS.items():
        options = knobs | {"num_images": args.num_train if split == "train" else usual}
        dataset = _stored(split, folder, options)
        check(dataset, data.load("toy", split, cache=False, **options))
        print(
            f"{split:6}{len(dataset):6} images, {dataset.frame}x{dataset.frame}, "
            f"{dataset.num_classes} classes; sha256 {digest(dataset.arrays)}"
        )
    new = len(set(folder.glob("*.npz")) - before)
    written = f"{new} of {len(SPLITS)} files written now" if new else "nothing new to write"
    size = sum(path.stat().st_size for path in folder.glob("*.npz")) / 1e6
    print(f"each equals a fresh painting; cached in {folder} ({written}; {size:.1f} MB in all)")
    print(f"licence: {LICENCE}")


def check(dataset: ToyDataset, painted: ToyDataset) -> None:
    """Compare a split from the cache with the same one painted just now, array by array.

    Raises:
        StorageError: they differ; the message names the array.
    """
    for name, array in painted.arrays.items():
        if not np.array_equal(dataset.arrays[name], array):
            raise StorageError(
                f"the {name} of the cached {dataset.split} split are not what this version paints: "
                "delete the cache and run the command again"
            )


def _stored(split: str, folder: Path, options: dict) -> ToyDataset:
    """The split as the cache gives it back; a warning that it could not be cached is an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):  # painted where it is not there, then read
            dataset = data.load("toy", split, root=folder, **options)
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        if "is not cached" in text:
            raise StorageError(text)
        print(f"note: {text}", file=sys.stderr)
    return dataset
