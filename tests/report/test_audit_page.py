"""The page of an audit: the verdict in words, the evidence behind it, closed to the outside, safe against names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seewhy.audit.audit import Audit
from seewhy.audit.strategies import Cluster, Node, Strategies
from seewhy.errors import InputError
from seewhy.explanation.receipt import Receipt
from seewhy.images.geometry import Geometry
from seewhy.report.audit_page import DETAILS, MANY, detail_for, notebook, page
from seewhy.report.class_section import class_section
from seewhy.report.concept_pictures import ConceptPictures, Detail, painted, region_scale
from seewhy.report.picture_store import PictureStore, shown
from seewhy.report.strategy_plot import strategies_section
from seewhy.visualise.overlay import hatched
from tests.report.made_audit import CLASSES, made_audit, made_pictures
from tests.report.test_html import HOSTILE, Page


@pytest.fixture(scope="module")
def marked() -> Audit:
    return made_audit(marked=True)


@pytest.fixture(scope="module")
def html(marked: Audit) -> str:
    return page(marked, command="seewhy audit photos -m colours")


@pytest.fixture(scope="module")
def clean() -> Audit:
    return made_audit(marked=False)


def data_of(html: str) -> Any:
    (found,) = re.findall(r'class="seewhy-audit">(.*?)</script>', html, re.DOTALL)
    return json.loads(found)


def one(pattern: str, html: str) -> str:
    (found,) = re.findall(pattern, html, re.DOTALL)
    return str(found)


# ---------------------------------------------------------------------- the page as a whole


def test_the_heading_accuses_the_mark_and_no_other(html: str) -> None:
    seen = Page(html).text()
    assert "1 concept looks like a shortcut" in seen
    assert len(re.findall(r'<article class="suspect accused"', html)) == 1
    assert len(re.findall(r'<details class="suspect"', html)) >= 1
    accused = one(r'<article class="suspect accused".*?</article>', html)
    assert "looks like a shortcut" in accused and "upper left" in accused and "red" in accused
    assert "looks like a shortcut" not in one(r'<details class="suspect".*?</details>', html)


def test_without_a_mark_nothing_is_accused(clean: Audit) -> None:
    html = page(clean)
    assert "No concept looks like a shortcut" in Page(html).text()
    assert 'class="suspect accused"' not in html and "suspected shortcut" not in html


def test_with_too_few_pictures_the_heading_says_that_nothing_can_be_accused() -> None:
    html = page(made_audit(4))
    seen = Page(html).text()
    assert "Nothing can be accused: no class has 24 pictures" in seen
    assert "No concept looks like" not in seen
    assert "4 pictures for 3 concepts, 1.3 each" in seen


def test_the_page_is_well_formed_and_the_same_each_time(marked: Audit, html: str) -> None:
    Page(html)
    assert html == page(marked, command="seewhy audit photos -m colours")


def test_a_suspect_shows_its_score_threshold_and_parts(marked: Audit, html: str) -> None:
    (suspect,) = marked.shortcuts().accused
    card = one(r'<article class="suspect accused".*?</article>', html)
    found = suspect.suspicion
    parts = (found.weight, found.exclusive, found.weight_there, found.exclusive_there, found.fixed)
    for value in (*parts, found.edge, found.tied, suspect.decides):
        assert f">{value:.2f}<" in card
    assert f"<b>{found.score:.3f}</b>" in card and f"<b>{found.low:.3f}</b>" in card and "0.055" in card
    assert card.count('class="crop"') == 10
    assert card.count('class="whole"') == 4 and card.count('class="whole grid"') == 1
    assert "Mean map of" in card and "no masks were given" in card


def test_what_cannot_be_known_is_on_the_page(marked: Audit, html: str) -> None:
    section = one(r'(<section class="card" id="unknown".*?</section>)', html)
    assert len(marked.unknown) >= 3
    items = re.findall("<li>(.*?)</li>", section)
    assert items == [f"{line[0].upper()}{line[1:]}." for line in marked.unknown]


def test_every_class_has_its_numbers_and_a_link(marked: Audit, html: str) -> None:
    for row in marked.rows:
        report = marked.report(row)
        section = one(rf'(<section class="card one-class" id="class-{row}".*?</section>)', html)
        assert f'<a href="#class-{row}">' in html
        assert f"<b>{len(report.pictures)} pictures</b> given this class" in section
        assert f"{100 * report.fidelity.remainder:.1f}\u00a0%" in section
        for concept in report.concepts:
            assert f"<bdi>{concept.name}</bdi>" in section
    ids = [attributes["id"] for _, attributes in Page(html).elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_the_data_in_the_page_is_to_dict_and_says_how_to_make_it_again(marked: Audit, html: str) -> None:
    assert data_of(html) == json.loads(json.dumps(marked.to_dict()))
    seen = Page(html).text()
    assert "seewhy audit photos -m colours" in seen and "torch" in seen
    again = Page(page(marked)).text()
    assert "n_concepts=3" in again and "seed=0" in again and "at='features'" in again


def test_nothing_is_asked_for_from_outside_and_no_script_can_run(html: str) -> None:
    elements = Page(html).elements
    for tag, attributes in elements:
        for key in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(key) or ""
            assert value.startswith(("data:", "#")) or not value, (tag, value)
        assert not any(key.startswith("on") or key == "style" for key in attributes), (tag, attributes)
    assert [a.get("type") for t, a in elements if t == "script"] == ["application/json"]
    policy = next(a["content"] for _, a in elements if a.get("http-equiv") == "Content-Security-Policy")
    css = one(r"<style>(.*?)</style>", html)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert policy is not None and f"'sha256-{digest}'" in policy and "script-src 'none'" in policy
    assert "default-src 'none'" in policy


def test_every_picture_is_kept_once_and_shown(html: str) -> None:
    kept = re.findall(r'<image id="(picture-\d+)"[^>]*href="([^"]+)"', html)
    used = set(re.findall(r'<use href="#(picture-\d+)"', html))
    assert {number for number, _ in kept} == used
    assert len({uri for _, uri in kept}) == len(kept)
    assert len(re.findall("<use ", html)) > len(kept)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_markup(html: str, name: str) -> None:
    names = (name, "green", "blue")
    pictures = made_pictures(20, marked=True, names=names)
    pictures[0] = type(pictures[0])(pictures[0].pixels, name, label=name)
    hostile = page(made_audit(names=names, pictures=pictures), title=name, command=name)
    found = Page(hostile)
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in Page(html).elements}
    assert not any(key.startswith("on") for _, attributes in found.elements for key in attributes)
    assert "\u202e" not in hostile and "\x00" not in hostile
    assert data_of(hostile)["classes"][0]["name"] == name


# ---------------------------------------------------------------------- saving


def test_it_is_saved_as_page_and_as_data(marked: Audit, tmp_path: Path, html: str) -> None:
    written = marked.save(tmp_path / "audit.html", command="seewhy audit photos -m colours")
    assert written.read_text(encoding="utf-8") == html
    data = json.loads(marked.save(tmp_path / "audit.json", top_k=1).read_text())
    assert data["schema"] == "seewhy.audit/1" and len(data["shortcuts"]["suspects"]) == 1


def test_another_suffix_or_option_is_an_error_that_names_the_right_ones(
    marked: Audit, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"ends in '.pdf'(?s:.)*\.html, \.json(?s:.)*Pass for example"):
        marked.save(tmp_path / "audit.pdf")
    with pytest.raises(
        InputError, match=r"no option 'titel'(?s:.)*title, command, top_k(?s:.)*Did you mean 'title'"
    ):
        marked.save(tmp_path / "audit.html", titel="x")
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_shows_it_in_a_frame_that_runs_nothing(marked: Audit) -> None:
    found = Page(notebook(marked))
    (frame,) = [attributes for tag, attributes in found.elements if tag == "iframe"]
    assert frame["sandbox"] == ""
    assert "1 concept looks like a shortcut" in (frame["srcdoc"] or "")
    assert "LOOKS LIKE A SHORTCUT" in found.text()
    assert marked._repr_html_() == notebook(marked)


def test_less_is_shown_of_each_concept_where_there_are_many() -> None:
    shown_of = [detail_for(n) for n in (1, 100, 500, 1_000, 3_000, 100_000)]
    assert shown_of[0] == shown_of[1] == DETAILS[0] == Detail(10, 3)
    assert shown_of[-1] == Detail(0, 0)
    assert [one.crops for one in shown_of] == sorted((one.crops for one in shown_of), reverse=True)


def test_the_size_is_what_was_planned_for(html: str) -> None:
    # Nine concepts and a shell; a tenth of what the plan allows each of 300.
    assert len(html.encode()) < 60_000 + 9 * MANY / 300


# ---------------------------------------------------------------------- one class


def test_receipts_are_shown_where_there_are_any(marked: Audit) -> None:
    report = marked.report("red")
    painter = ConceptPictures(marked, report, PictureStore())
    assert (
        marked.receipts[report.index][0].sentence()
        in Page(class_section(marked, report, painter, DETAILS[-1], 0)).text()
    )
    right = Receipt(predicted=(-1.0, 2.0), measured=(-1.0, 2.0))
    wrong = Receipt(predicted=(1.0, -2.0), measured=(-1.0, 2.0))
    held = made_audit(4)
    held.receipts = {held.report("red").index: [right, wrong, right]}
    section = class_section(
        held, held.report("red"), ConceptPictures(held, held.report("red"), PictureStore()), DETAILS[-1], 0
    )
    seen = Page(section).text()
    assert "3 pictures, 2 of which hold" in seen and "2 hold" in seen and "1 fails" in seen
    assert right.sentence() in seen and wrong.sentence() in seen
    other = ConceptPictures(held, held.report("blue"), PictureStore())
    assert "Receipts" not in class_section(held, held.report("blue"), other, DETAILS[-1], 0)


def test_with_little_room_the_numbers_stay(marked: Audit) -> None:
    report, store = marked.report("red"), PictureStore()
    section = class_section(marked, report, ConceptPictures(marked, report, store), Detail(0, 0), 1)
    assert "Crops where" not in section and "is absent nothing is painted" not in section
    assert "1 suspected shortcut" in section and section.count('<article class="concept"') == 3


# ---------------------------------------------------------------------- regions, boxes, pictures


def test_an_absent_concept_is_not_painted_and_scale_and_threshold_are_those_of_all_pictures() -> None:
    codes = np.zeros((10, 3, 5), np.float32)
    codes[0, 0, 0], codes[1, 2, 4], codes[2], codes[5, 1, 1] = 8.0, 4.0, 2.0, 1.0
    scale, least = region_scale(codes)
    flat = codes.reshape(-1)
    assert scale.limit == pytest.approx(np.quantile(flat, 0.995)) and not scale.signed
    assert least == pytest.approx(np.quantile(flat, 0.9))
    ground = np.full((90, 150, 3), 120, np.uint8)
    place = Geometry.stretch((90, 150), (30, 50)).place
    plain, there = painted(ground, place, codes[5], scale, least)
    assert not there and (plain == 120).all()
    spot, there = painted(ground, place, codes[0], scale, least)
    changed = (spot != 120).any(-1)
    assert there and changed[:15, :15].all() and not changed[60:].any() and not changed[:, 80:].any()


def test_a_weaker_region_is_drawn_weaker() -> None:
    codes = np.stack([np.full((2, 2), value, np.float32) for value in (1.0, 4.0, 9.0)])
    scale, _ = region_scale(codes)
    ground, place = np.zeros((100, 120, 3), np.uint8), Geometry.stretch((100, 120), (20, 20)).place
    drawn = [painted(ground, place, one, scale, 0.5)[0].astype(int) for one in codes]
    # On black both the opacity and the lightness of the colour can be seen to grow.
    changes = [one.sum() for one in drawn]
    assert 0 < changes[0] < changes[1] < changes[2]


def test_a_dead_concept_has_no_region_and_a_rare_one_is_seen() -> None:
    dead = np.zeros((4, 3, 3), np.float32)
    ground, place = np.full((9, 9, 3), 60, np.uint8), Geometry.stretch((9, 9), (9, 9)).place
    assert not painted(ground, place, dead[0], *region_scale(dead))[1]
    rare = np.zeros((400, 3, 3), np.float32)
    rare[7, 1, 1] = 3.0
    assert region_scale(rare)[0].limit == 3.0
    drawn, there = painted(ground, place, rare[7], *region_scale(rare))
    assert there and not painted(ground, place, rare[8], *region_scale(rare))[1]
    assert (drawn[drawn.shape[0] // 2, drawn.shape[1] // 2] != 60).any()


def test_what_the_model_did_not_see_is_hatched() -> None:
    ground = np.full((40, 160, 3), 200, np.uint8)
    geometry = Geometry((40, 160), (40, 40), 1.0, 1.0, -60.0, 0.0)
    drawn, _ = painted(
        ground, geometry.place, np.zeros((2, 2), np.float32), *region_scale(np.zeros((1, 2, 2)))
    )
    assert (drawn[:, 60:100] == 200).all()
    assert np.array_equal(drawn[:, :60], np.floor(hatched(ground) + 0.5).astype(np.uint8)[:, :60])


def test_the_box_is_where_the_crop_is(marked: Audit) -> None:
    painter = ConceptPictures(marked, marked.report("red"), PictureStore())
    for concept in marked.report("red").concepts:
        for crop in concept.crops[:2]:
            found = re.findall(
                r'x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', painter.whole(crop)
            )
            x, y, width, height = (float(value) for value in found[0])
            # The pictures are smaller than the thumbnails, so both have one size.
            assert np.allclose((x, y, x + width, y + height), crop.box, atol=0.01)


def test_strongest_middle_and_weakest_are_by_mean_code(marked: Audit) -> None:
    painter = ConceptPictures(marked, marked.report("green"), PictureStore())
    concept = next(one for one in marked.report("green").concepts if one.index == 1)
    painter.maps = np.zeros((5, 3, 2, 2), np.float32)
    painter.maps[:, 1, 0, 1] = (3, 9, 1, 5, 2)
    assert painter.spread(concept) == {"strongest": 1, "middle": 0, "weakest": 2}
    painter.maps = painter.maps[:1]
    assert painter.spread(concept) == {"strongest": 0}


def test_the_store_keeps_each_picture_once_and_no_larger_than_asked() -> None:
    store, rng = PictureStore(), np.random.default_rng(0)
    large, small = (rng.integers(0, 255, (h, w, 3), np.uint8) for h, w in ((200, 50), (1, 3)))
    first, again, second = store.keep(large, 96), store.keep(large.copy(), 96), store.keep(small, 96)
    assert first == again and first.size == (96, 24) and second.size == (1, 3)
    assert store.markup().count("<image ") == 2 and store.n_bytes < len(store.markup())
    assert store.keep(large, 48).number == 3
    assert 'class="coarse"' in store.markup().split("picture-2")[1].split("/>")[0]
    assert "&lt;b&gt;" in shown(first, "<b>", kind="crop") and 'viewBox="0 0 24 96"' in shown(
        first, "x", kind="crop"
    )


# ---------------------------------------------------------------------- strategies


def made_strategies(n: int = 12) -> Strategies:
    points = np.random.default_rng(0).uniform(-1, 1, (n, 2))
    cluster_of = np.arange(n) % 3
    pictures = np.arange(100, 100 + n)
    clusters = tuple(
        Cluster(pictures[cluster_of == c], (f"lead {c}", "other"), 1 / 3, (None, 0.5, 1.0)[c], (0, 1))
        for c in range(3)
    )
    nodes = (Node(0, "lead 0", -0.5, 0.1, 0.7, 1.0), Node(1, "<lead>", 0.4, -0.2, 0.3, None))
    return Strategies("red", points, cluster_of, clusters, nodes, ((0, 1, 4), (1, 7, 2)), 0.4)


class OnlyMembers(ConceptPictures):
    """The class's pictures are those of the strategies."""

    def __init__(self, audit: Audit, pictures: np.ndarray) -> None:
        super().__init__(audit, audit.report("red"), PictureStore())
        self.report = type(self.report)(**{**vars(self.report), "pictures": pictures})


