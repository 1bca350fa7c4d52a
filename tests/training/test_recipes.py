"""The recipes: which there are, and what each preset makes of them."""

from __future__ import annotations

import pytest

from seewhy.bundled.networks import NETWORKS
from seewhy.errors import InputError, UnknownName
from seewhy.training.recipes import PRESETS, RECIPES, SMOKE, ClassifierRecipe, ImageTextRecipe, find_recipe
from seewhy.world.tasks.tasks import find_task

BUNDLED = {
    "resnet-t1": ("resnet-w16", "T1", None), "resnet-t2": ("resnet-w16", "T2", None),
    "resnet-t4": ("resnet-w16", "T4", None), "resnet-t6": ("resnet-w16", "T6", 0.95),
    "resnet-t6-balanced": ("resnet-w16", "T6", 0.5),
    "resnet-t5-biased": ("resnet-w16", "T5", 0.98), "resnet-t5-balanced": ("resnet-w16", "T5", 0.5),
    "vit-t4": ("vit-ti-8", "T4", None),
}  # fmt: skip


def test_every_model_has_a_recipe_under_its_name() -> None:
    seeds = {f"resnet-t5-{kind}-seed{seed}" for kind in ("biased", "balanced") for seed in (1, 2)}
    assert set(RECIPES) == {*BUNDLED, *seeds, "clip", "clip-plain"}
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    for name, (network, task, bias) in BUNDLED.items():
        recipe = RECIPES[name]
        assert isinstance(recipe, ClassifierRecipe)
        assert (recipe.network, recipe.task, recipe.bias, recipe.seed) == (network, task, bias, 0)


@pytest.mark.parametrize("name", list(RECIPES))
def test_presets_change_how_long_and_not_what(name: str) -> None:
    presets = [preset for preset in PRESETS if preset != "smoke" or name in SMOKE]
    for recipe in (find_recipe(name, preset) for preset in presets):
        assert recipe.name == name and type(recipe) is type(RECIPES[name])
        assert recipe.seed == RECIPES[name].seed and recipe.size == RECIPES[name].size
        assert recipe.seen > 0 and recipe.seen % recipe.batch == 0 and recipe.batch <= recipe.scenes
        if isinstance(recipe, ClassifierRecipe):
            assert recipe.network in NETWORKS and find_task(recipe.task).name == recipe.task
    seen = [find_recipe(name, preset).seen for preset in ("smoke", "cpu", "gpu") if preset in presets]
    assert seen == sorted(seen)
    assert find_recipe(name) is RECIPES[name]


def test_seen_counts_whole_batches_of_each_epoch() -> None:
    assert ClassifierRecipe("a", "resnet-w16", "T1", scenes=30, epochs=3, batch=8).seen == 72
    assert ImageTextRecipe("b", scenes=50, pairs=45, batch=8).seen == 40


def test_the_plain_model_differs_in_circles_cut_outs_and_cells_only() -> None:
    clip, plain = RECIPES["clip"], RECIPES["clip-plain"]
    assert isinstance(clip, ImageTextRecipe) and isinstance(plain, ImageTextRecipe)
    assert clip.mix.circled > 0 < clip.mix.cut and clip.cells
    assert plain.mix.circled == plain.mix.cut == 0 and not plain.cells
    assert (clip.scenes, clip.pairs, clip.batch, clip.seed) == (
        plain.scenes,
        plain.pairs,
        plain.batch,
        plain.seed,
    )


def test_seeds_of_the_pair_differ_in_the_seed_only() -> None:
    for kind in ("biased", "balanced"):
        own = vars(RECIPES[f"resnet-t5-{kind}"])
        for seed in (1, 2):
            name = f"resnet-t5-{kind}-seed{seed}"
            assert vars(RECIPES[name]) == {**own, "name": name, "seed": seed}


def test_the_presets_are_as_large_as_they_say() -> None:
    for name, recipe in RECIPES.items():
        large = find_recipe(name, "gpu")
        if isinstance(recipe, ImageTextRecipe):
            assert isinstance(large, ImageTextRecipe) and large.pairs == 10_000_000
        elif recipe.task in ("T5", "T6"):
            assert large == recipe
        else:
            assert isinstance(large, ClassifierRecipe)
            assert (large.scenes, large.epochs) == (200_000, 2 * recipe.epochs)
    for name in SMOKE:
        assert find_recipe(name, "smoke").seen <= 60_000


def test_unknown_names_and_presets_are_errors_in_words() -> None:
    with pytest.raises(
        UnknownName, match=r"no recipe 'resnet-t44'(.|\n)*'resnet-t4'(.|\n)*Known: resnet-t1,"
    ):
        find_recipe("resnet-t44")
    with pytest.raises(InputError, match=r"preset is 'tpu'(.|\n)*one of cpu, gpu, smoke"):
        find_recipe("clip", "tpu")
    with pytest.raises(InputError, match=r"no smoke test of 'vit-t4'(.|\n)*one of resnet-t4, "):
        find_recipe("vit-t4", "smoke")
