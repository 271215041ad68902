"""Print the table of costs; ``make bench``."""

import argparse
import os
import platform
import sys
from functools import partial

import torch

import benchmarks
from benchmarks import photographs, predicting, scoring, training
from benchmarks.timing import table
from entreg_utils.files import expand

PARTS = {
    "painting": training.painting,
    "regularisers": training.regularisers,
    "maps": scoring.maps,
    "maps_resnet18": partial(scoring.maps, "resnet18", repeats=5, batch=4, side=224),
    "maps_resnet50": partial(scoring.maps, "resnet50", repeats=5, batch=32, side=224),
    "boxes": scoring.boxes,
    "hard_maps": scoring.hard_maps,
    "boxes_memory": scoring.memory,
    "meanwhile": scoring.meanwhile,
    "first_call": scoring.first_call,
    "pixels": scoring.pixels,
    "starts": scoring.starts,
    "folding": training.folding,
    "memory": training.memory,
    "photographs_32": photographs.epoch,
    "photographs_128": partial(photographs.epoch, batch=128),
    "predict": predicting.speed,
    "predict_memory": predicting.memory,
    "fresh_run": training.fresh_run,
}


def main(argv: list[str] | None = None) -> int:
    """Print the table; 0, whether or not targets are met: a busy machine is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    help_maps = "score these maps (cams (N, h, w), boxes_224 (N, 4)) instead of generated ones"
    parser.add_argument("--maps", type=expand, metavar="FILE.npz", help=help_maps)
    parser.add_argument("--only", metavar="NAME", choices=PARTS, help=f"one of {', '.join(PARTS)}")
    args = parser.parse_args(argv)
    parts = dict(PARTS)
    if args.maps is not None:
        parts["boxes"] = lambda: scoring.boxes(*scoring.stored_maps(args.maps))
    if args.only is not None:
        parts = {args.only: parts[args.only]}
    elif not torch.cuda.is_available():  # minutes a step on a CPU; --only runs it nevertheless
        del parts["photographs_128"], parts["maps_resnet50"]
    load = [round(value, 1) for value in os.getloadavg()]
    print(f"system: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load}")
    for part in parts.values():
        print(table(part()), flush=True)
    print("n: turns; values are medians over them, ratios and per cents medians of paired ratios")
    return 0


if __name__ == "__main__":
    sys.exit(main())
