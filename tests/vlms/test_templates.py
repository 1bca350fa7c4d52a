"""Phrases over templates: the mean of unit embeddings, renormalised, in any order and number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seewhy.errors import InputError, UnknownName
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.base import VLM
from seewhy.vlms.templates import TEMPLATES, embed_phrases, templates_of

LETTERS = "abcdefghijklmnopqrstuvwxyz{} "


class Letters(VLM):
    """A text's embedding counts its letters, weighted by their place; long vectors, so the order of steps matters."""

    def __init__(self) -> None:
        super().__init__(name="letters", preprocess=Preprocess(size=2), dim=len(LETTERS))
        self.calls = 0
        self.seen: list[str] = []

    def _images(self, x: Tensor) -> Tensor:
        raise AssertionError("no picture is needed")

    def _texts(self, texts: list[str]) -> Tensor:
        self.calls += 1
        self.seen += texts
        rows = torch.zeros(len(texts), self.dim)
        for row, text in zip(rows, texts, strict=True):
            for place, letter in enumerate(text.lower()):
                row[LETTERS.index(letter)] += 1.0 + place
        return rows


@pytest.mark.parametrize("templates", ["plain", "photo", "objects", "attributes", ("{} x", "y {}", "{}")])
def test_a_phrase_is_the_renormalised_mean_over_templates(templates: Any) -> None:
    vlm, phrases = Letters(), ["red beak", "wing", "z"]
    found = embed_phrases(vlm, phrases, templates)
    for phrase, row in zip(phrases, found, strict=True):
        total = torch.zeros(vlm.dim, dtype=torch.float64)
        forms = TEMPLATES[templates] if isinstance(templates, str) else templates
        for form in forms:
            one = Letters()._texts([form.format(phrase)])[0].double()
            total += one / one.norm()
        assert torch.allclose(row.double(), total / total.norm(), atol=1e-6)
    assert found.dtype == torch.float32


def test_the_bare_phrase_is_the_default() -> None:
    vlm = Letters()
    assert torch.allclose(embed_phrases(vlm, ["wing"]), vlm.encode_texts(["wing"]), atol=1e-6)


def test_many_phrases_are_read_in_parts_and_each_is_its_own() -> None:
    vlm = Letters()
    phrases = ["wing", "beak", "tail"] * 100
    found = embed_phrases(vlm, phrases, "objects")
    assert vlm.calls > 10
    assert torch.allclose(found, embed_phrases(vlm, phrases[:3], "objects").repeat(100, 1), atol=1e-6)


def test_braces_in_a_phrase_are_kept() -> None:
    vlm = Letters()
    embed_phrases(vlm, ["a {x} b"], ["photo of {}"])
    assert vlm.seen == ["photo of a {x} b"]


def test_the_named_sets_are_sound() -> None:
    assert TEMPLATES["plain"] == ("{}",) and len(TEMPLATES["objects"]) == 7
    for name, forms in TEMPLATES.items():
        assert templates_of(name) == forms and len(set(forms)) == len(forms)


@pytest.mark.parametrize(
    ("phrases", "templates", "words"),
    [
        ([], ("{}",), "There are no phrases"),
        ("wing", ("{}",), r"The phrases are the single text 'wing'.*\n.*\n  Pass \['wing'\]"),
        (["wing", " "], ("{}",), "Phrase 1 is ' '"),
        (["wing"], (), "There are no templates"),
        (["wing"], ("{}", "a photo"), "The template is 'a photo'.\n  Each holds {} once"),
        (["wing"], ("{} {}",), "The template is '{} {}'"),
    ],
)
def test_what_makes_no_text_is_refused(phrases: Any, templates: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        embed_phrases(Letters(), phrases, templates)


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no templates 'object'.\n  Did you mean 'objects'"):
        embed_phrases(Letters(), ["wing"], "object")


def test_embeddings_that_cancel_are_refused() -> None:
    class Opposite(Letters):
        def _texts(self, texts: list[str]) -> Tensor:
            sign = torch.tensor([[-1.0 if text.startswith("no") else 1.0] for text in texts])
            return sign * nn.functional.one_hot(torch.zeros(len(texts), dtype=torch.long), self.dim)

    with pytest.raises(InputError, match="The embeddings of 'wing' over 2 templates cancel"):
        embed_phrases(Opposite(), ["wing"], ("{}", "no {}"))