def test_the_drawing_has_a_dot_for_each_picture_and_a_disc_for_each_concept(marked: Audit) -> None:
    html = strategies_section(made_strategies(), OnlyMembers(marked, np.arange(100, 112)))
    Page(html)
    assert len(re.findall(r"M[\d.]+ [\d.]+h0", html)) == 12
    assert html.count('class="node"') == 2 and "&lt;lead&gt;" in html and "<lead>" not in html
    assert html.count('class="edge"') == 1
    radii = [float(r) for r in re.findall(r'class="node"[^>]* r="([\d.]+)"', html)]
    assert radii[0] ** 2 / radii[1] ** 2 == pytest.approx(0.7 / 0.3, rel=0.02)
    seen = Page(html).text()
    assert "3 groups of pictures" in seen and "50\u00a0% right" in seen and "100\u00a0% right" in seen


def test_dots_of_a_cluster_are_its_own_and_lie_inside_the_drawing(marked: Audit) -> None:
    found = made_strategies()
    html = strategies_section(found, OnlyMembers(marked, np.arange(100, 112)))
    _, _, width, height = (float(v) for v in one(r'class="plane" viewBox="([^"]+)"', html).split())
    for c in range(3):
        path = one(rf'class="dots k{c}" d="([^"]+)"', html)
        dots = np.array(
            [[float(v) for v in dot.split()] for dot in path.strip("M").replace("h0", "").split("M")]
        )
        assert (dots >= 0).all() and (dots <= (width, height)).all()
        mine = found.points[found.cluster_of == c]
        # One scale for both axes, y upwards: distances agree up to one factor.
        ratio = (dots - dots[0])[1:] / ((mine - mine[0])[1:] * (1, -1))
        assert np.allclose(ratio, ratio[0, 0], rtol=0.05)


def test_a_few_pictures_are_not_grouped(marked: Audit) -> None:
    html = strategies_section(made_strategies(9), OnlyMembers(marked, np.arange(100, 109)))
    assert "9 pictures, too few to group" in html and "<svg" not in html


def test_pictures_that_are_all_alike_are_drawn_in_the_middle(marked: Audit) -> None:
    n = 10
    everything = Cluster(np.arange(n), ("a", "b"), 1.0, None, (0,))
    found = Strategies("red", np.zeros((n, 2)), np.zeros(n, np.int64), (everything,), (), (), 0.0)
    html = strategies_section(found, OnlyMembers(marked, np.arange(n)))
    _, _, width, height = (float(v) for v in one(r'class="plane" viewBox="([^"]+)"', html).split())
    assert html.count(f"M{width / 2:.1f} {height / 2:.1f}h0") == n
    assert "one group" in Page(html).text()


def test_the_classes_of_the_made_audit_are_what_the_tests_take_them_for(marked: Audit) -> None:
    assert marked.classes == CLASSES and marked.craft.survey.features.shape[2:] == (8, 12)
