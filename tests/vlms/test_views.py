"""Where there is no view the reason is given, and a view that is wrong is not believed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seewhy.errors import NotSupported
from tests.vlms import small


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"attentional_pool": True, "attn_pooler_queries": 3, "attn_pooler_heads": 2}, "several queries"),
        ({"qk_norm": True}, "attention of their own kind"),
        ({"timm_model_name": "test_resnet", "timm_pool": "avg", "image_size": 160}, "ResNet of timm"),
    ],
)
def test_towers_without_a_view_say_why(parts: dict[str, Any], words: str) -> None:
    vlm = small.open_clip_vlm(**parts)
    assert vlm.encode_images(small.pictures(vlm)).shape == (2, small.DIM)
    assert words in str(vlm.why_not("dense"))
    with pytest.raises(NotSupported, match=words):
        vlm.reattend(small.pictures(vlm), torch.zeros(1, 24))


def test_a_view_that_does_not_replay_the_embedding_is_not_believed() -> None:
    vlm = small.timm_class_token()
    for block in vlm.model.visual.trunk.blocks:
        block.attn.q_norm = torch.nn.LayerNorm(block.attn.head_dim)  # which the view knows nothing of
    reason = str(vlm.why_not("dense"))
    assert reason.startswith("the view into its image tower of 100 patches is") and "away" in reason
    with pytest.raises(NotSupported, match="away from its own embedding"):
        vlm.dense(small.pictures(vlm))


def test_weights_that_change_later_are_seen() -> None:
    vlm = small.class_token()
    x = small.pictures(vlm)
    before = vlm.dense(x)
    with torch.no_grad():
        vlm.model.visual.transformer.resblocks[0].attn.in_proj_weight.mul_(-1)
    assert not torch.allclose(vlm.dense(x), before, atol=1e-2)
    zero = torch.zeros(1, 24)
    assert torch.allclose(vlm.reattend(x, zero)[:, 0], vlm.encode_images(x), atol=1e-5)


def test_what_a_model_can_do_is_in_its_description() -> None:
    said = small.mean_of_patches().describe()
    assert said["supports"] == ["dense"] and said["token_grid"] == [4, 6]
    assert small.siglip().describe()["supports"] == ["dense", "reattend"]
