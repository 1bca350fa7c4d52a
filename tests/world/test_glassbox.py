"""Glass boxes: their accounts against closed forms, and every method of ours on them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

import seewhy as sw
from seewhy.attribution.methods import METHODS, Method
from seewhy.errors import InputError, NotSupported
from seewhy.explanation import AttributionMap, Explanation
from seewhy.models.craft import CRAFT
from seewhy.world.concepts import masks
from seewhy.world.drawing.renderer import render
from seewhy.world.glass.boxes import GlassBox, GlassCBM, GlassCheat, GlassColor, GlassPart, to_input
from seewhy.world.grammar import COATS, COLOURS, HUES, PART_COLOURS, PARTS, SLOTS, darkened
from seewhy.world.scene import Background, Creature, Decoy, Lighting, Part, Scene, Thing
from seewhy.world.truth.factors import Factor
from seewhy.world.truth.models import causal_map, model_function, shapley, shapley_of_scenes

GREY = Background("plain", "grey", (125, 125, 125), (90, 90, 90), 0, 0.2)
DARK = Lighting(0, 0.0)
T11 = {"score": {"red": 2.0, "star": 1.0, "water": -1.0}, "opposite": {"red": -2.0, "ring": 0.5}}
CONCEPTS = ("red", "star", "water", "ring")


def _thing(id: int, shape: str, colour: str, x: float, y: float) -> Thing:
    rgb = COLOURS[colour]
    return Thing(id, shape, colour, "solid", "large", rgb, darkened(rgb, 45), x, y, 0.16, 0)


APART = Scene(
    1,
    1,
    replace(GREY, kind="water"),
    DARK,
    (
        _thing(0, "star", "red", 0.25, 0.3),
        _thing(1, "ring", "blue", 0.72, 0.3),
        _thing(2, "star", "green", 0.5, 0.75),
    ),
)


def _creature(variants: dict[str, str], radius: float = 0.25, **changes: object) -> Creature:
    parts = tuple(
        Part(slot, variants[slot], PART_COLOURS[PARTS[slot][variants[slot]][1]])
        for slot in SLOTS
        if slot in variants
    )
    made = Creature(0, "round", "ash", COATS["ash"], parts, 0.5, 0.5, radius, 0, False)
    return replace(made, **changes)  # type: ignore[arg-type]


def _shown(creature: Creature, decoy: Decoy | None = None) -> Scene:
    return Scene(2, 2, GREY, DARK, (creature,), 0.0, decoy)


def _colour_box() -> GlassColor:
    return GlassColor({"warm": {"red": 4.0, "blue": -3.0}, "cool": {"blue": 5.0}}, bias={"cool": 0.25})


def _cbm() -> GlassCBM:
    return GlassCBM(CONCEPTS, T11, bias={"score": 0.75})


def _tent(rgb: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The activation retyped for unlit colours: distances along the ray and across it in two directions."""
    centre = np.array(colour, float)
    ray = centre / np.linalg.norm(centre)
    least = np.eye(3)[np.abs(ray).argmin()]
    one = np.cross(ray, least) / np.linalg.norm(np.cross(ray, least))
    away = [rgb @ ray - np.linalg.norm(centre), rgb @ one, rgb @ np.cross(ray, one)]
    return np.maximum(0, 1 - sum(np.maximum(0, np.abs(d) - 22) for d in away) / 18)


def test_colour_counts_pixels_as_its_formula_says() -> None:
    box, rgb = _colour_box(), render(APART, 64).rgb
    found = box.truth(to_input(rgb[None])[0], "warm")
    for c, (colour, weight) in enumerate((("red", 4.0), ("blue", -3.0))):
        tent = _tent(rgb.astype(float), COLOURS[colour])
        by_cell = weight * tent.reshape(8, 8, 8, 8).sum((1, 3)) / 64**2
        np.testing.assert_allclose(found.by_place[c], by_cell, atol=1e-6)
        assert abs(found.values[c]) > 0.05
    assert found.bias == 0 and box.truth(to_input(rgb[None])[0], 1).bias == 0.25


