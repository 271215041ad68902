"""Numbers for maps that exist, whoever made them: ``score(maps, truth)`` and ``compare``."""

from entreg_utils.score.scores import Scores, as_json, as_text, compare, score

__all__ = ["Scores", "as_json", "as_text", "compare", "score"]
