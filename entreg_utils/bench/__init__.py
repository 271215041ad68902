"""``python -m entreg_utils.bench``: what things cost, side by side in one process."""
