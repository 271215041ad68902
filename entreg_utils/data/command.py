"""``python -m entreg_utils data``: make or fetch a data set, check it, and say where it lies."""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import torch

from entreg_utils.data import DATASETS, ToyDataset, load
from entreg_utils.data.fetching import fetch, plan
from entreg_utils.data.registry import Source, read_source
from entreg_utils.data.toy import digest
from entreg_utils.data.world import SPLITS, World
from entreg_utils.files import StorageError, project_root

ABOUT = {
    "toy": "the embedded world: fish on a reef, with exact boxes, masks and three cues of known "
    "reliability; nothing is downloaded"
}
LICENCE = {"toy": "drawn by this package, MIT"}
HELP = {
    "part": "reliability of the mark, 0..1",
    "body": "reliability of the body's colours, 0..1",
    "context": "reliability of the habitat, 0..1",
    "part_visibility": "share of images in which the mark is painted, 0..1",
    "num_classes": "species, 2..10",
    "image_size": "side of the images in pixels, 32..128",
    "seed": "of the world",
}
_ARRAYS = ("images", "labels", "cues", "boxes", "masks", "parts")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example: data toy --part-visibility 0.9. Calling it again changes nothing: it paints "
        "anew in memory, and compares. The photographic data sets are downloaded, checked and "
        "unpacked (data cub); a call that was interrupted goes on where it stopped, and one that "
        "was not has nothing to do the next time."
    )
    parser.add_argument("name", nargs="?", choices=list(DATASETS), help="the data set")
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
    parser.add_argument(
        "--num-train", type=int, default=SPLITS["train"], metavar="N", help="training images"
    )
    group = parser.add_argument_group("knobs of the embedded world")
    for field in fields(World):
        kind = {"int": int, "float": float}[field.type]
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            type=kind,
            default=field.default,
            metavar=field.type.upper(),
            help=HELP[field.name],
        )


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
        _list(args.root)
        return 0
    if args.name is None:
        raise ValueError(f"name a data set, one of {', '.join(DATASETS)}, or ask for --list")
    if args.name != "toy":
        return _photographs(read_source(args.name), args)
    if args.dry_run:
        print(f"toy: {ABOUT['toy']}")
        return 0
    return _world(args)


def _list(root: Path | None) -> None:
    root = root if root is not None else project_root() / "data"
    for name in DATASETS:
        if name in ABOUT:
            print(f"{name}: {ABOUT[name]} ({LICENCE[name]})")
            continue
        source = read_source(name)
        needed = [file for some in source.missing(root) for file in some if not file.optional]
        here = "not here" if needed else "here"
        print(f"{name}: {source.about} ({source.licence}; {source.extent}; {here})")


def _photographs(source: Source, args: argparse.Namespace) -> int:
    for field in ["num_train", *(field.name for field in fields(World))]:
        usual = SPLITS["train"] if field == "num_train" else getattr(World(), field)
        if getattr(args, field) != usual:
            option = "--" + field.replace("_", "-")
            raise ValueError(
                f"{option} belongs to the embedded world: leave it out for {source.name}"
            )
    root = args.root if args.root is not None else project_root() / "data"
    print(f"{source.name}: {source.about}")
    print(f"licence: {source.licence} ({source.homepage})")
    print(f"size: {source.extent}; folder: {root}")
    for line in plan(source, root):
        print(line)
    if args.dry_run:
        return 0
    fetch(source, root)
    for split in SPLITS:
        dataset = load(source.name, split, root=root)
        print(f"{split:6}{len(dataset):6} images, {dataset.num_classes} classes")
    return 0


def _world(args: argparse.Namespace) -> int:
    folder = args.root if args.root is not None else project_root() / "data" / "cache"
    knobs = {field.name: getattr(args, field.name) for field in fields(World)}
    World(**knobs)  # refuses knobs out of range before anything is painted
    before = set(folder.glob("*.npz"))
    print(f"{args.name}: {ABOUT[args.name]}")
    for split, usual in SPLITS.items():
        count = args.num_train if split == "train" else usual
        dataset = _stored(args.name, split, folder, num_images=count, **knobs)
        check(dataset, load(args.name, split, num_images=count, cache=False, **knobs))
        side = dataset.images.shape[-1]
        print(
            f"{split:6}{len(dataset):6} images, {side}x{side}, {dataset.num_classes} classes; "
            f"sha256 {fingerprint(dataset)}"
        )
    new = len(set(folder.glob("*.npz")) - before)
    written = f"{new} of {len(SPLITS)} files written now" if new else "nothing new to write"
    size = sum(path.stat().st_size for path in folder.glob("*.npz")) / 1e6
    print(f"each equals a fresh painting; cached in {folder} ({written}; {size:.1f} MB in all)")
    print(f"licence: {LICENCE[args.name]}")
    return 0


def fingerprint(dataset: ToyDataset) -> str:
    """SHA-256 (64 hex digits) over all arrays of a split; the same on every platform."""
    return digest({name: getattr(dataset, name).numpy() for name in _ARRAYS})


def check(dataset: ToyDataset, painted: ToyDataset) -> None:
    """Compare a split from the cache with the same one painted just now, array by array.

    Raises:
        StorageError: they differ; the message names the array.
    """
    for name in _ARRAYS:
        if not torch.equal(getattr(dataset, name), getattr(painted, name)):
            raise StorageError(
                f"the {name} of the cached {dataset.split} split are not what this version paints: "
                "delete the cache and run the command again"
            )


def _stored(name: str, split: str, folder: Path, **options) -> ToyDataset:
    """The split as the cache gives it back; a warning that it could not be cached is an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(name, split, root=folder, **options)  # paints it where it is not there
        dataset = load(name, split, root=folder, **options)
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        if "is not cached" in text:
            raise StorageError(text)
        print(f"note: {text}", file=sys.stderr)
    return dataset
