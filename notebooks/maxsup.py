"""MaxSup, a rival of label smoothing, as a regulariser of one's own: notebook 08, plans *_maxsup.

Zhou et al., "MaxSup: Overcoming Representation Collapse in Label Smoothing", arXiv 2502.15798. The
records of these plans name the content of this file: who changes it has other runs.
"""


def maxsup(logits):
    """R(z) = max_k z_k - mean_k z_k, (N, C) -> (N,), 0..inf; weight a < 1 of CE + a R."""
    return logits.amax(dim=1) - logits.mean(dim=1)
