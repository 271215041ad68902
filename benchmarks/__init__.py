"""``python -m benchmarks``: what things cost, side by side in one process."""
