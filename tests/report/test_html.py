"""The page as a file: complete, closed to the outside, safe against names, small, the same each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.explanation import Answers
from seewhy.images.geometry import Geometry
from seewhy.images.picture import Picture
from seewhy.report.article import article
from seewhy.report.html import LINK, MANY, SHELL, page
from seewhy.report.markup import script_json
from tests.made_answers import (
    made_attribution,
    made_effects,
    made_explanation,
    made_geometry,
    made_picture,
    made_predictions,
)

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "</bdi></table></article><h1>gone",
    "شعر\u202eabc",
    "x" * 300,
    "&lt;b&gt;",
    "<!--<script>",
    "a\u2028b\x00c",
)


class Page(HTMLParser):
    """Elements, attributes and texts of a page; complains about anything left open."""

    void = {"meta", "link", "img", "input", "br", "col", "rect", "line"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.feed(html)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            key = f"{self.open[-1]}.{self.elements[-1][1].get('class')}"
            self.texts[key] = self.texts.get(key, "") + data

    def text(self) -> str:
        return " ".join(text for key, text in self.texts.items() if not key.startswith(("script", "style")))


def blocks(html: str) -> list[Any]:
    return [json.loads(t) for t in re.findall(r'class="seewhy-answer">(.*?)</script>', html, re.DOTALL)]


EVERY = {
    "explanation": made_explanation,
    "map": made_attribution,
    "unsigned": lambda: made_attribution(signed=False),
    "effects": made_effects,
    "variance": lambda: made_effects(kind="variance"),
    "no concepts": lambda: made_explanation(0),
    "one cell": lambda: made_explanation(1, (1, 1), made_picture(1, 1)),
    "thin": lambda: made_attribution((1, 9), made_picture(700, 5)),
    "one class": lambda: made_attribution(prediction=made_predictions(5.48)[:1]),
    "several": lambda: Answers([made_explanation(3), made_attribution()]),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_answer_has_a_well_formed_page_and_the_same_each_time(name: str) -> None:
    html = page(EVERY[name]())
    Page(html)
    assert html == page(EVERY[name]())


def test_the_data_in_the_page_is_to_dict() -> None:
    (found,) = blocks(page(made_attribution()))
    assert found == json.loads(json.dumps(made_attribution().to_dict()))
    for make in (made_explanation, made_effects):
        (found,) = blocks(page(make()))
        # The concepts stand in the order of the table.
        assert found == json.loads(json.dumps(make().to_dict(top_k=16)))
        assert found["others"]["n"] == 0


def test_only_the_strongest_concepts_are_kept_and_the_others_summed() -> None:
    answer = made_explanation(30)
    (data,) = blocks(page(answer, top_k=5))
    assert data == json.loads(json.dumps(answer.to_dict(top_k=5)))
    seen = Page(page(answer, top_k=5)).text()
    assert "5 of 30, strongest first" in seen and "other 25 concepts" in seen


def test_nothing_is_asked_for_from_outside_and_the_policy_forbids_it() -> None:
    html = page(Answers([made_explanation(), made_attribution()]), command="seewhy explain bird.png")
    for tag, attributes in Page(html).elements:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:", "#")) or not value, (tag, value)
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
    policy = next(
        a["content"] for t, a in Page(html).elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy and "http" not in policy
    for tag, source in (("style", "style-src"), ('script type="module"', "script-src")):
        (content,) = re.findall(f"<{tag}>(.*?)</", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in policy


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_others_stay_text_everywhere(name: str) -> None:
    answer = made_explanation(2, names=[name, "plain"], picture=made_picture(name=name))
    named = [type(row)(row.index, name, row.logit, row.score) for row in answer.prediction]
    object.__setattr__(answer, "prediction", tuple(named))
    object.__setattr__(answer, "target", named[0])
    answer.meta.choices["layer"] = name
    answer.meta.model["id"] = name
    object.__setattr__(answer.meta, "warnings", (name,))
    harmless = made_explanation(2, names=["concept", "plain"])
    object.__setattr__(harmless.meta, "warnings", ("w",))
    html = page(Answers([answer, answer]), title=name, command=name)
    plain = page(Answers([harmless, harmless]), title="title", command="command")
    assert [tag for tag, _ in Page(html).elements] == [tag for tag, _ in Page(plain).elements]
    assert "\u202e" not in html.replace("\\u202e", "") and "\x00" not in html
    assert blocks(html)[0]["concepts"][0]["name"] in (name, "plain")


def test_json_in_a_script_cannot_end_it() -> None:
    text = script_json({"a": "</script><!--\u2028&"})
    assert not set("<>&\u2028") & set(text) and json.loads(text) == {"a": "</script><!--\u2028&"}


def test_what_belongs_beside_a_map_is_there() -> None:
    html = page(made_explanation(20), command="seewhy explain bird.png -m timm/resnet18")
    seen = Page(html).text()
    for words in (
        "score",
        "0.94",
        "explained",
        "logit per cell",
        "is strongest in",
        "already in the class token",
        "unexplained remainder",
        "= logit",
        "layer4 7x7, the last one that keeps place",
        "seed",
        "Cost, passes of one picture",
        "5d" * 32,
        made_explanation(20).image.sha256,
        "2.15.0",
        "seewhy explain bird.png -m timm/resnet18",
    ):
        assert words in seen, words


def test_the_sum_stands_only_under_shares_and_the_meaning_under_all() -> None:
    assert "= logit" in page(made_explanation()) and "together with the bias they add up" in page(
        made_explanation()
    )
    for kind, words in (("effect", "They do not add up"), ("variance", "Importance without a sign")):
        html = page(made_effects(kind=kind))
        assert "= logit" not in html and words in html


def test_printed_rows_add_up_to_the_printed_logit() -> None:
    html = page(made_explanation(20), top_k=6)
    table = html[html.index('class="concepts"') : html.index("</tfoot>")].replace("−", "-")
    body = [float(v) for v in re.findall(r'number strong">([+-][\d.]+)<', table)]
    foot = [float(v) for v in re.findall(r'number">([+-][\d.]+)<', table)]
    assert len(body) == 6 and len(foot) == 5
    # Eleven numbers, each rounded to two decimals.
    assert sum(body) + sum(foot[:-1]) == pytest.approx(foot[-1], abs=0.06)


def test_a_page_of_a_large_photograph_is_under_a_megabyte() -> None:
    # Noise compresses worst; a 4000x3000 photograph is smoother than this.
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 226, (300, 400, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    pixels = coarse + np.tile(rng.integers(0, 30, (100, 100, 3), dtype=np.uint8), (30, 40, 1))
    html = page(made_explanation(64, (14, 14), Picture(pixels, "large.jpg")))
    assert len(html.encode()) <= 1_000_000
    pictures = [
        (int(a["width"] or 0), int(a["height"] or 0))
        for _, a in Page(html).elements
        if "alt" in a and "width" in a
    ]
    assert pictures == [(1024, 768)] * 2


def test_a_page_of_pixel_maps_and_of_noise_is_under_a_megabyte() -> None:
    noise = Picture(np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8))
    assert len(page(made_attribution((224, 224), noise)).encode()) <= 1_000_000


def test_a_page_of_a_hundred_is_under_twenty_megabytes() -> None:
    # Each article keeps a hundredth of the bar even with pixel maps on pictures of noise; the shell and the
    # strip of thumbnails take the rest.
    noise = Picture(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8))
    budget = (MANY - SHELL) // 100 - LINK
    for answer in (made_attribution((224, 224), noise), made_explanation(16, (14, 14), noise)):
        assert len(article(answer, key="a", budget=budget, longest=640).encode()) <= budget
    two = page(Answers([made_attribution((1, 1), noise)] * 2))
    (strip,) = re.findall("<nav.*</nav>", two)
    assert len(strip) <= 2 * LINK
    assert len(re.sub("<main>.*</main>", "", two, flags=re.DOTALL).encode()) <= SHELL


def test_no_answers_are_refused() -> None:
    with pytest.raises(InputError, match=r"(?s)no answer in the list.*at least one"):
        page(Answers([]))


def test_a_picture_that_the_model_saw_whole_is_not_said_to_be_hatched() -> None:
    picture = made_picture(50, 50)
    whole = made_attribution(picture=picture, geometry=Geometry.stretch((50, 50), (224, 224)))
    assert "the rest is hatched" not in page(whole)
    assert "the rest is hatched" in page(made_attribution(picture=picture, geometry=made_geometry((50, 50))))
