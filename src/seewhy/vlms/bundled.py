"""The image-text model that comes with Seewhy, "seewhy/clip": an open_clip model with a tokenizer of few words."""

from __future__ import annotations

from pathlib import Path

from seewhy.backbones.bundled import preprocess_of
from seewhy.backbones.loaded import Request
from seewhy.bundled import cards
from seewhy.bundled import load as bundled
from seewhy.errors import InputError, message
from seewhy.hub.resolve import ModelName
from seewhy.hub.weights import fit, read_weights
from seewhy.vlms.open_clip import OpenClipVLM


def names() -> list[str]:
    """The bundled models that know words."""
    return [name for name in cards.names() if cards.card(name).kind == "image-text"]


def load(name: ModelName, request: Request) -> OpenClipVLM:
    """A bundled model of pictures and words.

    Raises
    ------
    UnknownName, BadArtefact
        If there is no such model; if its files are missing or damaged, or given weights do not fit.
    InputError
        If it is a classifier.
    """
    card = cards.card(name.id)
    if card.kind != "image-text":
        raise InputError(
            message(
                f"'seewhy/{card.name}' is a classifier: it has no words.",
                "A model of pictures and words is needed.",
                f"Take {' or '.join(repr(f'seewhy/{other}') for other in names())}.",
            )
        )
    if request.weights == "default":
        model = bundled.load(card)
    else:
        model = bundled.untrained(card)
        if isinstance(request.weights, Path):
            fit(model, read_weights(request.weights), str(request.weights))
    return OpenClipVLM(
        model,
        bundled.tokenizer(card),
        name=f"seewhy/{card.name}",
        preprocess=preprocess_of(card),
        untrained=request.weights is None,
        notes=(f"It knows {len(card.words)} words, those of its world.",),
    )
