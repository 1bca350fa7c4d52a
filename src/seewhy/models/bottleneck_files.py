"""Concept bottlenecks on disk: seewhy.json, tensors, and a card to read.

The network is named with its fingerprint and not copied. Beside the concepts' numbers there are those of
eight pictures of noise that everybody can draw: `read` asks the network for them again, so that another
layer, recipe of preprocessing or precision does not pass for the one that the concepts were learned with.
Pictures of the user are not kept.
"""

from __future__ import annotations

from dataclasses import asdict
from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from seewhy._version import __version__
from seewhy.attribution.base import as_backbone
from seewhy.backbones.base import Backbone
from seewhy.backbones.load import load_backbone
from seewhy.concepts.space import ConceptSpace
from seewhy.errors import BadArtefact, SeewhyError, message
from seewhy.heads.certificate import Certificate
from seewhy.heads.linear import Head
from seewhy.images.picture import Picture
from seewhy.scale import artefact
from seewhy.scale.disk import write_whole
from seewhy.vocabulary.vocabulary import Concept, Vocabulary

if TYPE_CHECKING:
    from seewhy.models.bottleneck import ConceptBottleneck

B = TypeVar("B", bound="ConceptBottleneck")

CARD = "MODEL_CARD.md"
_SPACE = ("weight", "mean", "std", "quantiles", "pooled_quantiles", "quality")
_DRIFT = 1e-3
"""In standard deviations of a concept: more is another network, less another machine's rounding."""


def write(model: ConceptBottleneck, folder: Path) -> Path:
    """`ConceptBottleneck.save_pretrained`."""
    fitted = model.fitted
    head, words = fitted.head, fitted.vocabulary
    content: dict[str, Any] = {
        "created_by": f"seewhy {__version__}",
        "backbone": model.backbone.describe(),
        "at": model.layer.name,
        "seed": model.seed,
        "settings": model.settings(),
        "concepts": list(fitted.space.names) if words is None else [asdict(concept) for concept in words],
        "classes": list(fitted.classes),
        "head": None if head is None else _told(head),
        "record": fitted.record,
    }
    tensors = {f"space.{name}": getattr(fitted.space, name) for name in _SPACE}
    if head is not None:
        tensors |= {"head.weight": head.weight, "head.bias": head.bias}
    if fitted.residual is not None:
        tensors |= {"residual.weight": fitted.residual.weight, "residual.mean": fitted.residual.mean}
    if model.backbone.preprocess is not None:
        tensors["noise"] = model.concepts(noise())
    found = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    artefact.write(folder, model.kind, content, found)
    write_whole(folder / CARD, card(model).encode())
    return folder


def read(cls: type[B], folder: Path, model: Any) -> B:
    """`ConceptBottleneck.from_pretrained`."""
    saved = artefact.read(folder)
    known = _class_of(cls, saved.kind, folder)
    with artefact.damaged(folder):
        content, tensors = saved.content, saved.tensors
        network = {name: str(content["backbone"][name]) for name in ("id", "sha256")}
    backbone = _network(network, model)  # what is wrong with the network is no damage
    with artefact.damaged(folder):
        made = known._made(backbone, content["at"], content["settings"], int(content["seed"]))
        made._fitted = _fitted(content, tensors)
    if "noise" in tensors and backbone.preprocess is not None:
        _check_drift(made, tensors["noise"], folder)
    return made


def noise(n: int = 8) -> list[Picture]:
    """Pictures of no meaning, the same everywhere."""
    draw = np.random.default_rng(20250227)
    return [Picture(draw.integers(0, 256, (96, 96, 3), np.uint8), f"noise {i}") for i in range(n)]


def card(model: ConceptBottleneck) -> str:
    """A page about the bottleneck, in Markdown."""
    fitted, head = model.fitted, model.fitted.head
    best = list(range(len(model.names)))
    if fitted.space.quality is not None:
        best = fitted.space.quality.argsort(descending=True).tolist()
    lines = [
        f"# {model.kind} on {model.backbone.name}",
        "",
        f"{len(model.names)} concepts at {model.layer.name}; {model.paper}.",
        "",
        f"Classes: {', '.join(model.classes) or 'none (fitted without labels)'}.",
    ]
    if head is not None:
        proof = head.certificate
        said = "none (edited)" if proof is None else f"relative duality gap {proof.relative_gap:.1e}"
        lines += ["", f"Head: {head.nec:.1f} concepts per class; certificate: {said}."]
    lines += ["", "| how it was made | |", "| --- | --- |"]
    lines += [f"| {key} | {_short(value)} |" for key, value in fitted.record.items()]
    lines += ["", f"Best learned: {', '.join(model.names[m] for m in best[:10])}.", ""]
    return "\n".join(lines)


