"""Words from the captions of the user's own pictures, by counting; no parser and no model.

A caption is cut at punctuation and at function words and common caption verbs. What is between two cuts ("big brown
dog") stands for a noun phrase; because English puts the noun last, its last word, its last two and its last three
count ("dog", "brown dog", "big brown dog"). This also finds phrases that are none: look the list over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from seewhy.errors import InputError, message
from seewhy.vocabulary.vocabulary import Vocabulary
from seewhy.vocabulary.words import key, tidy

# fmt: off
_CUTS = frozenset((
    "a", "about", "above", "across", "after", "against", "all", "along", "also", "although", "am", "among",
    "an", "and", "another", "any", "are", "around", "as", "at", "away", "be", "because", "been", "before",
    "behind", "being", "below", "beneath", "beside", "between", "both", "but", "by", "can", "could", "did",
    "do", "does", "down", "each", "every", "few", "for", "from", "full", "had", "has", "have", "having",
    "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in", "inside", "into", "is", "it", "its",
    "just", "like", "lot", "lots", "made", "many", "may", "me", "might", "more", "most", "much", "my",
    "near", "next", "no", "nor", "not", "of", "off", "on", "one", "onto", "or", "other", "our", "out",
    "outside", "over", "past", "she", "should", "so", "some", "such", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "through", "to", "together", "too", "toward",
    "towards", "two", "three", "under", "until", "up", "upon", "us", "very", "was", "we", "were", "what",
    "when", "where", "which", "while", "who", "whose", "will", "with", "without", "would", "you", "your",
    # verbs and nouns of captions that say nothing about what is seen
    "carrying", "covered", "doing", "driving", "drinking", "eating", "filled", "flying", "getting", "going",
    "holding", "image", "jumping", "laying", "looking", "looks", "lying", "photo", "photograph", "picture",
    "playing", "posing", "pulling", "riding", "running", "shows", "showing", "sits", "sitting", "sleeping",
    "smiling", "stands", "standing", "swimming", "taking", "taken", "talking", "using", "view", "waiting",
    "walking", "watching", "wearing",
))
# fmt: on
_PART = re.compile(r"[\s.,;:!?()\[\]{}\"“”«»/|]+|(?<=\W)['’]|['’](?=\W|$)")
_SENTENCE = re.compile(r"[.,;:!?()\[\]{}\"“”«»/|]+")
_NUMBER = re.compile(r"[\d.,%+-]+")


def from_captions(
    captions: Iterable[str], *, n_words: int = 3, least: int = 5, most: int | None = None
) -> Vocabulary:
    """Count what the captions speak of, and take it from the most frequent down.

    Parameters
    ----------
    captions
        One text each; read once. For a file pass its lines: `open("captions.txt")`.
    n_words
        Longest phrase.
    least
        A phrase counts from so many captions on.
    most
        Only so many phrases.

    Returns
    -------
    words
        By falling number of captions, ties by name. Singular and plural count together, under the more frequent.

    Raises
    ------
    InputError
        If there is no caption, or no phrase is frequent enough.
    """
    if isinstance(captions, str):
        raise InputError(
            message(
                f"The captions are one text, {captions[:60]!r}.",
                "They are a list of texts, or an open file.",
                "Put a single caption into brackets.",
            )
        )
    if n_words < 1 or least < 1 or (most is not None and most < 1):
        raise InputError(message(f"n_words={n_words}, least={least}, most={most}.", "Each is 1 or more."))
    counts: Counter[str] = Counter()
    spelt: dict[str, Counter[str]] = {}
    n = 0
    for caption in captions:
        n += 1
        # In a caption a phrase counts once, however often it says it.
        for same, phrase in {key(phrase): phrase for phrase in _phrases(caption, n_words)}.items():
            counts[same] += 1
            spelt.setdefault(same, Counter())[phrase] += 1
    ranked = sorted(
        (same for same in counts if counts[same] >= least), key=lambda same: (-counts[same], same)
    )
    names = [min(spelt[same], key=lambda phrase: (-spelt[same][phrase], phrase)) for same in ranked[:most]]
    if not names:
        top = counts.most_common(1)
        raise InputError(
            message(
                f"No phrase occurs in {least} of {n} captions"
                + (f"; the most frequent, {top[0][0]!r}, in {top[0][1]}." if top else "."),
                "Concepts are phrases that many captions share.",
                "Lower least, or pass more captions.",
            )
        )
    return Vocabulary.from_list(names, source="captions", duplicates="drop")


def _phrases(caption: str, n_words: int) -> Iterator[str]:
    for sentence in _SENTENCE.split(tidy(caption).casefold()):
        chunk: list[str] = []
        for word in [*_PART.split(sentence), "the"]:
            if word in _CUTS or _NUMBER.fullmatch(word):
                yield from (" ".join(chunk[-size:]) for size in range(1, min(n_words, len(chunk)) + 1))
                chunk = []
            elif word:
                chunk.append(word)