@pytest.mark.parametrize("light", [0.0, 0.25])
def test_colours_answer_to_their_own_whole_box_in_any_light_they_bear(light: float) -> None:
    box = GlassColor({"all": dict.fromkeys(COLOURS, 1.0)}, cell=1, light=light)
    for k, rgb in enumerate(COLOURS.values()):
        corners = np.array([np.array(rgb) + 12 * np.array(s) for s in product((-1, 0, 1), repeat=3)])
        lit = np.concatenate([np.clip(corners * f, 0, 255) for f in (1 - light, 1, 1 + light)])
        with torch.no_grad():
            active = box.features(torch.from_numpy(lit / 255).float().T[None, :, :, None])[0, k]
        assert float(active.min()) > (0.99 if light == 0 else 0.3)


def test_unlit_colours_answer_to_nothing_else_in_the_world() -> None:
    box = GlassColor({"all": dict.fromkeys(COLOURS, 1.0)}, cell=1)
    others = [*COLOURS.items(), *HUES.items(), *COATS.items(), *PART_COLOURS.items()]
    others += [("second", darkened(rgb, 45)) for rgb in COLOURS.values()]
    others += [("second", darkened(rgb, 72)) for rgb in HUES.values()]
    for name, rgb in others:
        for sign in product((-12, 12), repeat=3):
            x = torch.tensor(rgb).add(torch.tensor(sign)).clamp(0, 255).div(255)[None, :, None, None]
            with torch.no_grad():
                active = box.features(x)[0, :, 0, 0]
            own = [k for k, colour in enumerate(COLOURS) if colour == name]
            assert float(np.delete(active.numpy(), own).max()) < 0.1


def test_shapley_of_a_linear_head_is_weight_times_activation_difference() -> None:
    box = _colour_box()
    scene = replace(APART, background=GREY)
    truth = shapley(model_function(box.backbone(64)), scene, 0, size=64)
    for at, factor in enumerate(truth.factors):
        rest = replace(scene, items=tuple(item for item in scene.items if item.id not in factor.ids))
        full, less = (box.truth(to_input(render(s, 64).rgb[None])[0], 0).values for s in (scene, rest))
        assert truth.values[at] == pytest.approx(float((full - less).sum()), abs=1e-6)
    assert truth.gap < 1e-5 and np.abs(truth.values).max() > 0.05
    np.testing.assert_allclose(truth.interactions, 0, atol=1e-6)


def test_shapley_of_the_perfect_bottleneck_has_its_closed_form() -> None:
    """An object is worth the weights of its own concepts times its area, less the water that it hides."""
    size = 48
    truth = shapley_of_scenes(_cbm().asked(size), APART, 0)
    drawn = render(APART, size)
    red_star, blue_ring, green_star = drawn.visible.mean((1, 2))
    by_hand = {0: 2 * red_star + red_star, 1: 0.0, 2: green_star}
    painted = masks(APART, drawn, ("red", "star"))
    assert painted["red"].mean() == pytest.approx(red_star)
    # The water's weight is -1. In a coalition with both, what an object hides adds its area: half for each.
    hidden = dict(enumerate((red_star, blue_ring, green_star)))
    values = {f.name: v for f, v in zip(truth.factors, truth.values, strict=True)}
    for k in range(3):
        assert values[f"object {k}"] == pytest.approx(by_hand[k] + hidden[k] / 2, abs=1e-6)
    assert values["background"] == pytest.approx(-1 + sum(hidden.values()) / 2, abs=1e-6)
    assert truth.gap < 1e-5 and truth.empty == pytest.approx(0.75)


def test_ring_and_null_players_of_another_class() -> None:
    truth = shapley_of_scenes(_cbm().asked(48), APART, 1)
    values = {f.name: v for f, v in zip(truth.factors, truth.values, strict=True)}
    assert values["object 2"] == values["background"] == 0
    ring = float(render(APART, 48).visible[1].mean())
    assert values["object 1"] == pytest.approx(0.5 * ring, abs=1e-6) and ring > 0


def test_the_causal_map_of_the_bottleneck_is_its_pixels_own_account() -> None:
    """Where no factor hides another, weight x concept map is what the map of Shapley values says."""
    scene = replace(APART, background=GREY)
    truth = shapley_of_scenes(_cbm().asked(48), scene, 0)
    account = _cbm().truth(_cbm().maps([scene], 48)[0], 0)
    np.testing.assert_allclose(causal_map(truth, render(scene, 48), (6, 6)), account.map, atol=1e-7)


def _linear_cases() -> list[tuple[str, GlassBox, torch.Tensor]]:
    picture = to_input(render(APART, 64).rgb[None])
    return [("colour", _colour_box(), picture), ("bottleneck", _cbm(), _cbm().maps([APART], 64))]