def _told(head: Head) -> dict[str, Any]:
    return {
        "lam": head.lam,
        "alpha": head.alpha,
        "constant": list(head.constant),
        "record": dict(head.record),
        "certificate": None if head.certificate is None else _finite(head.certificate),
    }


def _finite(proof: Certificate) -> dict[str, Any]:
    """Its fields; JSON knows no infinity, which a head without any proof has: written out."""
    return {k: str(v) if isinstance(v, float) and isinf(v) else v for k, v in asdict(proof).items()}


def _certificate(told: dict[str, Any]) -> Certificate:
    """What `_finite` wrote."""
    fields: dict[str, Any] = {k: float(v) if isinstance(v, str) else v for k, v in told.items()}
    return Certificate(**fields)


def _fitted(content: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    from seewhy.models.bottleneck import Fitted, Residual

    told = content["concepts"]
    words = None
    if told and not isinstance(told[0], str):
        words = Vocabulary(tuple(Concept(**{k: _tupled(v) for k, v in one.items()}) for one in told))
    names = tuple(told) if words is None else words.names
    space = ConceptSpace(names, **{name: tensors.get(f"space.{name}") for name in _SPACE})  # type: ignore[arg-type]
    head, about = None, content["head"]
    if about is not None:
        proof = about["certificate"]
        head = Head(
            tensors["head.weight"],
            tensors["head.bias"],
            None if proof is None else _certificate(proof),
            about["lam"],
            about["alpha"],
            tuple(about["constant"]),
            about["record"],
        )
        if head.weight.shape != (len(content["classes"]), len(names)):
            raise ValueError(f"a head {tuple(head.weight.shape)} for {len(names)} concepts")
    residual = None
    if "residual.weight" in tensors:
        residual = Residual(tensors["residual.weight"], tensors["residual.mean"])
    return Fitted(space, head, tuple(content["classes"]), content["record"], residual, words)


def _class_of(cls: type[B], kind: str, folder: Path) -> type[B]:
    from seewhy.models.bottlenecks import BOTTLENECKS

    known: Any = BOTTLENECKS.get(kind)
    if known is None or not issubclass(known, cls):
        reads = [name for name, one in BOTTLENECKS.items() if issubclass(one, cls)]
        raise BadArtefact(
            message(
                f"{folder} holds a {kind!r}.",
                f"{cls.__name__} reads {', '.join(reads)}.",
                "Use ConceptBottleneck.from_pretrained, or the class that wrote it.",
            )
        )
    found: type[B] = known
    return found


def _network(told: dict[str, Any], model: Any) -> Backbone:
    if model is None:
        try:
            backbone = load_backbone(told["id"])
        except SeewhyError as error:
            raise BadArtefact(
                message(
                    f"The network {told['id']!r} of the bottleneck cannot be loaded: {str(error).splitlines()[0]}",
                    "Its concepts are read from that network's features.",
                    "Pass the network: from_pretrained(folder, model).",
                )
            ) from error
    else:
        backbone = as_backbone(load_backbone(model) if isinstance(model, str | Path) else model)
    if backbone.fingerprint() != told["sha256"]:
        raise BadArtefact(
            message(
                f"The bottleneck was learned on {told['id']} with the fingerprint {told['sha256']}, not "
                f"{backbone.fingerprint()}.",
                "Other weights have other features.",
                "Pass the network that it was learned on, or fit it again.",
            )
        )
    return backbone


def _check_drift(made: ConceptBottleneck, expected: Float[Tensor, "n m"], folder: Path) -> None:
    drift = float((made.concepts(noise()) - expected).abs().max())
    if not drift <= _DRIFT:
        raise BadArtefact(
            message(
                f"The concepts in {folder} have other values here, by up to {drift:.2g} standard deviations.",
                "On the pictures of noise that were measured when it was saved they must agree within "
                f"{_DRIFT:g}.",
                "Check that preprocessing and precision of the network are those it was learned with.",
            )
        )


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _short(value: Any) -> str:
    if isinstance(value, list):
        shown = [str(one.get("concept", one) if isinstance(one, dict) else one) for one in value[:8]]
        return f"{len(value)}: {', '.join(shown)}"
    if isinstance(value, dict) and "id" in value:
        return str(value["id"])
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(one)}" for key, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
