"""Print the table of costs; ``make bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import torch

import benchmarks as _bench
from benchmarks import finetuning, maps, photographs, scoring, training
from benchmarks.timing import table
from entreg_utils.files import atomic_write

PARTS = {
    "painting": training.painting,
    "training_steps": training.training_steps,
    "regularisers": training.regularisers,
    "maps": maps.maps,
    "maps_resnet18": lambda: maps.maps("resnet18", repeats=5, batch=4, side=224),
    "boxes": scoring.boxes,
    "first_call": scoring.first_call,
    "pixels": scoring.pixels,
    "folding": finetuning.folding,
    "memory": finetuning.memory,
    "photographs_32": photographs.training,
    "photographs_128": lambda: photographs.training(batch=128, steps=1),
    "stored_sweep": training.stored_sweep,
    "fresh_run": training.fresh_run,
}


def main(argv: list[str] | None = None) -> int:
    """Print the table; 0, whether or not targets are met: a busy machine is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=_bench.__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the fresh training run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument(
        "--maps",
        type=Path,
        metavar="FILE.npz",
        help="score these maps (cams (N, h, w), boxes_224 (N, 4)) instead of generated ones",
    )
    parser.add_argument("--only", metavar="NAME", help="one part: " + ", ".join(PARTS))
    args = parser.parse_args(argv)
    if args.only is not None and args.only not in PARTS:
        raise SystemExit(f"no part {args.only!r}: there are {', '.join(PARTS)}")
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    machine = {
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "load": [round(value, 1) for value in load],
    }
    print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    parts = dict(PARTS)
    if args.maps is not None:
        parts["boxes"] = lambda: scoring.boxes(*scoring.stored_maps(args.maps))
    if args.quick:
        del parts["fresh_run"]
    rows = []
    for name, part in parts.items():
        if args.only not in (None, name):
            continue
        if args.only is None and name == "photographs_128" and not torch.cuda.is_available():
            continue  # minutes a step on a CPU; --only photographs_128 runs it nevertheless
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
