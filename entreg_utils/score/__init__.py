"""Numbers for maps that exist, whoever made them: ``score(maps, truth)`` and ``compare``."""

from entreg_utils.score.scores import Scores, compare, score
