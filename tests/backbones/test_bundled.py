"""The models that come with Seewhy load by name and take every path that other networks take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

import seewhy as sw
from seewhy.backbones.load import info, load_backbone
from seewhy.bundled import cards, image_text, load, networks
from seewhy.bundled.cards import Card
from seewhy.bundled.words import WordTokenizer
from seewhy.errors import BadArtefact, InputError, UnknownName
from seewhy.images.picture import Picture
from tests.bundled import made

TEXTS = ["a red star", "blue disk", "grass"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three models of random numbers in the place of those that come along."""
    for kind in ("resnet", "vit", "clip"):
        made.write(tmp_path, made.card(kind))
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(height: int = 70, width: int = 91) -> Picture:
    return Picture(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def filled(network: nn.Module, card: Card) -> nn.Module:
    """A network with a card's weights, put there by torch alone."""
    network.load_state_dict({name: tensor.to(torch.float32) for name, tensor in made.state(card).items()})
    return network.eval()


def input_of(picture: Picture, size: int) -> torch.Tensor:
    """The middle square of a picture, resized by Pillow, with pixels from -1 to 1."""
    height, width = picture.pixels.shape[:2]
    short = min(height, width)
    resized = Image.fromarray(picture.pixels).resize(
        (int(size * width / short), int(size * height / short)), Image.Resampling.BILINEAR
    )
    top, left = round((resized.height - size) / 2), round((resized.width - size) / 2)
    square = resized.crop((left, top, left + size, top + size))
    return torch.from_numpy(np.asarray(square, np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


@pytest.mark.parametrize(("kind", "network"), [("resnet", "resnet-w16"), ("vit", "vit-ti-8")])
def test_a_classifier_answers_as_its_weights_do(kind: str, network: str, folder: Path) -> None:
    backbone = load_backbone(f"seewhy/{kind}-made")
    with torch.random.fork_rng():
        expected = filled(networks.build(network, 3), made.card(kind))(input_of(picture(), 96))
    with torch.no_grad():
        logits = backbone.logits(backbone.tensor([picture()]).x)
    torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-4)
    assert backbone.classes == ("no star", "star", "two stars") and not backbone.untrained
    assert backbone.name == f"seewhy/{kind}-made" and not backbone.module.training


def test_the_image_text_model_compares_with_the_bare_names(folder: Path) -> None:
    backbone = load_backbone("seewhy/clip-made", classes=TEXTS)
    tokenizer = WordTokenizer(made.WORDS, image_text.CONTEXT_LENGTH)
    with torch.random.fork_rng():
        clip = filled(image_text.build(tokenizer), made.card("clip"))
    with torch.no_grad():
        image, text, scale, bias = clip(input_of(picture(), 64), tokenizer(TEXTS))
        logits = backbone.logits(backbone.tensor([picture()]).x)
    torch.testing.assert_close(logits, scale * image @ text.T + bias, atol=2e-5, rtol=1e-4)
    assert backbone.classes == tuple(TEXTS) and not backbone.untrained


def test_the_preprocessing_is_the_cards(folder: Path) -> None:
    recipe = load_backbone("seewhy/clip-made", classes=TEXTS).preprocess
    assert recipe is not None and recipe.size == (64, 64) and recipe.source == "card of seewhy/clip-made"
    backbone = load_backbone("seewhy/resnet-made")
    whole = Picture(np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8))
    trained_on = torch.from_numpy(whole.pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    torch.testing.assert_close(backbone.tensor([whole]).x, trained_on)


def test_the_image_text_model_needs_classes_in_its_words(folder: Path) -> None:
    with pytest.raises(InputError, match="'seewhy/clip-made' compares pictures with words") as caught:
        load_backbone("seewhy/clip-made")
    assert 'classes=["a red star", "a blue disk"]' in str(caught.value)
    with pytest.raises(InputError, match="'a photo of a star' has the word 'photo'"):
        load_backbone("seewhy/clip-made", classes=["a star", "a photo of a star"])
    with pytest.raises(InputError, match="has the word 'stra'") as caught:
        load_backbone("seewhy/clip-made", classes=["a red stra"])
    assert "Did you mean 'star'" in str(caught.value)


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip"])
def test_random_weights_are_marked_and_need_no_classes(kind: str, folder: Path) -> None:
    cards.file(made.card(kind)).unlink()
    backbone = load_backbone(f"seewhy/{kind}-made", weights=None)
    assert backbone.untrained
    assert backbone.classes == (("a", "red") if kind == "clip" else ("no star", "star", "two stars"))
    again = load_backbone(f"seewhy/{kind}-made", weights=None)
    assert backbone.fingerprint() == again.fingerprint()


def test_given_weights_are_loaded(folder: Path) -> None:
    state = made.state(made.card(seed=8))
    safetensors.torch.save_file(state, folder / "mine.safetensors")
    module = load_backbone("seewhy/resnet-made", weights="mine.safetensors").module
    own = module.state_dict()
    assert all(torch.equal(own[name].to(tensor.dtype), tensor) for name, tensor in state.items())
    with pytest.raises(BadArtefact, match="do not fit VisionTransformer"):
        load_backbone("seewhy/vit-made", weights="mine.safetensors")


def test_given_weights_of_the_image_text_model_answer_for_the_words(folder: Path) -> None:
    card = made.card("clip", seed=8)
    safetensors.torch.save_file(made.state(card), folder / "mine.safetensors")
    backbone = load_backbone("seewhy/clip-made", weights="mine.safetensors", classes=TEXTS)
    with torch.no_grad():
        text = filled(load.untrained(card), card).encode_text(load.tokenizer(card)(TEXTS), normalize=True)
    torch.testing.assert_close(backbone.module.words, text)


def test_a_bare_name_is_enough_and_a_wrong_one_gets_the_nearest(folder: Path) -> None:
    assert load_backbone("resnet-made").name == "seewhy/resnet-made"
    with pytest.raises(UnknownName, match="no bundled model 'resnet-mad'") as caught:
        load_backbone("seewhy/resnet-mad")
    assert "Did you mean 'resnet-made'" in str(caught.value)


def test_damaged_weights_are_not_loaded(folder: Path) -> None:
    path = folder / "resnet-made.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    with pytest.raises(BadArtefact, match="is not the file that its card speaks of"):
        sw.load("seewhy/resnet-made")
    with pytest.raises(BadArtefact, match="is not the file that its card speaks of"):
        info("seewhy/resnet-made")


def test_info_says_what_the_card_says(folder: Path) -> None:
    found = info("seewhy/resnet-made")
    assert (found.id, found.title, found.task) == ("seewhy/resnet-made", "Is it a star? (resnet)", "T2")
    assert found.n_classes == 3 and found.licence == "Apache-2.0" and found.words == ()
    assert found.here == folder / "resnet-made.safetensors"
    assert found.megabytes == round(found.here.stat().st_size / 1e6, 2) > 0
    assert "resize short side to 96 (bilinear), crop 96x96" in found.preprocess
    words = info("clip-made")
    assert words.words == made.WORDS and words.n_classes is None and words.task == "image-text"


# ---------------------------------------------------------------------- layers, splits, explanations


@pytest.mark.parametrize(
    ("kind", "layer", "grid", "prefix"),
    [
        ("resnet", "stages", (12, 12), 0),
        ("vit", "blocks", (12, 12), 1),
        ("clip", "visual.transformer.resblocks.2", (8, 8), 1),
    ],
)
def test_the_split_replays_the_logits(
    kind: str, layer: str, grid: tuple[int, int], prefix: int, folder: Path
) -> None:
    backbone = load_backbone(f"seewhy/{kind}-made", classes=TEXTS if kind == "clip" else None)
    found = backbone.layer().layer
    assert (found.name, found.grid, found.prefix) == (layer, grid, prefix)
    x = backbone.tensor([picture(), picture(96, 40)]).x
    with torch.no_grad():
        cut = backbone.split().cut(x)
        replayed = backbone.split().tail(cut.features, cut.rest)
        torch.testing.assert_close(replayed, backbone.logits(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip"])
def test_its_shares_add_up_to_the_logit(kind: str, folder: Path) -> None:
    model = sw.load(f"seewhy/{kind}-made", classes=TEXTS if kind == "clip" else None)
    answer = model.explain(picture())
    assert answer.kind == "share" and answer.bias is not None and answer.remainder is not None
    parts = [part.contribution for part in (*answer.concepts, *answer.elsewhere)]
    total = sum(parts) + answer.bias + answer.remainder
    assert total == pytest.approx(answer.target.logit, abs=1e-4)
    # The image-text model's class token has seen the picture before the last layer.
    assert [part.name for part in answer.elsewhere if abs(part.contribution) > 1e-6] == (
        ["already in the class token"] if kind == "clip" else []
    )


def test_hirescam_of_the_resnet_adds_up_to_the_logit_without_the_bias(folder: Path) -> None:
    found = sw.attribute(picture(), "seewhy/resnet-made", "hirescam", "star")
    module = load_backbone("seewhy/resnet-made").module
    bias = float(module.get_parameter("head.fc.bias")[1].detach())
    assert np.asarray(found.map).sum() == pytest.approx(found.target.logit - bias, abs=1e-4)


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip"])
def test_integrated_gradients_add_up_to_what_the_picture_adds(kind: str, folder: Path) -> None:
    backbone = load_backbone(f"seewhy/{kind}-made", classes=TEXTS if kind == "clip" else None)
    found = sw.attribute(picture(), backbone, "integrated_gradients", 1)
    x = backbone.tensor([picture()]).x
    with torch.no_grad():
        added = backbone.logits(x)[0, 1] - backbone.logits(torch.zeros_like(x))[0, 1]
    assert found.map.shape == backbone.input_size
    assert np.asarray(found.map).sum() == pytest.approx(float(added), abs=0.02 + 0.05 * abs(float(added)))


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip"])
@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_maps_have_the_grid_of_the_layer(method: str, kind: str, folder: Path) -> None:
    model = sw.load(f"seewhy/{kind}-made", classes=TEXTS if kind == "clip" else None)
    found = np.asarray(model.attribute(picture(), method).map)
    assert found.shape == ((8, 8) if kind == "clip" else (12, 12))
    assert np.isfinite(found).all() and np.ptp(found) > 0


@pytest.mark.parametrize("kind", ["vit", "clip"])
@pytest.mark.parametrize("method", ["attention_relevance", "legrad"])
def test_attention_is_found_in_the_transformers(method: str, kind: str, folder: Path) -> None:
    model = sw.load(f"seewhy/{kind}-made", classes=TEXTS if kind == "clip" else None)
    found = np.asarray(model.attribute(picture(), method).map)
    assert found.shape == ((8, 8) if kind == "clip" else (12, 12)) and found.max() > 0


@pytest.mark.parametrize(
    ("kind", "dictionary"), [("resnet", "nmf"), ("vit", "semi_nmf"), ("clip", "semi_nmf")]
)
def test_concepts_are_found_in_it(kind: str, dictionary: str, folder: Path) -> None:
    rng = np.random.default_rng(2)
    pictures = [Picture(rng.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(12)]
    model = sw.load(f"seewhy/{kind}-made", classes=TEXTS if kind == "clip" else None)
    craft = sw.discover(model, pictures, n_concepts=2, dictionary=dictionary, groups="all")
    answer = craft.explain(pictures[0])
    parts = [part.contribution for part in (*answer.concepts, *answer.elsewhere)]
    assert len(answer.concepts) == 2 and answer.kind == "share"
    with torch.no_grad():
        logits = model.backbone.logits(model.backbone.tensor(pictures[:1]).x)
    assert sum(parts) + answer.bias + answer.remainder == pytest.approx(float(logits.max()), abs=1e-4)


# ---------------------------------------------------------------------- those that come along


@pytest.mark.parametrize("name", cards.names())
def test_each_model_that_comes_along_explains_a_scene(name: str) -> None:
    from seewhy.world.drawing.renderer import render
    from seewhy.world.tasks.tasks import find_task

    card = cards.card(name)
    texts = None if card.classes else ["a red star", "a creature", "nothing"]
    backbone = load_backbone(f"seewhy/{name}", classes=texts)
    task = find_task(card.task or "T8")
    pixels = render(task.scene("test", 0), 96).rgb
    answer = sw.explain(Picture(pixels), backbone)
    assert answer.kind == "share" and not backbone.untrained
    with torch.no_grad():
        logits = backbone.logits(input_of(Picture(pixels), card.size))[0]
    assert answer.target.index == int(logits.argmax())
    assert answer.target.name == (card.classes or texts)[answer.target.index]
