"""From runs to what they say: one long table, paired changes, choices, all in one namespace."""

from entreg_utils.analysis.compare import (
    at_entropy,
    by,
    by_checkpoint,
    change,
    changes,
    clear,
    complete,
    optimism,
    outcomes,
    points,
    stored,
)
from entreg_utils.analysis.matched import (
    ER,
    INSIDE,
    MISSED,
    NAMES,
    differences,
    differences_by_seed,
    readable,
    tally,
    verdicts,
)
from entreg_utils.analysis.tables import (
    HEADLINE,
    baselines,
    choose,
    final,
    headline,
    history,
    markdown,
    over_seeds,
    paired,
    report,
    table,
    verdict,
)
