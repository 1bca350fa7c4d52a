"""CRAFT end to end: hand-built detectors, the paper's recipe typed again, real networks, and what it refuses."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from sklearn.decomposition import NMF as Peer
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.concepts.base import Dictionary
from seewhy.concepts.factorise import NMF
from seewhy.errors import InputError, LayerNotFound, NotFitted, UnknownConcept, UnknownName
from seewhy.explanation import Answers, Explanation
from seewhy.images.preprocess import Preprocess
from seewhy.importance.occlusion import Occlusion
from seewhy.models.class_report import class_report, fidelity
from seewhy.models.craft import CRAFT
from seewhy.models.groups import FewPictures
from seewhy.models.survey import Survey, survey
from tests.models.detectors import (
    BIAS,
    CLASSES,
    COLOURS,
    RECIPE,
    WEIGHT,
    amounts,
    backbone,
    conv,
    head,
    network,
    pictures,
    put,
    squares,
)


def fitted(n: int = 40, net: Backbone | None = None, **options: Any) -> CRAFT:
    options = {"n_concepts": 3, "groups": "all"} | options
    return CRAFT(net or backbone(), **options).fit(pictures(n))


def few(craft: CRAFT, images: Any, **options: Any) -> CRAFT:
    """Fitted on too few pictures, on purpose."""
    with pytest.warns(FewPictures):
        return craft.fit(images, **options)


def explained(craft: CRAFT, image: Any, target: int | str = "predicted", **options: Any) -> Explanation:
    answer = craft.explain(image, target, **options)
    assert isinstance(answer, Explanation)
    return answer


def colour_of(dictionary: Dictionary) -> list[int]:
    """Which detector each concept is."""
    return [int(k) for k in dictionary.atoms.abs().argmax(1)]


def decoded(dictionary: Dictionary, features: Tensor) -> Tensor:
    codes = dictionary.maps(features)
    return torch.einsum("bkhw,kc->bchw", codes, dictionary.atoms) + dictionary.mean[:, None, None]


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize("fit_on", ["locations", "crops"])
def test_concepts_are_the_colour_detectors(fit_on: str) -> None:
    craft = fitted(fit_on=fit_on, crop=4, overlap=0.0, n_concepts=3)
    atoms = craft.groups["all"].dictionary.atoms
    assert sorted(colour_of(craft.groups["all"].dictionary)) == [0, 1, 2]
    np.testing.assert_allclose(atoms.amax(1), 1, atol=1e-3)


@pytest.mark.parametrize("target", CLASSES)
def test_contributions_are_head_times_amount_of_colour_by_hand(target: str) -> None:
    craft, row = fitted(), CLASSES.index(target)
    order = colour_of(craft.group_of(target).dictionary)
    for photo in pictures(4, seed=9):
        answer, seen = explained(craft, photo, target), amounts(photo)
        for concept, colour in zip(answer.concepts, order, strict=True):
            by_hand = WEIGHT[row][colour] * seen[colour] / seen[colour].size
            assert concept.shares is not None
            np.testing.assert_allclose(concept.shares, by_hand, atol=1e-4)
            np.testing.assert_allclose(concept.map, seen[colour], atol=1e-3)
            assert concept.contribution == pytest.approx(by_hand.sum(), abs=1e-3)
        assert answer.kind == "share" and answer.bias == pytest.approx(BIAS[row], abs=1e-6)
        assert abs(answer.totals.remainder) < 1e-3 and abs(answer.totals.gap) < 1e-5
        assert "exact" in answer.meta.choices["shares"]


def test_percentiles_rank_the_mean_code_among_the_members() -> None:
    craft = fitted(30)
    group = craft.groups["all"]
    means = np.stack(
        [group.dictionary.maps(craft.survey.features[i : i + 1]).mean((2, 3))[0] for i in range(30)]
    )
    answer = explained(craft, pictures(30)[4])
    for k, concept in enumerate(answer.concepts):
        rank = 100 * float((means[:, k] <= means[4, k] + 1e-7).mean())
        assert concept.percentile == pytest.approx(rank)
    absent = explained(craft, squares({(0, 0): ("red", 200)}), "warm")
    blue = absent.concepts[colour_of(group.dictionary).index(2)]
    assert blue.percentile == pytest.approx(100 * float((means[:, blue.index] <= 0).mean()))


def test_the_remainder_is_what_the_plain_network_loses_by_the_reconstruction() -> None:
    net = backbone()
    craft = fitted(net=net, n_concepts=1)
    photo = squares({(0, 1): ("red", 250), (2, 2): ("blue", 90)})
    answer = explained(craft, photo, "cold")
    x = net.tensor([answer.image]).x
    with torch.no_grad():
        logit = net.module(x)[0, 1]
    named = put(net.module, "1", x, lambda a: decoded(craft.groups["all"].dictionary, a))[0, 1]
    assert answer.remainder == pytest.approx(float(logit - named), abs=1e-5)
    assert abs(answer.totals.remainder) > 0.02
    assert answer.target.logit == pytest.approx(float(logit), abs=1e-6)


def test_where_no_concept_is_present_everything_is_remainder() -> None:
    module = network(bias=False)
    with torch.no_grad():
        module[4].weight.mul_(1000)  # rounding of such a logit is more than an empty account allows
    craft = CRAFT(backbone(module), n_concepts=1, groups="all").fit(pictures(20, ["red"]))
    for photo in pictures(6, ["blue"], seed=3):
        answer = explained(craft, photo, "cold")
        assert answer.concepts[0].contribution == 0 == answer.bias
        assert answer.remainder == pytest.approx(answer.target.logit)


def test_a_tail_that_is_not_affine_adds_up_to_the_reconstruction_too() -> None:
    mix = torch.tensor([[1.0, -0.5, 0.2], [-0.3, 1.0, 0.4], [0.5, -1.0, 1.0]])[:, :, None, None]
    last = head(WEIGHT, BIAS)
    module = nn.Sequential(*network()[:2], conv(mix, bias=[0.1, 0.2, -0.1]), nn.GELU(), *last).eval()
    net = backbone(module)
    craft = fitted(net=net, n_concepts=2)
    answer = explained(craft, pictures(1, seed=4)[0], "warm")
    x = net.tensor([answer.image]).x
    named = float(put(module, "1", x, lambda a: decoded(craft.groups["all"].dictionary, a))[0, 0])
    nothing = float(put(module, "1", x, torch.zeros_like)[0, 0])
    assert answer.kind == "share" and "integrated gradients" in answer.meta.choices["shares"]
    assert answer.totals.bias == pytest.approx(nothing, abs=1e-5)
    assert answer.totals.bias + answer.totals.concepts == pytest.approx(named, abs=1e-4)
    assert answer.totals.remainder == pytest.approx(answer.target.logit - named, abs=1e-5)


def test_signed_features_of_a_transformer_with_its_class_token_as_a_row() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vit = timm.create_model("vit_tiny_patch16_224", img_size=(32, 48), depth=3, num_classes=5).eval()
    photos = list(np.random.default_rng(0).integers(0, 256, (8, 32, 48, 3), dtype=np.uint8))
    net = Backbone(vit, preprocess=Preprocess((32, 48)), layer="blocks.1")
    with pytest.raises(InputError, match=r"(?s)values are negative.*semi_nmf"):
        CRAFT(net, n_concepts=2, groups="all").fit(photos)
    craft = few(CRAFT(net, n_concepts=2, dictionary="semi_nmf", groups="all"), photos)
    assert not craft.survey.plain and not craft.survey.affine
    answer = explained(craft, photos[0], 3)
    x = net.tensor([answer.image]).x
    dictionary = craft.groups["all"].dictionary

    def change(out: Tensor) -> Tensor:
        patches = out[:, 1:].transpose(1, 2).reshape(1, -1, 2, 3)
        return torch.cat([out[:, :1], decoded(dictionary, patches).flatten(2).transpose(1, 2)], 1)

    named = float(put(vit, "blocks.1", x, change)[0, 3])
    assert [row.name for row in answer.elsewhere] == ["already in the class token"]
    assert answer.kind == "share" and answer.totals.elsewhere != 0
    without = answer.totals.bias + answer.totals.concepts + answer.totals.elsewhere
    assert without == pytest.approx(named, abs=1e-4)
    assert answer.totals.remainder == pytest.approx(answer.target.logit - named, abs=1e-5)
    values = craft.importance(3, "occlusion", pictures=range(8)).values
    assert values.shape == (8, 2) and np.isfinite(values).all()


# ------------------------------------------------------------------ the paper's recipe, typed again


def test_crops_atoms_and_codes_are_those_of_the_papers_recipe() -> None:
    generator = torch.Generator().manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(12, 20, 3, 2, 1),
        nn.ReLU(),
        *head([[1.0] * 20] * 2, None),
    ).eval()
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 4
    photos = np.random.default_rng(0).integers(0, 256, (30, 40, 40, 3), dtype=np.uint8)
    photos[:, 10:25, 5:30] //= 3  # something to see
    size, side, k = 40, 16, 5
    net = Backbone(module, preprocess=Preprocess(size, mean=0.5, std=0.25), layer="3")
    options = {"solver": "cd", "max_iter": 200, "max_rows": None}
    with pytest.warns(RuntimeWarning, match="200 iterations were not enough"):  # as many as the recipe's
        craft = CRAFT(net, n_concepts=k, fit_on="crops", crop=side, groups="all", **options).fit(photos)

    x = (torch.from_numpy(photos).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    strides = int(side * 0.80)
    patches = torch.nn.functional.unfold(x, kernel_size=side, stride=strides)
    patches = patches.transpose(1, 2).contiguous().view(-1, 3, side, side)
    with torch.no_grad():
        enlarged = nn.functional.interpolate(patches, size=size, mode="bilinear", align_corners=False)
        crops = module[:4](enlarged).mean((2, 3)).numpy()
        places = module[:4](x).permute(0, 2, 3, 1).reshape(-1, 20).numpy()
    reducer = Peer(n_components=k, init="nndsvda", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reducer.fit(crops)
        lengths = np.linalg.norm(reducer.components_, axis=1)
        reducer.set_params(tol=1e-9, max_iter=20_000)  # to the optimum, which is one for fixed atoms
        codes = reducer.transform(places) * lengths
    dictionary = craft.groups["all"].dictionary
    np.testing.assert_allclose(dictionary.atoms, reducer.components_ / lengths[:, None], atol=1e-4)
    ours = dictionary.encode(craft.survey.features.movedim(1, 3).flatten(0, 2))
    np.testing.assert_allclose(ours, codes, atol=1e-4)
    assert dictionary.report.rows == 30 * 9
    assert "270 crops of 30 pictures" in explained(craft, photos[0]).meta.choices["concepts"]


# ------------------------------------------------------------------ groups


def test_each_predicted_class_has_its_own_concepts_from_its_own_pictures() -> None:
    craft = CRAFT(backbone(), n_concepts=2).fit(pictures(45))
    assert set(craft.groups) == set(CLASSES) and craft.warnings == {}
    for name, group in craft.groups.items():
        row = CLASSES.index(name)
        np.testing.assert_array_equal(group.members, np.flatnonzero(craft.survey.predicted == row))
        rows = craft.survey.features[group.members].movedim(1, 3).flatten(0, 2)
        torch.testing.assert_close(group.dictionary.atoms, NMF(2).fit(rows).atoms)
        assert craft.group_of(row) is craft.group_of(name) is craft.group_of(name.upper()) is group


def three_classes(names: Sequence[str] = ("red", "green", "blue")) -> Backbone:
    module = nn.Sequential(*network()[:2], *head(torch.eye(3).tolist(), [0.0, 0.0, 0.0])).eval()
    return Backbone(module, preprocess=RECIPE, classes=names, layer="1")


def test_groups_of_classes_share_concepts_and_may_be_asked_by_name() -> None:
    craft = CRAFT(three_classes(), n_concepts=2, groups={"red": "warm", 1: "warm", "blue": "cold"})
    craft.fit(pictures(60))
    assert craft.groups["warm"].classes == (0, 1) and craft.groups["cold"].classes == (2,)
    assert craft.group_of("green") is craft.group_of(0) is craft.group_of("warm")
    assert craft.group_of(np.int64(2)) is craft.groups["cold"]
    assert craft.importance("green").values.shape == (len(craft.pictures_of(1)), 2)
    assert sorted(colour_of(craft.groups["warm"].dictionary)) == [0, 1]


def test_classes_in_no_group_or_never_given_say_so() -> None:
    craft = CRAFT(three_classes(), n_concepts=1, groups={"red": "warm", "green": "never"})
    craft.fit(pictures(30, ["red", "blue"]))
    assert list(craft.groups) == ["warm"] and craft.skipped == {"blue": "its class is in no group"}
    with pytest.raises(
        NotFitted, match=r"(?s)no concepts for 'blue': its class is in no group.*fitted: warm"
    ):
        craft.explain(pictures(1, ["blue"]))
    with pytest.raises(NotFitted, match="no concepts for 'green': no picture was given this class"):
        craft.group_of("green")
    with pytest.raises(UnknownName, match=r"(?s)'gren' is not among the 3 classes.*Did you mean 'green'"):
        craft.group_of("gren")
    with pytest.raises(InputError, match=r"(?s)none of the 1 classes that the network gives.*gives red"):
        CRAFT(three_classes(), n_concepts=1, groups={"blue": "cold"}).fit(pictures(3, ["red"]))


def test_two_classes_of_one_name_are_two_groups() -> None:
    craft = CRAFT(three_classes(("crane", "owl", "crane")), n_concepts=1).fit(pictures(30))
    assert [(name, group.classes) for name, group in craft.groups.items()] == [
        ("crane (0)", (0,)),
        ("owl", (1,)),
        ("crane (2)", (2,)),
    ]
    assert explained(craft, pictures(1, ["blue"])[0], 2).meta.method["group"] == "crane (2)"


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"animals": range(3)}, r"(?s)groups holds \('animals', range\(0, 3\)\).*mapping from each class"),
        ({range(3): "animals"}, r"groups holds \(range\(0, 3\), 'animals'\)"),
        ({0: ""}, r"groups holds \(0, ''\)"),
        ([0, 1], r"groups holds \[0, 1\]"),
        ({0: "a", "red": "b"}, "'red' is in the groups 'a' and 'b'"),
        ({7: "a"}, "There is no class 7"),
        ({"rad": "a"}, "Did you mean 'red'"),
        ({"predicted": "a"}, "'predicted' is another class for each picture"),
        ("klass", r"(?s)groups is 'klass'.*Did you mean 'class'"),
    ],
)
def test_wrong_groups_are_refused_before_any_picture_is_read(groups: Any, words: str) -> None:
    def unread() -> Any:
        raise AssertionError("a picture was read")
        yield

    with pytest.raises((InputError, UnknownName), match=words):
        CRAFT(three_classes(), n_concepts=1, groups=groups).fit(unread())


# ------------------------------------------------------------------ what is asked of it


def test_importance_of_an_affine_tail_is_the_explanations_contribution() -> None:
    craft = fitted()
    pics = craft.pictures_of(0)
    found = craft.importance("warm")
    assert found.kind == "share" and found.exact and found.method == "gradient_x_input"
    for i, picture in enumerate(pics[:4]):
        answer = explained(craft, pictures(40)[picture], "warm")
        np.testing.assert_allclose(found.values[i], [c.contribution for c in answer.concepts], atol=1e-5)
    np.testing.assert_allclose(craft.importance("warm", Occlusion()).values, found.values, atol=1e-6)
    sobol = craft.importance("warm", "sobol", pictures=pics[:3])
    squared = found.values[:3] ** 2
    np.testing.assert_allclose(sobol.values, squared / squared.sum(1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(found.base, BIAS[0], atol=1e-6)


def test_importance_of_pictures_the_survey_does_not_hold_is_refused() -> None:
    craft = fitted(30)
    for wrong, words in (
        ([], "pictures is empty"),
        ([0, 30], "pictures holds 30"),
        ([-1], "pictures holds -1"),
    ):
        with pytest.raises(InputError, match=rf"(?s){words}.*30 pictures, 0 to 29"):
            craft.importance(0, pictures=wrong)
    for ask in (craft.importance, craft.row_of, craft.group_of, lambda t: craft.crops(t, 0)):
        with pytest.raises(UnknownName, match="'predicted' is another class for each picture"):
            ask("predicted")


def test_crops_of_a_concept_are_its_colour() -> None:
    craft = fitted()
    order = colour_of(craft.groups["all"].dictionary)
    for k, colour in enumerate(order):
        crops = craft.crops(CLASSES[colour // 2], f"concept {k}", n=4)
        assert len(crops) == 4 and [c.strength for c in crops] == sorted(
            (c.strength for c in crops), reverse=True
        )
        for crop in crops:
            totals = crop.pixels.sum((0, 1))
            assert totals.argmax() == colour, COLOURS[colour]
    with pytest.raises(UnknownConcept, match="no concept 'beak'"):
        craft.crops("warm", "beak")


def test_many_pictures_are_explained_as_one_by_one() -> None:
    craft, photos = fitted(), pictures(7, seed=8)
    told: list[tuple[int, int]] = []
    many = craft.explain(photos, batch_size=3, progress=lambda *done: told.append(done))
    assert isinstance(many, Answers) and told == [(i + 1, 7) for i in range(7)]
    for photo, answer in zip(photos, many, strict=True):
        one = explained(craft, photo)
        assert answer.target.index == one.target.index
        np.testing.assert_allclose(answer.where, one.where, atol=1e-6)
        np.testing.assert_array_equal(answer.image.pixels, photo)
        assert answer.meta.choices["batch size"] == "3"
    targets = craft.explain(photos, [0, 1, "warm", "cold", 0, 1, 0])
    assert [a.target.index for a in targets] == [0, 1, 0, 1, 0, 1, 0]  # type: ignore[union-attr]


def test_the_head_runs_on_no_more_pictures_at_once_than_asked() -> None:
    net = backbone()
    craft, seen = fitted(net=net), []
    handle = net.module[0].register_forward_hook(lambda _, __, output: seen.append(len(output)))
    craft.explain(pictures(7), batch_size=2)
    handle.remove()
    assert seen == [2, 2, 2, 1]


def test_ready_tensors_another_target_and_contrast() -> None:
    craft, photo = fitted(), pictures(1, seed=6)[0]
    plain = explained(craft, photo)
    x = craft.backbone.tensor([plain.image]).x
    ready = explained(craft, x[0], preprocess=False)
    np.testing.assert_allclose(plain.where, ready.where, atol=1e-6)
    contrast = plain.contrast("warm", "cold")
    rows = sum(row.difference for row in contrast.rows) + contrast.constant
    assert rows == pytest.approx(contrast.logit_difference, abs=1e-5)


def test_the_replay_takes_a_concept_out_of_the_plain_features() -> None:
    craft, photo = fitted(), pictures(1, ["blue"], seed=6)[0]
    answer = explained(craft, photo, "cold")
    assert answer.replay is not None and answer.replay.concepts is not None
    k = colour_of(craft.groups["all"].dictionary).index(2)
    factors = np.ones((1, 3))
    factors[0, k] = 0
    by_hand = answer.target.logit - WEIGHT[1][2] * amounts(photo)[2].mean()
    assert answer.replay.concepts(factors)[0] == pytest.approx(by_hand, abs=1e-3)


def test_it_explains_pictures_of_other_sizes_and_needs_no_survey() -> None:
    craft = fitted()
    craft._survey = None  # as after loading
    x = torch.rand(2, 3, 28, 12, generator=torch.Generator().manual_seed(0))
    answers = craft.explain(x, "warm", preprocess=False)
    assert isinstance(answers, Answers) and answers[0].grid == (7, 3)
    with pytest.raises(NotFitted, match=r"(?s)holds no pictures.*Call fit\(images\)"):
        craft.importance("warm")


def test_the_network_is_left_as_it_was_in_training_mode_with_dropout() -> None:
    module = nn.Sequential(*network()[:2], nn.Dropout(0.5), *head(WEIGHT, BIAS)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.inference_mode():
        craft = fitted(net=backbone(module))
        answer = explained(craft, pictures(1)[0], "warm")
        craft.importance("warm", "integrated_gradients")
    assert answer.concepts[0].contribution == pytest.approx(
        explained(fitted(), pictures(1)[0], "warm").concepts[0].contribution, abs=1e-5
    )
    assert all(child.training for child in module.modules())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert not any(child._forward_hooks for child in module.modules())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_networks_in_other_precisions_are_explained_in_their_own(dtype: torch.dtype) -> None:
    craft, single = fitted(net=backbone(network().to(dtype))), fitted()
    photo = pictures(1, seed=6)[0]
    one, other = explained(craft, photo, "warm"), explained(single, photo, "warm")
    close = {"abs": 1e-3} if dtype == torch.float64 else {"abs": 0.05}
    assert one.target.logit == pytest.approx(other.target.logit, **close)
    assert sum(c.contribution for c in one.concepts) == pytest.approx(
        sum(c.contribution for c in other.concepts), **close
    )
    assert one.replay is not None and one.replay.concepts is not None and other.replay is not None
    assert one.replay.concepts(np.ones((1, 3)))[0] == pytest.approx(one.target.logit, **close)
    values = craft.importance("warm", "occlusion").values.sum(1)
    np.testing.assert_allclose(values, single.importance("warm").values.sum(1), atol=0.05)
    assert class_report(craft, "warm").fidelity.agreement > 0.9
    assert craft.tail(0, craft.pictures_of(0)).remainder().abs().max() < 0.05
    assert craft.concept_backbone(0).logits(torch.zeros(1, 3, 16, 24, dtype=dtype)).shape == (1, 3)


def test_the_same_seed_gives_the_same_concepts() -> None:
    one, two = (fitted(seed=3, dictionary="semi_nmf").groups["all"].dictionary for _ in range(2))
    assert torch.equal(one.atoms, two.atoms)


# ------------------------------------------------------------------ too little, too much, twice


def test_too_few_pictures_warn_with_the_numbers() -> None:
    with pytest.warns(
        FewPictures, match=r"1 of 1 groups have fewer than 5 pictures per concept \(all: 14 pic"
    ) as told:
        craft = CRAFT(backbone(), n_concepts=3, groups="all").fit(pictures(14))
    assert craft.warnings == {"all": "all: 14 pictures for 3 concepts, 4.7 each"}
    assert told[0].filename == __file__
    assert explained(craft, pictures(1)[0]).meta.warnings == ("all: 14 pictures for 3 concepts, 4.7 each",)
    fitted(15)  # none, or it would be an error here


def test_one_picture_and_one_class_are_fitted_with_the_warning() -> None:
    craft = few(CRAFT(backbone(), n_concepts=2), pictures(1))
    assert list(craft.warnings.values()) == ["warm: 1 picture for 2 concepts, 0.5 each"]
    answer = explained(craft, pictures(1)[0])
    assert answer.kind == "share" and answer.concepts[0].percentile is not None
    with pytest.raises(NotFitted, match="no concepts for 'cold': no picture was given this class"):
        craft.explain(pictures(1), "cold")


def test_fewer_rows_than_concepts_are_refused_with_the_numbers() -> None:
    with pytest.raises(
        InputError, match=r"(?s)all: There are 24 rows of 3 channels for 25 concepts.*fewer concepts"
    ):
        CRAFT(backbone(), n_concepts=25, groups="all").fit(pictures(1))


def test_features_that_never_change_are_refused_and_other_groups_fitted() -> None:
    black = np.zeros((16, 24, 3), np.uint8)
    with pytest.raises(InputError, match=r"(?s)warm: All 3 channels are constant.*Check the layer"):
        CRAFT(backbone(), n_concepts=1).fit([black, black])
    craft = few(CRAFT(backbone(), n_concepts=1), [black, black, *pictures(3, ["blue"], most=9)])
    assert list(craft.groups) == ["cold"] and "constant" in craft.skipped["warm"]
    with pytest.raises(NotFitted, match="no concepts for 'warm': All 3 channels are constant"):
        craft.explain(black)


def test_a_fit_that_fails_leaves_the_one_before_and_a_second_replaces_it() -> None:
    craft = fitted(30)
    before, data = craft.groups["all"], craft.survey
    with pytest.raises(InputError):
        craft.fit([np.zeros((16, 24, 3), np.uint8)])
    assert craft.groups["all"] is before and craft.survey is data
    craft.fit(pictures(24, ["blue"], seed=2))
    assert len(craft.survey) == 24 and craft.groups["all"] is not before and craft.warnings == {}


def test_a_survey_is_fitted_without_running_the_network_and_of_this_layer_only() -> None:
    net = backbone()
    data, calls = survey(net, pictures(20)), []
    handle = net.module[1].register_forward_hook(lambda *_: calls.append(1))
    craft = CRAFT(net, n_concepts=2, groups="all").fit(data, labels=["warm"] * 20)
    handle.remove()
    assert len(calls) <= 1 and craft.survey.features is data.features  # one, to count the classes
    assert craft.survey.labels is not None and not craft.survey.labels.any()
    with pytest.raises(InputError, match=r"(?s)made at 1 .*and 0 .*is asked for"):
        CRAFT(net, n_concepts=2, at="0").fit(data)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"fit_on": "crop"}, UnknownName, "(?s)fit_on is 'crop'.*Did you mean 'crops'"),
        ({"dictionary": "nfm"}, UnknownName, "(?s)no dictionary 'nfm'.*Did you mean 'nmf'"),
        ({"dictionary": NMF(2)}, InputError, "(?s)dictionary is .*name or a class"),
        ({"n_concepts": 0}, InputError, "n_concepts is 0"),
        ({"seed": -1}, InputError, "seed is -1"),
        ({"negative": "clip"}, InputError, "(?s)negative is 'clip'.*refuse, shift, split"),
        ({"overlap": 1.0}, InputError, r"overlap 1\.0"),
        ({"crop": 0}, InputError, "crop is 0"),
        ({"fit_on": "crops", "crop": 17}, InputError, "(?s)17 pixels and the input 16 x 24.*smaller crop"),
        ({"at": "2"}, LayerNotFound, "."),
        ({"at": "nowhere"}, LayerNotFound, "No module 'nowhere'"),
    ],
)
def test_wrong_settings_are_refused_before_any_picture_is_read(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    def unread() -> Any:
        raise AssertionError("a picture was read")
        yield

    with pytest.raises(error, match=words):
        CRAFT(backbone(), **options).fit(unread())


def test_before_a_fit_everything_says_so() -> None:
    craft = CRAFT(backbone())
    asks: list[Callable[[], Any]] = [
        lambda: craft.explain(pictures(1)),
        lambda: craft.importance("warm"),
        lambda: craft.crops("warm", 0),
        lambda: craft.concept_backbone("warm"),
        lambda: craft.save_pretrained("nowhere"),
    ]
    for ask in asks:
        with pytest.raises(NotFitted, match=r"(?s)(not fitted|holds no pictures).*Call fit"):
            ask()
    assert repr(craft).endswith("not fitted)")


def test_labels_are_for_accuracies_and_do_not_move_the_concepts() -> None:
    photos = pictures(30)
    plain, labelled = (CRAFT(backbone(), n_concepts=2, groups="all") for _ in range(2))
    plain.fit(photos)
    labelled.fit(photos, labels=["cold"] * 30)
    assert torch.equal(plain.groups["all"].dictionary.atoms, labelled.groups["all"].dictionary.atoms)
    with pytest.raises(InputError, match="There are 29 labels for 30 pictures"):
        CRAFT(backbone(), n_concepts=2).fit(photos, labels=["cold"] * 29)


# ------------------------------------------------------------------ real networks


@pytest.fixture(scope="module")
def cifar(data: Path, real_network: Callable[[str], Any]) -> Survey:
    """5,000 training pictures as ResNet-20 sees them."""
    module, meta = real_network("resnet20_cifar10")
    with np.load(data / "cifar10" / "cifar10_subset.npz") as archive:
        photos, classes = archive["x_train"], [str(name) for name in archive["classes"]]
    recipe = Preprocess(32, fit="stretch", mean=meta["preprocess"]["mean"], std=meta["preprocess"]["std"])
    return survey(Backbone(module, preprocess=recipe, classes=classes), photos)


@pytest.mark.real
def test_cifar_classes_are_recognised_from_ten_concepts_each(cifar: Survey) -> None:
    craft = CRAFT(cifar.backbone, n_concepts=10).fit(cifar)
    assert len(craft.groups) == 10 and cifar.affine and not craft.warnings
    same, medians = 0.0, []
    for row in range(10):
        members = np.flatnonzero(cifar.predicted == row)
        found = fidelity(craft, row, members, craft.importance(row, pictures=members).values)
        same += found.agreement * len(members)
        medians.append(found.remainder)
    assert same / len(cifar) >= 0.99
    assert float(np.median(medians)) <= 0.06 and max(medians) <= 0.10


@pytest.mark.real
def test_a_cifar_explanation_is_the_sum_of_its_parts(cifar: Survey) -> None:
    craft = CRAFT(cifar.backbone, n_concepts=10).fit(cifar)
    net = cifar.backbone
    photos = [cifar.seen[i].picture() for i in range(0, 5000, 700)]
    for photo, answer in zip(photos, craft.explain(photos), strict=True):
        assert isinstance(answer, Explanation) and answer.kind == "share"
        x, space = net.tensor([photo]).x, craft.group_of(answer.target.index).dictionary
        named = float(put(net.module, "layer3", x, lambda a, d=space: decoded(d, a))[0, answer.target.index])
        assert answer.totals.bias + answer.totals.concepts == pytest.approx(named, abs=1e-3)
        assert abs(answer.totals.gap) < 1e-3


@pytest.fixture(scope="module")
def photographs(data: Path, real_network: Callable[[str], Any]) -> Survey:
    """200 photographs, one a class, as MobileNetV2 sees them."""
    module, _ = real_network("mobilenetv2_imagenet")
    recipe = Preprocess(224, resize=256, interpolation="bicubic", mean=0.5, std=0.5)
    return survey(Backbone(module, preprocess=recipe), data / "imagenet_samples")


@pytest.mark.real
def test_200_photographs_are_too_few_for_a_class_each_and_enough_for_superclasses(
    photographs: Survey,
) -> None:
    net, n = photographs.backbone, len(np.unique(photographs.predicted))
    with pytest.warns(FewPictures) as told:
        craft = CRAFT(net, n_concepts=10, dictionary="pca").fit(photographs)  # the quickest of 200 fits
    (text,) = [str(one.message) for one in told if one.category is FewPictures]
    assert f"{n} of {n} groups have fewer than 5 pictures per concept" in text
    assert "1 picture for 10 concepts, 0.1 each" in text and f"and {n - 3} groups more" in text
    assert len(craft.warnings) == n
    superclasses = {k: "animals" if k < 398 else "things" for k in range(1000)}
    grouped = CRAFT(net, n_concepts=10, groups=superclasses).fit(photographs)  # a warning would be an error
    assert {name: len(group.members) >= 50 for name, group in grouped.groups.items()} == {
        "animals": True,
        "things": True,
    }
    answer = explained(grouped, photographs.seen[0].picture())
    assert answer.kind == "share" and answer.meta.method["group"] == "animals" and answer.grid == (7, 7)
