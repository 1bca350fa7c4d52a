from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seewhy.errors import BadArtefact, UnknownName
from seewhy.explanation import CAPABILITIES, AttributionMap, Explanation, from_dict
from seewhy.images.picture import Picture
from tests.explanation.make import attribution, explanation, picture


def round_trip(data: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(data, allow_nan=False))


def test_an_explanation_survives_json() -> None:
    before = explanation()
    after = from_dict(round_trip(before.to_dict()), image=before.image)
    assert isinstance(after, Explanation)
    assert after.totals == before.totals
    assert (after.prediction, after.target, after.meta) == (before.prediction, before.target, before.meta)
    assert after.geometry == before.geometry and after.image is before.image
    for a, b in zip(after.concepts, before.concepts, strict=True):
        assert (a.name, a.index, a.contribution, a.source) == (b.name, b.index, b.contribution, b.source)
        np.testing.assert_allclose(a.map, b.map, atol=1e-3 * np.abs(b.map).max())
        np.testing.assert_allclose(a.shares, b.shares, atol=2e-3 * np.abs(b.shares).max())


def test_an_attribution_map_survives_json() -> None:
    before = attribution(kind="effect", signed=False, gap=0.25)
    after = from_dict(round_trip(before.to_dict()))
    assert isinstance(after, AttributionMap)
    assert (after.kind, after.signed, after.gap, after.method) == ("effect", False, 0.25, "gradcam")
    np.testing.assert_allclose(after.map, before.map, atol=1e-3 * np.abs(before.map).max())
    assert "grey stands in" in after.image.notes[-1]


def test_a_second_round_trip_changes_nothing() -> None:
    once = from_dict(round_trip(explanation().to_dict()), image=picture()).to_dict()
    twice = from_dict(round_trip(once), image=picture()).to_dict()
    once_maps = [c.pop("shares") for c in once["concepts"]]
    twice_maps = [c.pop("shares") for c in twice["concepts"]]
    assert once["concepts"] == twice["concepts"] and len(once_maps) == len(twice_maps)
    once.pop("concepts"), twice.pop("concepts"), once.pop("where"), twice.pop("where")
    assert once == twice


def test_what_top_k_leaves_out_is_summed_and_cannot_be_read_back() -> None:
    answer = explanation()
    data = round_trip(answer.to_dict(top_k=1))
    kept = data["concepts"][0]["contribution"]
    assert data["others"]["n"] == 3
    assert kept + data["others"]["contribution"] == pytest.approx(answer.totals.concepts)
    with pytest.raises(BadArtefact, match="only the sum of 3 others"):
        from_dict(data)


def test_required_fields_of_the_schema_are_present() -> None:
    data = explanation().to_dict()
    assert data["schema"] == "seewhy.explanation/1"
    assert set(data["image"]) >= {"sha256", "width", "height"}
    assert set(data["geometry"]) >= {"matrix", "seen_box", "grid"}
    assert set(data["concepts"][0]["region"]) == {"cx", "cy", "coverage", "threshold"}
    assert {"prediction", "target", "bias", "remainder", "choices", "seed", "versions", "warnings"} <= set(
        data
    )


def test_another_major_version_is_refused() -> None:
    data = explanation().to_dict() | {"schema": "seewhy.explanation/2"}
    with pytest.raises(BadArtefact, match="The schema is 'seewhy.explanation/2'"):
        from_dict(data)


@pytest.mark.parametrize("field", ["bias", "concepts", "geometry", "image", "target"])
def test_a_missing_field_is_named(field: str) -> None:
    data = explanation().to_dict()
    del data[field]
    with pytest.raises(BadArtefact, match=field):
        from_dict(data)


def test_the_wrong_picture_is_refused() -> None:
    with pytest.raises(BadArtefact, match="is not the one that was explained"):
        from_dict(explanation().to_dict(), image=picture(seed=9))


def test_tampered_numbers_do_not_load_as_shares() -> None:
    data = explanation().to_dict()
    data["concepts"][0]["contribution"] += 1
    with pytest.raises(ArithmeticError):
        from_dict(data)


def test_a_zero_map_survives() -> None:
    after = from_dict(round_trip(attribution(map=np.zeros((1, 1))).to_dict()))
    assert after.where.tolist() == [[0.0]]


def test_capabilities_are_asked_by_name() -> None:
    assert explanation().can("totals") is None
    assert "attribution map has no concepts" in str(attribution().can("masks"))
    with pytest.raises(UnknownName, match="There is no operation 'figur'\\.\\s+Did you mean 'figure'"):
        explanation().can("figur")
    assert set(CAPABILITIES) >= {"where", "totals", "query", "contrast", "masks", "figure", "save"}


def test_a_picture_of_an_absurd_size_is_refused_before_it_is_made() -> None:
    data = explanation().to_dict()
    data["image"] |= {"width": 10**6, "height": 10**6}
    with pytest.raises(BadArtefact, match="is said to be 1000000x1000000"):
        from_dict(data)


def test_no_path_of_the_users_machine_is_saved() -> None:
    secret = Picture(picture().pixels, "cat.png", path=Path("/home/someone/secret/cat.png"))
    assert "secret" not in json.dumps(explanation(image=secret).to_dict())
