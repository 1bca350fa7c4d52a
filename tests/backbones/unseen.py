"""Six families drawn by lot from those of timm that nobody had looked at while the finder was written.

The draw, once: `random.Random(20261120).sample(...)` over timm's modules that design had not touched gave
nasnet, resnest, rdnet, maxxvit, iformer and swin_transformer_v2_cr. maxxvit holds MaxViT, which had been
looked at; a second draw without it gave nextvit first, which takes its place.
"""

from __future__ import annotations

from tests.backbones.networks import Family, from_timm


def unseen_families() -> list[Family]:
    """See the module's docstring; sizes and grids are from the networks' definitions."""
    wide = (96, 160)
    return [
        Family(
            "unseen nasnet", from_timm("nasnetalarge", num_features=384, stem_size=12), (171, 235), (6, 8)
        ),
        Family("unseen resnest", from_timm("resnest14d"), wide, (3, 5), "layer4"),
        Family("unseen rdnet", from_timm("rdnet_tiny"), wide, (3, 5)),
        Family("unseen iformer", from_timm("iformer_t"), (128, 192), (4, 6)),
        Family(
            "unseen swin v2 cr",
            from_timm("swinv2_cr_tiny_224", img_size=(112, 168), embed_dim=24, depths=(1, 1, 2, 1)),
            (112, 168),
            (4, 6),
        ),
        Family("unseen nextvit", from_timm("nextvit_small"), wide, (3, 5)),
    ]
