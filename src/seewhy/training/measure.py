"""The numbers of any card, whatever kind of model it is of."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from seewhy.bundled.cards import Card, Measured
from seewhy.training.image_text_measures import measure_image_text
from seewhy.training.measures import measure_classifier
from seewhy.training.recipes import SMOKE


def measure(network: nn.Module, card: Card) -> tuple[Measured, ...]:
    """All numbers of the card, with what each was meant to reach.

    Parameters
    ----------
    network
        The card's, in eval mode.
    card
        Says what the network is and what it was trained on.
    """
    if card.kind == "image-text":
        return measure_image_text(network, card)
    assert card.task is not None, "a classifier's card names its task"
    return measure_classifier(network, card.task, architecture=card.network, bias=card.bias, size=card.size)


def measure_smoke(network: nn.Module, card: Card) -> tuple[Measured, ...]:
    """The same of a training of minutes: its only bar is the level that `recipes.SMOKE` states."""
    what, level = SMOKE.get(card.name, ("", 0.0))
    found = (replace(one, bar=None, at_most=False) for one in measure(network, card))
    return tuple(replace(one, bar=level) if one.what == what else one for one in found)
