"""From runs to what they say: one long table, paired changes, choices, all in one namespace."""

from entreg_utils.analysis.compare import (
    ER,
    INSIDE,
    MISSED,
    NAMES,
    by,
    change,
    changes,
    clear,
    complete,
    differences,
    differences_by_seed,
    outcomes,
    points,
    readable,
    stored,
    tally,
    verdicts,
)
from entreg_utils.analysis.reports import HEADLINE, baselines, headline, markdown, report, verdict
from entreg_utils.analysis.tables import (
    at_entropy,
    by_checkpoint,
    choose,
    final,
    history,
    optimism,
    over_seeds,
    paired,
    table,
)