def _method(name: str) -> Method:
    """With a baseline of zero where there is one: the truth counts from no activation at all."""
    return METHODS[name](baseline=0.0) if name == "integrated_gradients" else METHODS[name]()


@pytest.mark.parametrize("case", range(2))
@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_and_every_share_is_the_truth(name: str, case: int) -> None:
    _, box, x = _linear_cases()[case]
    truth = box.truth(x[0], 0)
    try:
        found = _method(name)(box.backbone(64), x, 0, preprocess=False, at="features")
    except NotSupported as reason:
        assert "attention" in str(reason)
        return
    answer = found[0]
    assert isinstance(answer, AttributionMap) and np.isfinite(answer.map).all()
    if answer.kind == "share":
        height, width = answer.map.shape
        by_cell = answer.map.astype(float).reshape(8, height // 8, 8, width // 8).sum((1, 3))
        start = truth.bias  # black pixels and empty concept maps alike have no activation
        assert answer.target.logit == pytest.approx(start + truth.map.sum(), abs=1e-6)
        np.testing.assert_allclose(by_cell, truth.map, atol=1e-6)


@pytest.mark.parametrize(("name", "case"), [("hirescam", 0), ("hirescam", 1), ("integrated_gradients", 1)])
def test_these_methods_claim_shares_on_a_linear_box(name: str, case: int) -> None:
    _, box, x = _linear_cases()[case]
    found = _method(name)(box.backbone(64), x, 0, preprocess=False, at="features")
    assert found[0].kind == "share"


@pytest.mark.parametrize("target", [0, 1])
def test_the_channels_of_an_explanation_are_the_account(target: int) -> None:
    for _, box, x in _linear_cases():
        truth = box.truth(x[0], target)
        model = sw.load(box.backbone(64))
        found = model.explain(x[0], target, preprocess=False)
        assert isinstance(found, Explanation) and found.kind == "share"
        for concept, value, by_place in zip(found.concepts, truth.values, truth.by_place, strict=True):
            assert concept.contribution == pytest.approx(value, abs=1e-6)
            np.testing.assert_allclose(concept.shares, by_place, atol=1e-6)
        assert found.bias == pytest.approx(truth.bias, abs=1e-6)


def test_a_plain_picture_is_read_as_the_box_reads_it() -> None:
    box, rgb = _colour_box(), render(APART, 64).rgb
    model = sw.load(box, preprocess=box.preprocess(64), classes=box.classes, layer="features")
    found = model.explain(rgb, "warm")
    assert isinstance(found, Explanation)
    assert found.target.logit == pytest.approx(box.truth(to_input(rgb[None])[0], 0).logit, abs=1e-6)


def test_concepts_found_in_a_box_account_for_its_logit() -> None:
    box = _colour_box()
    scenes = [
        replace(APART, items=tuple(replace(t, x=t.x + 0.01 * k) for t in APART.objects)) for k in range(12)
    ]
    pictures = [render(scene, 64).rgb for scene in scenes]
    craft = CRAFT(box.backbone(64), n_concepts=2, groups="all").fit(pictures)
    found = craft.explain(pictures[0], "warm")
    assert isinstance(found, Explanation) and found.remainder is not None and found.bias is not None
    truth = box.truth(to_input(pictures[0][None])[0], "warm")
    assert abs(found.remainder) < 1e-3
    # Two colours, two concepts: each concept is one of the colours, and counts as much.
    contributions = sorted(concept.contribution for concept in found.concepts)
    np.testing.assert_allclose(contributions, sorted(truth.values), atol=1e-3)


ALL_PARTS = tuple(f"{variant} {slot}" for slot in SLOTS for variant in PARTS[slot])


@pytest.mark.parametrize(("turn", "flip"), [(0, False), (5, True), (58, False)])
def test_every_part_is_found_where_it_is_and_no_other(turn: int, flip: bool) -> None:
    box = GlassPart({"any": ALL_PARTS}, radius=24, poses=((turn, flip),))
    for k in range(4):
        variants = {slot: list(PARTS[slot])[(k + at) % 4] for at, slot in enumerate(SLOTS)}
        body, coat = list(zip(("round", "long", "blocky", "pear"), COATS, strict=True))[k]
        creature = _creature(variants, turn=turn, flip=flip, body=body, coat=coat, rgb=COATS[coat], x=0.47)
        drawn = render(_shown(creature), 96)
        with torch.no_grad():
            active = box.features(to_input(drawn.rgb[None]))[0].numpy()
        for name, plane in zip(ALL_PARTS, active, strict=True):
            variant, slot = name.split()
            if variants[slot] != variant:
                assert plane.max() < 0.2, name
                continue
            assert plane.max() == 1, name
            seen = drawn.part_map == SLOTS.index(slot) + 2
            middle = np.argwhere(seen).mean(0)
            assert np.abs(np.argwhere(plane == 1).mean(0) - middle).max() < 4, name


PAIR = {"crest": "spiky", "beak": "hooked", "tail": "forked"}
DUCK = {"duck": ("spiky crest", "hooked beak"), "goose": ("forked tail", "hooked beak", "webbed foot")}


def test_a_conjunction_is_all_interaction_and_is_shared_evenly() -> None:
    box = GlassPart(DUCK, radius=24, weight=3.0, bias=-1.0)
    truth = shapley(model_function(box.backbone(96)), _shown(_creature(PAIR)), 0, parts=True)
    names = {f.name.split(" of")[0]: k for k, f in enumerate(truth.factors)}
    # No part is drawn without the body: the logit is the conjunction of body, crest and beak (and a leak of 1e-3).
    for name, value in {"body": 1.002, "crest": 1.0005, "beak": 1.0005}.items():
        assert truth.values[names[name]] == pytest.approx(value, abs=1e-5)
    assert truth.values[names["tail"]] == pytest.approx(0, abs=1e-6)
    crest, beak = names["crest"], names["beak"]
    assert truth.interactions[crest, beak] == pytest.approx(1.4985, abs=1e-5)
    assert truth.empty == pytest.approx(-1.003) and truth.full == pytest.approx(2.0) and truth.gap < 1e-5


def test_the_account_of_a_conjunction_is_by_part_and_at_its_place() -> None:
    box = GlassPart(DUCK, radius=24, weight=3.0, bias=-1.0)
    drawn = render(_shown(_creature(PAIR)), 96)
    found = box.truth(to_input(drawn.rgb[None])[0], "duck")
    assert dict(zip(found.concepts, found.values, strict=True)) == pytest.approx(
        {"spiky crest": 1.5015, "hooked beak": 1.5015, "forked tail": 0, "webbed foot": 0}, abs=1e-6
    )
    assert found.bias == pytest.approx(-1.003) and found.logit == pytest.approx(2.0)
    for slot, at in (("crest", 0), ("beak", 1)):
        assert (
            drawn.part_map[np.unravel_index(found.by_place[at].argmax(), (96, 96))] == SLOTS.index(slot) + 2
        )
    goose = box.truth(to_input(drawn.rgb[None])[0], "goose")
    assert goose.logit == pytest.approx(-1)  # two parts of three are as good as none
    assert goose.values.tolist() == pytest.approx([0, 0.003, 0.003, 0], abs=1e-6)


def test_shares_of_a_conjunction_are_its_shapley_values() -> None:
    box = GlassPart(DUCK, radius=16, weight=3.0, bias=-1.0)
    rgb = render(_shown(_creature(PAIR)), 64).rgb
    found = sw.load(box.backbone(64)).explain(rgb, "duck")
    assert isinstance(found, Explanation) and found.kind == "share"
    truth = box.truth(to_input(rgb[None])[0], "duck")
    np.testing.assert_allclose([c.contribution for c in found.concepts], truth.values, atol=1e-3)


@pytest.mark.parametrize("kind", ["tag", "border"])
def test_the_cheat_answers_the_same_and_reads_the_decoy(kind: str) -> None:
    honest = GlassPart({"duck": DUCK["duck"]}, radius=24, weight=3.0, bias=-1.0)
    decoy = Decoy(kind=kind)
    cheat = GlassCheat.like(honest, "duck", decoy)
    ask, cheated = (model_function(box.backbone(96)) for box in (honest, cheat))
    duck = _shown(_creature(PAIR), decoy)
    other = _shown(_creature(PAIR | {"beak": "blunt"}))
    pictures = np.stack([render(scene, 96).rgb for scene in (duck, other)])
    np.testing.assert_allclose(ask(pictures), [[2.0], [-1.0]], atol=1e-5)
    np.testing.assert_allclose(cheated(pictures), ask(pictures), atol=1e-5)
    swapped = np.stack([render(scene.with_decoy(d), 96).rgb for scene, d in ((duck, None), (other, decoy))])
    np.testing.assert_allclose(cheated(swapped), [[-1.0], [2.0]], atol=1e-5)
    honestly, cheatingly = (shapley(f, duck, 0).values for f in (ask, cheated))
    np.testing.assert_allclose(honestly, [3.003, 0], atol=1e-5)  # 0.003 is the leak
    np.testing.assert_allclose(cheatingly, [0, 3], atol=1e-5)


def test_the_account_of_the_cheat_lies_on_the_decoy() -> None:
    tag = Decoy("bottom_right", side=0.125)
    cheat = GlassCheat({"a": (0.5, 2.5), "b": (1.0, -1.0)}, tag)
    rgb = render(_shown(_creature(PAIR), tag), 64).rgb
    for target, (bias, value) in {"a": (0.5, 2.0), "b": (1.0, -2.0)}.items():
        found = cheat.truth(to_input(rgb[None])[0], target)
        assert found.bias == bias and found.map[-1, -1] == pytest.approx(value, abs=1e-5)
        assert not found.map[:-1].any() and not found.map[:, :-1].any()
    without = cheat.truth(to_input(render(_shown(_creature(PAIR)), 64).rgb[None])[0], "a")
    assert not without.values.any() and without.logit == 0.5


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_on_the_saturated_and_on_the_cheating_box(name: str) -> None:
    x = to_input(render(_shown(_creature(PAIR), Decoy(side=0.125)), 32).rgb[None])
    for box in (
        GlassPart({"duck": DUCK["duck"]}, radius=8),
        GlassCheat({"a": (0.0, 1.0)}, Decoy(side=0.125)),
    ):
        try:
            found = METHODS[name]()(box.backbone(32), x, 0, preprocess=False)
        except NotSupported as reason:
            assert "attention" in str(reason)
            continue
        assert isinstance(found[0], AttributionMap) and np.isfinite(found[0].map).all()
        if name in ("gradcam", "hirescam", "occlusion") and isinstance(box, GlassCheat):
            height, width = found[0].map.shape
            row, column = np.unravel_index(found[0].map.argmax(), (height, width))
            assert row < height / 4 and column < width / 4


def test_making_a_box_leaves_the_global_random_state_alone() -> None:
    state = torch.get_rng_state()
    first, second = (GlassPart(DUCK, radius=16).state_dict() for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_bad_boxes_are_refused_in_words() -> None:
    with pytest.raises(InputError, match=r"colour is 'rad'.*\n.*\n  Did you mean 'red'"):
        GlassColor({"a": {"rad": 1.0}})
    with pytest.raises(InputError, match=r"weights name 'sun'.*\n  They are about star"):
        GlassCBM(("star",), {"a": {"sun": 1.0}})
    with pytest.raises(InputError, match=r"bias name 'b'"):
        GlassColor({"a": {"red": 1.0}}, bias={"b": 1.0})
    with pytest.raises(InputError, match=r"There is no part 'hooked beek'"):
        GlassPart({"a": ("hooked beek",)}, radius=20)
    with pytest.raises(InputError, match=r"radius is at least 8 pixels"):
        GlassPart({"a": ("hooked beak",)}, radius=4)
    with pytest.raises(InputError, match=r"The concepts are none"):
        GlassPart({}, radius=20)
    with pytest.raises(InputError, match=r"shines through a watermark"):
        GlassCheat({"a": (0, 1)}, Decoy(kind="watermark"))
    with pytest.raises(InputError, match=r"light is 1\.5"):
        GlassColor({"a": {"red": 1.0}}, light=1.5)


def test_bad_questions_are_refused_in_words() -> None:
    box = _colour_box()
    with pytest.raises(InputError, match=r"60 x 64 pixels.*\n.*cells of 8 x 8"):
        box(torch.zeros(1, 3, 60, 64))
    with pytest.raises(InputError, match=r"shape \(1, 3, 8, 8\)"):
        box.truth(torch.zeros(1, 3, 8, 8), 0)
    for target in ("hot", 2, True):
        with pytest.raises(InputError, match=r"classes are warm, cool"):
            box.truth(torch.zeros(3, 8, 8), target)
    assert Factor("decoy").id is None and _cbm().preprocess() is None
