"""A concept under suspicion on the audit's page: accused or not, why, by how much, and the pictures behind it."""

from __future__ import annotations

import re

from seewhy.audit.audit import Suspect
from seewhy.audit.shortcuts import where
from seewhy.report.audit_words import SPACE, percent
from seewhy.report.concept_pictures import ConceptPictures, Detail
from seewhy.report.markup import bar, minus, name, text
from seewhy.visualise.wording import number

FIXED = 0.1
"""A mean map that is less narrow has no place worth a word."""

ACCUSED, NOT_ACCUSED = "looks like a shortcut", "not accused"


def suspect_card(
    suspect: Suspect, place: int, threshold: float, pictures: ConceptPictures, detail: Detail
) -> str:
    """One suspect; those that are not accused are folded up under their heading.

    Parameters
    ----------
    place
        In the ranking, from 1.
    threshold
        Of the lower end of the score's interval.
    """
    inside = f"""<div class="case"><div class="ground">
<ul class="reasons">{"".join(f"<li>{text(reason)}</li>" for reason in _reasons(suspect))}</ul>
{_gauge(suspect, threshold)}
{_numbers(suspect)}
</div>
<div class="evidence">
<h4>Best crops</h4>{pictures.crops(suspect.concept, max(detail.crops, 5))}
{_pictures(suspect, pictures)}
</div></div>"""
    head = _head(suspect, place)
    key = f"suspect-{place}"
    if suspect.accused:
        return (
            f'<article class="suspect accused" id="{key}"><div class="title">{head}</div>{inside}</article>'
        )
    return f'<details class="suspect" id="{key}"><summary class="title">{head}</summary>{inside}</details>'


def _head(suspect: Suspect, place: int) -> str:
    state, mark = ("fails", "✗") if suspect.accused else ("none", "○")
    verdict = ACCUSED if suspect.accused else NOT_ACCUSED
    return (
        f'<h3><span class="place-number">{place}</span> {name(suspect.class_name, 80)}: '
        f"{name(suspect.concept.name, 80)} {_place(suspect)}</h3>"
        f'<span class="badge {state}"><span class="mark" aria-hidden="true">{mark}</span> {verdict}</span>'
        f'<span class="score">score <b>{_score(suspect.suspicion.score)}</b></span>'
    )


def _place(suspect: Suspect) -> str:
    """Where it sits, if it sits anywhere."""
    if suspect.suspicion.fixed < FIXED:
        return ""
    return f'<span class="quiet">{where(suspect.suspicion.place)}</span>'


def _reasons(suspect: Suspect) -> list[str]:
    found = list(suspect.suspicion.reasons())
    if suspect.decides > 0.005:
        found.append(f"without it {percent(suspect.decides)} of the pictures get another class")
    # The page writes '37 %', a terminal '37%'.
    return [re.sub(r"(?<=\d)%", f"{SPACE}%", f"{reason[:1].upper()}{reason[1:]}.") for reason in found]


def _gauge(suspect: Suspect, threshold: float) -> str:
    """The score with the lower end of its interval, against the threshold."""
    found = suspect.suspicion
    end = 1.15 * max(found.score, threshold)
    score, low, least = (100 * max(value, 0.0) / end for value in (found.score, found.low, threshold))
    state = "over" if suspect.accused else "under"
    drawing = (
        '<svg class="gauge" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="12"/><rect class="{state}" width="{score:.2f}" height="12"/>'
        f'<path class="interval" d="M{low:.2f} 2V10M{low:.2f} 6H{score:.2f}"/>'
        f'<path class="threshold" d="M{least:.2f} 0V12"/></svg>'
    )
    above = "above" if found.low >= threshold else "below"
    return (
        f'<div class="measure">{drawing}<p>Score <b>{_score(found.score)}</b>, 95{SPACE}% interval from '
        f"<b>{_score(found.low)}</b>, {above} the threshold of {threshold:g} (the upright line).</p></div>"
    )


def _numbers(suspect: Suspect) -> str:
    found = suspect.suspicion
    tied = (
        f"goes with {found.property}, rank correlation {found.rho:+.2f}"
        if found.property
        else "with no property"
    )
    rows: list[tuple[str, float | None, str]] = [
        ("weight", found.weight, "part of the evidence for the class"),
        (
            "exclusive",
            found.exclusive,
            "1: only in this class" if found.exclusive is not None else "no other class",
        ),
        ("weight there", found.weight_there, "of what lies at its place"),
        ("exclusive there", found.exclusive_there, "of what lies at its place"),
        ("fixed", found.fixed, "1: in one place in all pictures"),
        ("edge", found.edge, "1: at the border of the picture"),
        ("tied", found.tied, tied),
        (
            "outside",
            found.outside,
            "1: off the object" if found.outside is not None else "no masks were given",
        ),
        ("decides", suspect.decides, "pictures that change class without it"),
    ]
    body = "".join(_number_row(*row) for row in rows)
    drop = minus(number(suspect.logit_drop))
    body += (
        f'<tr><th scope="row">logit drop<br><span class="quiet">mean, without it</span></th><td></td>'
        f'<td class="number">{drop}</td></tr>'
    )
    return (
        '<table class="parts"><colgroup><col><col class="c-bar"><col class="c-narrow"></colgroup>'
        '<thead class="unseen"><tr><th scope="col">part of the score</th><th scope="col">as a bar</th>'
        f'<th scope="col">value</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _number_row(title: str, value: float | None, meaning: str) -> str:
    drawn = "" if value is None else bar(min(max(value, 0.0), 1.0), low=0.0)
    written = "–" if value is None else f"{value:.2f}"
    return (
        f'<tr><th scope="row">{title}<br><span class="quiet">{minus(text(meaning))}</span></th>'
        f'<td>{drawn}</td><td class="number">{written}</td></tr>'
    )


def _pictures(suspect: Suspect, pictures: ConceptPictures) -> str:
    """Two pictures with the crop's box, their regions, and the mean map."""
    concept = suspect.concept
    tiles = []
    for crop in concept.crops[:2]:
        tiles.append((pictures.whole(crop), "the crop in its picture"))
        tiles.append((pictures.region(concept, pictures.position_of(crop)), "the concept's region"))
    tiles.append(
        (pictures.mean_map(concept), f"mean over pictures, up to {number(float(concept.mean_map.max()))}")
    )
    figures = "".join(f"<figure>{tile}<figcaption>{words}</figcaption></figure>" for tile, words in tiles)
    return f'<h4>Where it lies</h4><div class="tiles">{figures}</div>'


def _score(value: float) -> str:
    return f"{value:.3f}"
