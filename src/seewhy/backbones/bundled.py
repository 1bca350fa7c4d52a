"""The models that come with Seewhy, by name, as the models of every other library.

Classifiers answer for the classes of their card. The image-text model answers for the words that the user names, as
open_clip's do (equation (1) there); the text for a class is its name alone, because "a photo of a ..." is not in the
words of its world.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from seewhy.backbones.loaded import Info, Loaded, Request
from seewhy.backbones.open_clip import classes_for, zero_shot
from seewhy.bundled import cards
from seewhy.bundled import load as bundled
from seewhy.bundled.cards import Card
from seewhy.hub.resolve import ModelName
from seewhy.hub.weights import fit, read_weights
from seewhy.images.preprocess import Preprocess


def names() -> list[str]:
    """Every bundled model."""
    return cards.names()


def load(name: ModelName, request: Request) -> Loaded:
    """A bundled model; the image-text model with a zero-shot head for `request.classes`.

    The image-text model with random weights and without class names gets the first two of its words, so that
    layers can be listed.

    Raises
    ------
    UnknownName
        If there is no such model.
    InputError
        If the image-text model gets no class names, or one with a word that it does not know.
    BadArtefact
        If its files are missing or damaged, or given weights do not fit.
    """
    card = cards.card(name.id)
    recipe = preprocess_of(card)
    if card.kind == "image-text":
        # Told before anything is read.
        classes = classes_for(request, _id(card), card.words[:2], 'classes=["a red star", "a blue disk"]')
        model = zero_shot(_network(card, request), bundled.tokenizer(card), classes)
        return Loaded(model, _id(card), recipe, classes)
    network = _network(card, request)
    prefix = getattr(network, "num_prefix_tokens", None)
    return Loaded(
        network, _id(card), recipe, list(card.classes), int(prefix) if isinstance(prefix, int) else None
    )


def info(name: ModelName) -> Info:
    """What the card says.

    Raises
    ------
    UnknownName, BadArtefact
        If there is no such model; if its files are missing or damaged.
    """
    card = cards.card(name.id)
    return Info(
        id=_id(card),
        weights=(_id(card),),
        preprocess=preprocess_of(card).describe(),
        n_classes=len(card.classes) or None,
        licence=card.licence,
        paper=f"trained on Seewhy's world {card.world}, commit {card.commit}",
        megabytes=round(len(cards.content(card)) / 1e6, 2),
        here=cards.file(card),
        title=card.title,
        task=card.task or card.kind,
        words=card.words,
    )


def preprocess_of(card: Card) -> Preprocess:
    """A square of the card's size, with pixels from -1 to 1, as in training."""
    return Preprocess(
        size=(card.size, card.size),
        fit="crop",
        interpolation="bilinear",
        mean=0.5,
        std=0.5,
        source=f"card of {_id(card)}",
    )


def _network(card: Card, request: Request) -> nn.Module:
    if request.weights == "default":
        return bundled.load(card)
    network = bundled.untrained(card)
    if isinstance(request.weights, Path):
        fit(network, read_weights(request.weights), str(request.weights))
    return network


def _id(card: Card) -> str:
    return f"seewhy/{card.name}"
