"""One view for two models: the VLM sees the part of the picture that the backbone sees.

A teacher that saw Resize 256 + CenterCrop 224 and a student that saw Resize 224 disagree by an eighth at the border,
and every map is shifted against its teacher. So the VLM's recipe is made from the backbone's: the same fit and the
same share cut away, at the VLM's own size, with its interpolation and normalisation.
"""

from __future__ import annotations

from seewhy.errors import NotSupported, message
from seewhy.images.preprocess import Preprocess
from seewhy.types import Size


def common_view(backbone: Preprocess, vlm: Preprocess) -> Preprocess:
    """The VLM's preprocessing, of what the backbone sees.

    Parameters
    ----------
    backbone
        Says which part of a picture is seen, and how padding is filled.
    vlm
        Says size, interpolation, mean, std and the order of channels.

    Returns
    -------
    view
        For `build(..., view=view)`.

    Raises
    ------
    NotSupported
        If the two inputs have another aspect and the backbone keeps that of the picture: then no input of the VLM
        shows the same part undistorted.

    Notes
    -----
    The two views are equal where sizes and frames are in one proportion (224 of 256 and 112 of 128). Otherwise each
    side of an input and of a resized picture is rounded to whole pixels in both, and an edge of what is seen lies at
    most 1.25 pixels of the VLM's input plus 1 pixel of the backbone's from where the other has it (a resized side is
    rounded by half a pixel and its longer side cut by less than one; a margin is rounded by half a pixel).
    """
    frame = backbone.resize or backbone.size
    frame = (frame, frame) if isinstance(frame, int) else frame
    if backbone.fit != "stretch" and not _same_aspect(backbone.size, vlm.size):
        (height, width), (wanted_height, wanted_width) = backbone.size, vlm.size
        raise NotSupported(
            message(
                f"The backbone sees {height}x{width} pixels and the VLM {wanted_height}x{wanted_width}.",
                "To see the same part of a picture, undistorted, both inputs need one aspect.",
                "Pass a backbone preprocessing of the VLM's aspect, or one with fit='stretch'.",
            )
        )
    resize = tuple(
        max(1, round(side * new / old)) for side, old, new in zip(frame, backbone.size, vlm.size, strict=True)
    )
    return Preprocess(
        size=vlm.size,
        fit=backbone.fit,
        resize=resize,
        interpolation=vlm.interpolation,
        mean=vlm.mean,
        std=vlm.std,
        channels=vlm.channels,
        bgr=vlm.bgr,
        fill=backbone.fill,
        odd_margin=backbone.odd_margin,
        source=f"the part that the backbone sees ({backbone.describe()}), as the VLM wants it",
    )


def _same_aspect(one: Size, other: Size) -> bool:
    """Up to one pixel of the smaller side."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= min(max(one), max(other)) / 2
