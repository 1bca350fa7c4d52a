"""A bundled model from its card: built, filled with the card's weights, ready to answer."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from seewhy.bundled import image_text, networks
from seewhy.bundled.cards import Card, weights
from seewhy.bundled.words import WordTokenizer
from seewhy.hub.random_weights import private_randomness
from seewhy.hub.weights import fit


def load(card: Card, folder: Path | None = None) -> nn.Module:
    """The card's network with its weights (from `cards.FOLDER` by default), in eval mode.

    Raises
    ------
    BadArtefact
        If the weights are missing, are not the card's, or do not fit.
    """
    state = weights(card, folder)
    network = untrained(card)
    fit(network, state, f"{card.name}.safetensors")
    return network.eval()


def untrained(card: Card) -> nn.Module:
    """The card's network with random weights, the same at every call, in eval mode."""
    with private_randomness():
        if card.kind == "image-text":
            return image_text.build(tokenizer(card)).eval()
        return networks.build(card.network, len(card.classes)).eval()


def tokenizer(card: Card) -> WordTokenizer:
    """The tokenizer of an image-text model's card."""
    return WordTokenizer(card.words, image_text.CONTEXT_LENGTH)
