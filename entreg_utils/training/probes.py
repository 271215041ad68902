"""What only the drawn world can say: where the evidence lies, and what each cue is worth.

A probe is ``probe(model, view, prediction) -> {name: number}``, handed to ``training.evaluate``.
"""

import torch
from torch import nn

from entreg_utils import cam, data, metrics
from entreg_utils.fields import plain_numbers, whole
from entreg_utils.training.batches import as_input


def evidence(model: nn.Module, view, prediction) -> dict[str, float]:
    """Mean normalised score of the maps on each region: ``part``, ``body``, ``context``, 0..1.
    A view of some rows (training images in a history) gives nothing."""
    if view.rows is not None:
        return {}
    regions = [own.numpy() for own in (view.dataset.parts, view.dataset.masks)]
    shares = metrics.evidence_shares(prediction.maps, *regions, view.dataset.contexts.numpy())
    return {"part": shares.part, "body": shares.body, "context": shares.context}


@plain_numbers
def reliance(model: nn.Module, view, prediction=None, count: int = 200) -> dict[str, float]:
    """How many logits each cue is worth: repaint it wrong, and look.

    For the images whose cue shows the label y, the cue is changed to the next class n, everything
    else stays, and half the loss of margin is averaged: ``((z_y - z_n) - (z'_y - z'_n)) / 2``. In a
    classifier that adds up its cues this is the cue's own term in the logit of y.

    ``view``: of the drawn world, or the data set itself. Returns ``reliance_part``, ``_body``,
    ``_context``, in logits, over the first ``count`` images; NaN for a cue that never shows the
    label. ValueError: ``count`` below 1.
    """
    dataset = getattr(view, "dataset", view)
    device = next(model.parameters()).device
    count = min(whole("count", count, 1), len(dataset))
    labels = dataset.labels[:count]
    rows, following = torch.arange(count), (labels + 1) % dataset.num_classes

    def margin(images):
        logits = cam.class_activation_map(model, as_input(images, device), None)[1].cpu()
        return logits[rows, labels] - logits[rows, following]

    before, result = margin(dataset.images[:count]), {}
    for column, cue in enumerate(data.CUES):
        shows = dataset.cues[:count, column] == labels
        change = before - margin(data.counterfactual(dataset, cue, count))
        result[f"reliance_{cue}"] = float(change[shows].mean() / 2)
    return result
