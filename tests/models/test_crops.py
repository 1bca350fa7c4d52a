"""Crops: the paper's grid, and boxes around strong cells that stay inside pictures of any shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seewhy.backbones.base import Backbone
from seewhy.errors import InputError, NotSupported
from seewhy.images.picture import Picture
from seewhy.images.preprocess import Preprocess
from seewhy.models.crops import best_crops, box_around, crop_features, crops_of, cut_out, side_of
from seewhy.models.survey import Survey, survey
from tests.models.detectors import CELL, GRID, backbone, conv, network, pictures, squares

RECIPES = [
    Preprocess(32, mean=0.0, std=1.0),
    Preprocess((32, 48), resize=60, mean=0.0, std=1.0),
    Preprocess((32, 48), fit="stretch", mean=0.0, std=1.0),
    Preprocess(32, fit="pad", mean=0.0, std=1.0),
]
SIZES = [(40, 400), (400, 40), (1, 1), (3, 300), (70, 100), (2000, 300)]


def surveyed(recipe: Preprocess, size: tuple[int, int]) -> Survey:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return survey(Backbone(network(), preprocess=recipe, layer="1"), Picture(pixels, "noise"))


def test_crops_are_those_of_two_loops() -> None:
    x = torch.randn(2, 3, 21, 34, generator=torch.Generator().manual_seed(0))
    for side, overlap, stride in ((10, 0.2, 8), (7, 0.2, 5), (20, 0.9, 2), (1, 0.5, 1), (21, 0.0, 21)):
        expected = [
            one[:, top : top + side, left : left + side]
            for one in x
            for top in range(0, 21 - side + 1, stride)
            for left in range(0, 34 - side + 1, stride)
        ]
        torch.testing.assert_close(crops_of(x, side, overlap), torch.stack(expected), rtol=0, atol=0)


def test_the_default_side_is_the_papers_and_larger_than_the_input_is_refused() -> None:
    assert side_of((224, 224), None) == 64 and side_of((16, 24), None) == 5 and side_of((1, 3), None) == 1
    assert side_of((16, 24), 16) == 16
    with pytest.raises(InputError, match=r"(?s)side is 17 pixels and the input 16 x 24.*smaller crop"):
        side_of((16, 24), 17)


@pytest.mark.parametrize("native", [False, True])
def test_crop_features_are_means_over_places_of_each_crop_enlarged_or_not(native: bool) -> None:
    net, photos = backbone(), pictures(18)
    data = survey(net, photos)
    members = np.array([17, 0, 4])
    found = crop_features(data, members, 9, 0.2, native=native)
    expected: list[Tensor] = []
    for i in members:
        x = torch.from_numpy(photos[i]).permute(2, 0, 1)[None] / 255
        for top in range(0, 16 - 9 + 1, 7):
            for left in range(0, 24 - 9 + 1, 7):
                crop = x[:, :, top : top + 9, left : left + 9]
                if not native:
                    crop = nn.functional.interpolate(
                        crop, size=(16, 24), mode="bilinear", align_corners=False
                    )
                with torch.no_grad():
                    expected.append(net.module[:2](crop).mean((2, 3))[0])
    torch.testing.assert_close(found, torch.stack(expected))


def test_a_network_of_one_size_takes_no_native_crops() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = conv(torch.ones(2, 3, 4, 4) / 48, 4), nn.Linear(2 * 4 * 6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.stem(x).relu().flatten(1))

    net = Backbone(Fixed().eval(), preprocess=backbone().preprocess, layer="stem")
    data = survey(net, pictures(3))
    with pytest.raises(NotSupported, match=r"(?s)does not take crops of 8 x 8 pixels.*native=False"):
        crop_features(data, np.arange(3), 8, 0.2, native=True)
    assert crop_features(data, np.arange(3), 8, 0.2, native=False).shape == (3 * 2 * 3, 2)


@pytest.mark.parametrize("recipe", RECIPES, ids=["crop", "wide crop", "stretch", "pad"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_boxes_lie_inside_what_the_network_saw_and_on_the_cell(
    recipe: Preprocess, size: tuple[int, int]
) -> None:
    seen = surveyed(recipe, size).seen[0]
    height, width = seen.geometry.model
    grid = (height // CELL, width // CELL)
    vx0, vy0, vx1, vy1 = seen.geometry.seen_box
    for row, column in np.ndindex(grid):
        x0, y0, x1, y1 = box_around(seen, (row, column), grid, 2 / 7)
        assert vx0 - 1e-6 <= x0 < x1 <= vx1 + 1e-6 and vy0 - 1e-6 <= y0 < y1 <= vy1 + 1e-6
        # The cell itself is inside the box, as far as there is a picture at that cell.
        cell = seen.geometry.box_to_original(
            (column * CELL, row * CELL, column * CELL + CELL, row * CELL + CELL)
        )
        cx0, cy0, cx1, cy1 = max(cell[0], vx0), max(cell[1], vy0), min(cell[2], vx1), min(cell[3], vy1)
        if cx0 < cx1 and cy0 < cy1:
            assert x0 <= cx0 + 1e-6 and cx1 - 1e-6 <= x1 and y0 <= cy0 + 1e-6 and cy1 - 1e-6 <= y1
        piece = cut_out(seen, (x0, y0, x1, y1))
        assert min(piece.shape[:2]) >= 1 and piece.dtype == np.uint8


def test_a_box_is_a_square_of_its_side_or_of_a_cell_in_the_input() -> None:
    seen = surveyed(Preprocess((32, 48), fit="stretch"), (32, 48)).seen[0]
    assert box_around(seen, (4, 5), (8, 12), 0.25) == (18.0, 14.0, 26.0, 22.0)
    assert box_around(seen, (0, 11), (8, 12), 0.25) == (40.0, 0.0, 48.0, 8.0)
    assert box_around(seen, (0, 0), (2, 2), 0.01) == (0.0, 0.0, 24.0, 24.0)
    assert box_around(seen, (0, 0), (1, 1), 0.1) == (8.0, 0.0, 40.0, 32.0)


def test_the_best_crops_show_the_strongest_cell_of_each_picture_strongest_first() -> None:
    photos = [
        squares({(1, 2): ("red", 90), (3, 5): ("blue", 255)}),
        squares({(3, 0): ("red", 250), (0, 5): ("red", 80)}),
        squares({(2, 2): ("blue", 255)}),
        squares({(0, 4): ("red", 170)}),
    ]
    data = survey(backbone(), [np.zeros((16, 24, 3), np.uint8), *photos])
    maps = data.features[1:, 0].numpy()
    crops = best_crops(data, maps, np.array([1, 2, 3, 4]))
    assert [crop.picture for crop in crops] == [2, 4, 1]  # none of the picture without red
    np.testing.assert_allclose([crop.strength for crop in crops], np.array([250, 170, 90]) / 255, atol=1e-6)
    for crop in crops:
        assert crop.pixels[..., 0].max() == round(crop.strength * 255) and crop.pixels[..., 2].max() == 0
        x0, y0, x1, y1 = crop.box
        inside = data.seen[crop.picture].picture().pixels[round(y0) : round(y1), round(x0) : round(x1)]
        np.testing.assert_array_equal(crop.pixels, inside)
    assert [c.picture for c in best_crops(data, maps, np.array([1, 2, 3, 4]), n=2)] == [2, 4]
    assert best_crops(data, -maps - 1, np.array([1, 2, 3, 4])) == ()


def test_crops_of_large_pictures_come_from_their_thumbnails() -> None:
    photo = np.zeros((640, 960, 3), np.uint8)
    photo[320:480, 480:640, 0] = 255  # the cell (2, 3) of 4 x 6
    data = survey(backbone(), photo)
    (crop,) = best_crops(data, data.features[:, 0].numpy(), np.array([0]))
    x0, y0, x1, y1 = crop.box
    assert x0 <= 480 and x1 >= 640 and y0 <= 320 and y1 >= 480
    assert max(crop.pixels.shape) < 100 and (crop.pixels[..., 0] > 127).mean() > 0.6
    assert data.features.shape[2:] == GRID
