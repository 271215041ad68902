"""Print the table of costs; ``make bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

import benchmarks
from benchmarks import photographs, predicting, scoring, training
from benchmarks.timing import table
from entreg_utils.files import atomic_write

PARTS = {
    "painting": training.painting,
    "regularisers": training.regularisers,
    "maps": scoring.maps,
    "maps_resnet18": partial(scoring.maps, "resnet18", repeats=5, batch=4, side=224),
    "boxes": scoring.boxes,
    "first_call": scoring.first_call,
    "pixels": scoring.pixels,
    "folding": training.folding,
    "memory": training.memory,
    "photographs_32": photographs.epoch,
    "photographs_128": partial(photographs.epoch, batch=128, steps=1),
    "predict": predicting.speed,
    "predict_memory": predicting.memory,
    "stored_sweep": training.stored_sweep,
    "fresh_run": training.fresh_run,
}


def main(argv: list[str] | None = None) -> int:
    """Print the table; 0, whether or not targets are met: a busy machine is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the fresh training run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    help_maps = "score these maps (cams (N, h, w), boxes_224 (N, 4)) instead of generated ones"
    parser.add_argument("--maps", type=Path, metavar="FILE.npz", help=help_maps)
    parser.add_argument("--only", metavar="NAME", choices=PARTS, help=f"one of {', '.join(PARTS)}")
    args = parser.parse_args(argv)
    parts = dict(PARTS)
    if args.maps is not None:
        parts["boxes"] = lambda: scoring.boxes(*scoring.stored_maps(args.maps))
    if args.only is not None:
        parts = {args.only: parts[args.only]}
    elif not torch.cuda.is_available():  # minutes a step on a CPU; --only runs it nevertheless
        del parts["photographs_128"]
    if args.quick:
        parts.pop("fresh_run", None)
    machine = {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "load": [round(value, 1) for value in os.getloadavg()],
    }
    print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    rows = []
    for part in parts.values():
        new = part()
        print(table(new) if new else "no stored run to load", flush=True)
        rows += new
    print("n: turns; values are medians over them, ratios and per cents medians of paired ratios")
    if args.json:
        content = {"machine": machine, "rows": [asdict(row) for row in rows]}
        atomic_write(args.json, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
