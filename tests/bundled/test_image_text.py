"""The bundled image-text model is open_clip's CLIP, but for its stem."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seewhy.bundled.image_text import CONTEXT_LENGTH, build, stem
from seewhy.bundled.words import WordTokenizer
from tests.bundled.made import WORDS

TOKENIZER = WordTokenizer(WORDS, CONTEXT_LENGTH)


@pytest.fixture(scope="module")
def model() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(TOKENIZER).eval()


@pytest.mark.parametrize(
    ("size", "grid"), [((64, 64), (8, 8)), ((48, 72), (6, 9)), ((65, 9), (9, 2)), ((1, 1), (1, 1))]
)
def test_the_stem_makes_one_place_of_8_pixels(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert stem(24).eval()(torch.zeros(2, 3, *size)).shape == (2, 24, *grid)


def test_it_is_open_clips_model_with_another_first_layer(model: Any) -> None:
    import open_clip

    assert type(model) is open_clip.CLIP
    assert isinstance(model.visual.conv1, torch.nn.Sequential)
    assert model.visual.class_embedding.shape == (128,)
    assert model.visual.positional_embedding.shape == (1 + 8 * 8, 128)
    assert model.token_embedding.num_embeddings == len(WORDS) + 3
    assert model.context_length == CONTEXT_LENGTH


def test_pictures_and_texts_meet_in_one_space(model: Any) -> None:
    with torch.no_grad():
        image = model.encode_image(torch.zeros(2, 3, 64, 64), normalize=True)
        text = model.encode_text(TOKENIZER(["a red star", "grass", "a disk on grass"]), normalize=True)
    assert image.shape == (2, 128) and text.shape == (3, 128)
    torch.testing.assert_close(image.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))


def test_a_text_is_read_where_it_ends(model: Any) -> None:
    tokens = TOKENIZER("a red star")
    behind, within = tokens.clone(), tokens.clone()
    behind[0, 5:] = TOKENIZER.number["grass"]  # the end stands at 4
    within[0, 2] = TOKENIZER.number["blue"]
    with torch.no_grad():
        read, same, other = (model.encode_text(x) for x in (tokens, behind, within))
    torch.testing.assert_close(read, same)
    assert not torch.allclose(read, other, atol=1e-3)


def test_two_models_do_not_share_a_configuration() -> None:
    with torch.random.fork_rng():
        small: Any = build(WordTokenizer(WORDS[:2], CONTEXT_LENGTH))
        large: Any = build(TOKENIZER)
    assert (small.vocab_size, large.vocab_size) == (5, len(WORDS) + 3)
