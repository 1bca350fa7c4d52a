"""The finder and the splits on many architectures, against what the networks themselves compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.backbones.layers import Candidate
from seewhy.backbones.split import Cut, Split
from tests.backbones.networks import (
    PLACES,
    Family,
    centres,
    families,
    pictures,
    plain_logits,
    ready,
    with_patches,
)
from tests.backbones.unseen import unseen_families


@dataclass
class Found:
    """A network with what the finder made of it, and its own answer for two pictures."""

    family: Family
    module: nn.Module
    backbone: Backbone
    candidate: Candidate
    split: Split
    x: Tensor
    logits: Tensor
    cut: Cut


@pytest.fixture(scope="module", params=[*families(), *unseen_families()], ids=lambda family: family.id)
def found(request: pytest.FixtureRequest) -> Iterator[Found]:
    family: Family = request.param
    module = ready(family)
    backbone = Backbone(module)
    split = backbone.split(size=family.size)
    x = pictures(family.size)
    yield Found(
        family, module, backbone, backbone.layer(size=family.size), split, x, plain_logits(module, x), split.cut(x)
    )  # fmt: skip


def test_the_grid_is_that_of_the_last_stage(found: Found) -> None:
    layer, family = found.candidate.layer, found.family
    assert (layer.grid, layer.prefix, found.candidate.sealed) == (family.grid, family.prefix, family.sealed)
    assert tuple(found.cut.features.shape) == (2, layer.channels, *family.grid)
    if family.name is not None:
        assert layer.name == family.name


def test_replaying_the_cut_reproduces_the_networks_own_logits(found: Found) -> None:
    scale = max(1.0, float(found.logits.abs().max()))
    with torch.no_grad():
        replayed = found.split.tail(found.cut.features, found.cut.rest)
        again = found.cut.take(torch.tensor([1, 0, 1]))
        reordered = found.split.tail(again.features, again.rest)
    assert float((replayed - found.logits).abs().max()) <= 1e-5 * scale
    assert float((reordered - found.logits[[1, 0, 1]]).abs().max()) <= 1e-5 * scale


def test_a_patch_moved_in_the_picture_moves_the_map(found: Found) -> None:
    features = found.split.cut(with_patches(found.family.size)).features
    expected = torch.tensor(PLACES) * torch.tensor(found.family.grid)
    off = (centres(features) - expected).abs()
    assert float(off.max()) <= found.family.blur, (
        f"centres off by {off.tolist()} cells of {found.family.grid}"
    )


def test_logits_follow_the_layers_output_alone_where_it_is_sealed(found: Found) -> None:
    cut, swapped = found.cut, found.cut.take(torch.tensor([1, 0]))
    # All that the layer returned comes from the other picture; all else stays with its own.
    rest = replace(swapped.rest, live=cut.rest.live, images=cut.rest.images)
    with torch.no_grad():
        logits = found.split.tail(swapped.features, rest)
    difference = float((found.logits[0] - found.logits[1]).abs().max())
    missed = float((logits - found.logits.flip(0)).abs().max())
    around = [way.name for way in found.split.ways_around(cut) if way.key[0] in ("live", "images")]
    assert difference > 1e-5, "the two pictures must differ for this test to say anything"
    if found.family.sealed:
        assert missed <= 2e-3 * difference + 1e-6
        assert around == []
    else:
        assert missed > 0.01 * difference
        assert around and all(found.candidate.layer.name in name for name in around)


def test_the_logits_depend_on_the_features_through_the_tail(found: Found) -> None:
    features = found.cut.features.clone().requires_grad_()
    with found.backbone.undisturbed():
        logits = found.split.tail(features, found.cut.rest)
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((logits * weights).sum(), features)
    reached = (gradient != 0).any(1)
    assert float(reached.float().mean()) >= 0.2  # VOLO reads the largest token of each class


def test_the_network_is_left_as_it_was(found: Found) -> None:
    assert not any(child.training for child in found.module.modules())
    assert not any(child._forward_hooks for child in found.module.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in found.module.parameters())


STATED = ("vit", "vit registers", "vit average", "siglip", "deit distilled", "beit", "eva")


@pytest.mark.parametrize("family", [f for f in families() if f.id in STATED], ids=lambda family: family.id)
def test_the_stated_number_of_prefix_tokens_changes_nothing(family: Family) -> None:
    module, size = ready(family), family.size
    hinted = Backbone(module, prefix_hint=module.num_prefix_tokens)  # type: ignore[arg-type]
    assert hinted.layers(size=size) == Backbone(module).layers(size=size)
    assert hinted.layer(size=size).layer.prefix == family.prefix
