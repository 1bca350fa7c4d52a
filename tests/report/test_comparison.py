"""A comparison as text, page and files: everything is told, and nothing of others' names gets through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seewhy as sw
from seewhy.errors import InputError
from seewhy.report.comparison import page
from seewhy.report.comparison_tables import entries_of, title_of
from tests.made_answers import made_attribution, made_effects, made_explanation, made_picture
from tests.report.test_html import HOSTILE, Page, blocks

OTHER = {"id": "timm/vit", "sha256": "77" * 32}


def of(answer: Any, **meta: Any) -> Any:
    return replace(answer, meta=replace(answer.meta, **meta))


def two_seeds(n: int = 12, **meta: Any) -> sw.Comparison:
    picture = made_picture()
    return sw.compare(
        made_explanation(n, picture=picture), of(made_explanation(n, picture=picture, seed=1), **meta)
    )


EVERY: dict[str, Any] = {
    "one model": two_seeds,
    "two models": lambda: two_seeds(model=OTHER),
    "two pictures": lambda: sw.compare(made_explanation(3), made_explanation(3, seed=2)),
    "other sizes": lambda: sw.compare(made_explanation(3), made_explanation(3, picture=made_picture(700, 5))),
    "two methods": lambda: sw.compare(
        made_attribution(), of(made_attribution((9, 4)), method={"name": "rise"})
    ),
    "effects": lambda: sw.compare(made_effects(), made_effects()),
    "mixed": lambda: sw.compare(made_effects(), made_attribution(signed=False)),
    "nothing": lambda: sw.compare(made_explanation(0), made_explanation(0)),
    "one cell": lambda: sw.compare(*[made_explanation(1, (1, 1), made_picture(1, 1))] * 2),
    "no evidence": lambda: sw.compare(made_attribution(), made_attribution(map=-np.ones((7, 7)))),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_comparison_has_a_page_a_text_and_data(name: str) -> None:
    comparison = EVERY[name]()
    html = page(comparison)
    Page(html)
    assert len(html.encode()) < 1_000_000
    assert all(line.isprintable() for line in comparison.to_text().split("\n"))
    json.dumps(comparison.to_dict(), allow_nan=False)
    stages = html.count("<seewhy-explanation ")
    assert stages == (3 if comparison.difference is not None else 2)


def test_one_comparison_gives_the_same_page_each_time() -> None:
    assert page(two_seeds(2)) == page(two_seeds(2))


def test_page_and_text_tell_the_same_numbers() -> None:
    comparison = two_seeds()
    text, seen = comparison.to_text(), Page(page(comparison)).text().replace("−", "-")
    agreement = comparison.agreement
    for words in (f"{agreement.spearman.value:.2f}", f"{agreement.overlap.value:.0%}".replace("%", " %")):
        assert words in text and words in seen
    for row in comparison.concepts.rows[:10]:
        assert row.name in seen and f"{row.name}" in text
        assert f"{row.change:+.2f}" in seen and f"{row.change:+.2f}" in text
    assert "B − A" in text and "other 2 concepts" in text


def test_the_columns_add_up_to_both_logits_however_few_rows_are_shown() -> None:
    comparison = two_seeds()
    for top_k in (0, 1, 5, 12):
        *parts, logit = entries_of(comparison, top_k)
        for side in ("first", "second", "change"):
            assert sum(getattr(e, side) for e in parts) == pytest.approx(getattr(logit, side), abs=1e-3)


def test_two_models_say_that_concepts_do_not_match_but_still_add_up() -> None:
    text = two_seeds(model=OTHER).to_text()
    assert text.startswith("bird.png: timm/resnet18 and timm/vit\nBoth say painted bunting")
    assert "concepts are not matched: their concepts belong to different models" in text
    assert "all concepts" in text and "= logit" in text
    assert "note: Two networks need not use logits of one size" in text


@pytest.mark.parametrize(
    ("name", "title"),
    [("two pictures", "bird.png and bird.png"), ("two methods", "bird.png: gradient_x_input and rise"),
     ("one model", "bird.png: painted bunting, twice")],
)  # fmt: skip
def test_the_title_names_what_stands_side_by_side(name: str, title: str) -> None:
    assert title_of(EVERY[name]()) == title


def test_what_one_side_does_not_list_is_a_dash_and_not_a_zero() -> None:
    one = made_attribution()
    comparison = sw.compare(one, replace(one, prediction=one.prediction[:1]))
    line = next(row for row in comparison.to_text().splitlines() if row.startswith("jay"))
    assert line.split() == ["jay", "0.01", "–", "–"]
    assert "not among the classes that this answer lists" in page(comparison)


def test_scales_that_are_not_shared_and_maps_that_are_not_subtracted_say_why() -> None:
    seen = Page(page(EVERY["two methods"]())).text()
    assert "Each map has its own scale: their numbers differ in meaning" in seen
    assert "For the same reason there is no map of the difference." in seen
    seen = Page(page(EVERY["two pictures"]())).text()
    assert "Both maps share one scale. There is no map of the difference: two pictures" in seen


def test_the_stages_of_the_page_carry_the_shared_scale() -> None:
    html = page(two_seeds())
    views = [json.loads(part.split("</script>")[0]) for part in html.split('class="seewhy-view">')[1:]]
    first, second, change = (view["scales"]["whole"] for view in views)
    assert first == second and first["limit"] != change["limit"]
    assert [data["concepts"] for data in blocks(html)[:2]] == [[], []]


def test_names_of_others_are_words_and_nothing_else() -> None:
    picture = made_picture(name=HOSTILE[0])
    answer = made_explanation(len(HOSTILE), picture=picture, names=HOSTILE)
    answer = replace(answer, target=replace(answer.target, name=HOSTILE[2]))
    method = {"name": HOSTILE[3], HOSTILE[6]: HOSTILE[7]}
    other = of(answer, model={"id": HOSTILE[1], "sha256": "0"}, method=method, warnings=HOSTILE)
    other = replace(other, target=replace(answer.target, name=HOSTILE[6]))
    same_model = of(answer, model=answer.meta.model)
    for comparison in (sw.compare(answer, other), sw.compare(answer, same_model)):
        seen = Page(page(comparison, title=HOSTILE[0], command=HOSTILE[0]))
        names = {name for _, attributes in seen.elements for name in attributes}
        assert "style" not in names and not any(name.startswith("on") for name in names)
        tags = [tag for tag, _ in seen.elements]
        # Two blocks of data for each stage, and the page's own script.
        assert tags.count("script") == 2 * tags.count("seewhy-explanation") + 1
        assert tags.count("h1") == 1
        assert "\u202e" not in comparison.to_text() and "\x00" not in comparison.to_text()


@pytest.mark.parametrize(("suffix", "start"), [(".html", b"<!doctype"), (".json", b"{"), (".png", b"\x89PNG"),
                                               (".svg", b"<?xml")])  # fmt: skip
def test_save_goes_by_the_suffix(suffix: str, start: bytes, tmp_path: Path) -> None:
    path = two_seeds(2).save(tmp_path / f"c{suffix}")
    assert path.read_bytes().startswith(start)


def test_json_is_to_dict_and_unknown_suffixes_and_options_are_refused(tmp_path: Path) -> None:
    comparison = two_seeds(3)
    saved = json.loads(comparison.save(tmp_path / "c.json", top_k=1).read_text())
    assert saved == json.loads(json.dumps(comparison.to_dict(top_k=1)))
    with pytest.raises(InputError, match=r"(?s)ends in '\.pdf'.*\.html, \.json, \.png, \.svg"):
        comparison.save(tmp_path / "c.pdf")
    with pytest.raises(InputError, match=r"(?s)no option 'opacty' for \.png.*opacity"):
        comparison.save(tmp_path / "c.png", opacty=1)
    assert [p.name for p in tmp_path.iterdir()] == ["c.json"]


def test_warnings_of_either_side_name_the_side() -> None:
    warned = of(made_attribution(), warnings=("untrained: random weights",))
    text = sw.compare(made_attribution(), warned).to_text()
    assert "note: B: untrained: random weights" in text and "A: untrained" not in text


def test_a_notebook_shows_the_page_in_a_sandbox_and_the_text() -> None:
    html = two_seeds(2)._repr_html_()
    assert 'sandbox="allow-scripts"' in html and "<details>" in html and "class=&quot;side&quot;" in html


def test_maps_without_concepts_are_not_told_that_concepts_do_not_match() -> None:
    assert "concepts" not in sw.compare(made_attribution(), made_attribution()).to_text()
    assert "an attribution map has no concepts" in EVERY["mixed"]().to_text()
