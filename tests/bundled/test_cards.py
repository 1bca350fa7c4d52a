"""A card is what it was written as, and weights are read only if they are the card's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seewhy.bundled import cards
from seewhy.bundled.cards import Card, Measured
from seewhy.errors import BadArtefact, UnknownName
from tests.bundled import made


@pytest.mark.parametrize("kind", ["resnet", "vit", "clip"])
def test_a_card_comes_back_from_its_file(kind: str, tmp_path: Path) -> None:
    written = made.write(tmp_path, made.card(kind))
    assert Card.from_json(written.to_json()) == written
    assert cards.card(written.name, tmp_path) == written
    assert json.loads(written.to_json())["schema"] == "seewhy.card/1"


def test_a_bar_is_met_from_its_own_side() -> None:
    def met(value: float, bar: float | None, at_most: bool = False) -> bool | None:
        return Measured("accuracy", "test", 10, value, bar=bar, at_most=at_most).met

    assert (met(0.97, 0.97), met(0.96, 0.97), met(0.5, None)) == (True, False, None)
    assert (met(0.60, 0.60, True), met(0.61, 0.60, True)) == (True, False)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace("seewhy.card/1", "seewhy.card/2"), "its schema is not 'seewhy.card/1'"),
        (lambda text: text.replace('"seed"', '"sead"'), "unknown entries sead"),
        (lambda text: text.replace('"world": "w9",', ""), "missing .* 'world'"),
        (lambda text: text.replace('"measured"', '"other"'), "'measured'"),
        (lambda text: text.replace('"what"', '"whatever"'), "whatever"),
        (lambda text: text[:-9], "Unterminated string"),
        (lambda text: "[1]", "is no card of a bundled model"),
        (lambda text: "", "is no card of a bundled model"),
    ],
)
def test_a_damaged_card_is_told(damage: Callable[[str], str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "resnet-made.json"
    text = made.card().to_json()
    path.write_text(damage(text))
    assert path.read_text() != text
    with pytest.raises(BadArtefact, match=said) as caught:
        cards.card("resnet-made", tmp_path)
    assert str(path) in str(caught.value) and "Install Seewhy again." in str(caught.value)


def test_a_card_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadArtefact, match=r"x\.json cannot be read \(.*utf-8"):
        cards.card("x", tmp_path)


def test_names_are_those_of_the_cards_in_order(tmp_path: Path) -> None:
    assert cards.names(tmp_path) == cards.names(tmp_path / "nowhere") == []
    for name in ("b", "a"):
        made.write(tmp_path, made.card(name=name))
    assert cards.names(tmp_path) == ["a", "b"]


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    made.write(tmp_path, made.card())
    with pytest.raises(UnknownName, match="no bundled model 'resnt-made'") as caught:
        cards.card("resnt-made", tmp_path)
    assert "Did you mean 'resnet-made'?" in str(caught.value)
    assert "seewhy models list 'seewhy/*'" in str(caught.value)


def test_weights_are_what_was_written_in_single_precision(tmp_path: Path) -> None:
    card = made.write(tmp_path, made.card())
    found, written = cards.weights(card, tmp_path), made.state(card)
    assert found.keys() == written.keys()
    for name, tensor in written.items():
        assert found[name].dtype == (torch.float32 if tensor.is_floating_point() else tensor.dtype)
        assert torch.equal(found[name], tensor.to(found[name].dtype))


@pytest.mark.parametrize("at", [0, 9, -1])
def test_one_flipped_bit_is_enough_to_refuse_weights(at: int, tmp_path: Path) -> None:
    card = made.write(tmp_path, made.card())
    path = cards.file(card, tmp_path)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadArtefact, match="is not the file that its card speaks of") as caught:
        cards.weights(card, tmp_path)
    assert f"It must be {card.sha256[:12]}..." in str(caught.value)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    one, other = (
        made.write(tmp_path, made.card(name=name, seed=seed)) for name, seed in (("a", 1), ("b", 2))
    )
    cards.file(one, tmp_path).write_bytes(cards.file(other, tmp_path).read_bytes())
    with pytest.raises(BadArtefact, match="is not the file that its card speaks of"):
        cards.content(one, tmp_path)
    assert cards.content(other, tmp_path)


def test_missing_weights_are_told(tmp_path: Path) -> None:
    card = made.write(tmp_path, made.card())
    cards.file(card, tmp_path).unlink()
    with pytest.raises(
        BadArtefact, match=r"resnet-made\.safetensors cannot be read \(No such file"
    ) as caught:
        cards.weights(card, tmp_path)
    assert "Install Seewhy again." in str(caught.value)


@pytest.mark.parametrize("name", cards.names())
def test_the_files_that_come_along_are_whole(name: str) -> None:
    card = cards.card(name)
    assert card.name == name and cards.content(card)
    assert bool(card.classes) == (card.kind == "classifier") and bool(card.words) == (
        card.kind == "image-text"
    )
