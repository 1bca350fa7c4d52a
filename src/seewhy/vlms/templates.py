"""Phrases as directions: the mean of the unit embeddings over templates, renormalised.

    t = u / |u|,    u = mean_j  embedding(template_j(phrase)) / |.|                                    (1)

The ensemble is Radford et al.'s (ICML 2021, arXiv 2103.00020); the templates are our own wording.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.errors import InputError, UnknownName, did_you_mean, message
from seewhy.vlms.base import VLM

TEMPLATES: dict[str, tuple[str, ...]] = {
    "plain": ("{}",),
    "photo": ("a photo of {}",),
    "objects": (
        "a photo of {}",
        "a blurry picture of {}",
        "a close view of {}",
        "{} seen from afar",
        "a drawing of {}",
        "a small {} in a large scene",
        "one of many pictures with {}",
    ),
    "attributes": (
        "an object with {}",
        "a photo with {}",
        "something that has {}",
        "a close view of {}",
    ),
}
"""Named sets; {} is the phrase. Models with few words, such as seewhy/clip, need "plain"."""

_TEXTS_AT_ONCE = 1024


def templates_of(templates: str | Sequence[str]) -> tuple[str, ...]:
    """A named set, or templates as they are.

    Raises
    ------
    UnknownName
        If there is no set of that name.
    InputError
        If there is no template, or one does not hold {} exactly once.
    """
    if isinstance(templates, str):
        if templates not in TEMPLATES:
            raise UnknownName(
                message(
                    f"There are no templates {templates!r}.",
                    did_you_mean(templates, TEMPLATES),
                    f"Known: {', '.join(TEMPLATES)}; or pass a list such as ['a photo of {{}}'].",
                )
            )
        return TEMPLATES[templates]
    found = tuple(templates)
    wrong = [one for one in found if not isinstance(one, str) or one.count("{}") != 1]
    if wrong or not found:
        raise InputError(
            message(
                f"The template is {wrong[0]!r}." if wrong else "There are no templates.",
                "Each holds {} once, where the phrase goes.",
                "Pass templates=['{}'] for the phrases alone.",
            )
        )
    return found


def embed_phrases(
    vlm: VLM, phrases: Sequence[str], templates: str | Sequence[str] = ("{}",)
) -> Float[Tensor, "n d"]:
    """Unit embeddings of phrases, (1).

    Parameters
    ----------
    vlm
        Whose text side reads them.
    phrases
        Words or short phrases.
    templates
        A name of `TEMPLATES`, or strings with one {}.

    Raises
    ------
    InputError
        If there is no phrase, a phrase is blank, a template is wrong, a text has words that the model does not know,
        or the embeddings of a phrase cancel.
    UnknownName
        If there is no set of templates of that name.
    """
    forms = templates_of(templates)
    phrases = _checked(phrases)
    at_once = max(1, _TEXTS_AT_ONCE // len(forms))
    parts = []
    for start in range(0, len(phrases), at_once):
        some = phrases[start : start + at_once]
        # Not str.format: a phrase may hold braces.
        texts = [form.replace("{}", phrase) for phrase in some for form in forms]
        parts.append(vlm.encode_texts(texts).reshape(len(some), len(forms), -1).mean(1))
    mean = torch.cat(parts)
    norms = mean.norm(dim=1, keepdim=True)
    if not bool((norms > 1e-6).all()):
        at = int(norms.argmin())
        raise InputError(
            message(
                f"The embeddings of {phrases[at]!r} over {len(forms)} templates cancel.",
                "Their mean must have a direction.",
                "Use fewer templates.",
            )
        )
    units: Tensor = mean / norms
    return units


def _checked(phrases: Sequence[str]) -> list[str]:
    if isinstance(phrases, str):
        raise InputError(
            message(
                f"The phrases are the single text {phrases!r}.", "A list is needed.", f"Pass [{phrases!r}]."
            )
        )
    phrases = list(phrases)
    if not phrases:
        raise InputError(message("There are no phrases.", "At least one is needed.", "Pass a list of words."))
    for at, phrase in enumerate(phrases):
        if not isinstance(phrase, str) or not phrase.strip():
            raise InputError(
                message(
                    f"Phrase {at} is {phrase!r}.",
                    "A phrase is a string with at least one letter.",
                    "Remove it.",
                )
            )
    return phrases
