"""open_clip's models of pictures and words: CLIP and its kin, SigLIP, CoCa."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor, nn

from seewhy.backbones import open_clip_parts as parts
from seewhy.backbones.loaded import Request
from seewhy.backbones.open_clip import preprocess_of
from seewhy.bundled.words import WordTokenizer
from seewhy.errors import InputError, message
from seewhy.hub.resolve import ModelName
from seewhy.images.preprocess import Preprocess
from seewhy.vlms.tokens import tokenizer_digest, too_long
from seewhy.vlms.tower import Tower
from seewhy.vlms.viewed import ViewedVLM
from seewhy.vlms.views import open_clip_view


class OpenClipVLM(ViewedVLM):
    """An open_clip model with its tokenizer.

    Parameters
    ----------
    model
        An `open_clip.CLIP`, `CustomTextCLIP` or `CoCa`.
    tokenizer
        What `open_clip.get_tokenizer` gives for it.
    name
        What to call it.
    preprocess
        From a picture to its input; default: what open_clip wrote into the model.
    untrained, notes
        As in `VLM`.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        preprocess: Preprocess | None = None,
        untrained: bool = False,
        notes: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        recipe = getattr(self.model.visual, "preprocess_cfg", None)
        if preprocess is None:
            if recipe is None:
                raise InputError(
                    message(
                        f"The open_clip model {name!r} came without its preprocessing.",
                        "Pictures must be resized and normalised as in its training.",
                        "Pass preprocess=seewhy.Preprocess(size=..., mean=..., std=...).",
                    )
                )
            preprocess = preprocess_of(recipe, "open_clip preprocess config")
        shift = getattr(model, "logit_bias", None)
        super().__init__(
            name=name,
            preprocess=preprocess,
            dim=_width(self.model),
            scale=float(self.model.logit_scale.detach().exp()),
            shift=0.0 if shift is None else float(shift.detach()),
            untrained=untrained,
            notes=notes,
        )
        self._digest: str | None = None

    def _images(self, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b d"]:
        found = self.model.encode_image(x)
        embedding: Tensor = found[0] if isinstance(found, tuple) else found
        return embedding

    def _texts(self, texts: list[str]) -> Float[Tensor, "n d"]:
        embedding: Tensor = self.model.encode_text(self._tokens(texts).to(self.device))
        return embedding

    def _look(self) -> Tower | str:
        return open_clip_view(self.model.visual)

    def _modules(self) -> Sequence[nn.Module]:
        return (self.model,)

    def _identity(self) -> dict[str, Any]:
        return {"activation": _activations(self.model), "tokenizer": self._tokenizer_digest()}

    def _tokenizer_digest(self) -> str:
        if self._digest is None:
            closed = isinstance(self.tokenizer, WordTokenizer)
            self._digest = (
                self.tokenizer.digest() if closed else tokenizer_digest(lambda t: self.tokenizer(t))
            )
        return self._digest

    def _tokens(self, texts: list[str]) -> Int64[Tensor, "n length"]:
        for text in texts:
            used, most = self._length(text)
            if used > most:
                raise too_long(text, used, most)
        rows: Tensor = self.tokenizer(texts)
        return rows

    def _length(self, text: str) -> tuple[int, int]:
        """Tokens of a text with start and end, and how many may be."""
        most = int(self.tokenizer.context_length or self.model.context_length)
        if isinstance(self.tokenizer, WordTokenizer):
            return 0, most  # it refuses by itself
        if hasattr(self.tokenizer, "encode"):
            return len(self.tokenizer.encode(text)) + 2, most
        return len(self.tokenizer.tokenizer(text)["input_ids"]), most


def names() -> list[str]:
    """Every architecture, without weights."""
    return parts.names()


def load(name: ModelName, request: Request) -> OpenClipVLM:
    """A model of open_clip, `open_clip/ARCH/TAG`.

    Raises
    ------
    UnknownName, InputError, Offline, BadArtefact, MissingExtra
        As `backbones.open_clip_parts.build`.
    """
    found = parts.build(name, request)
    return OpenClipVLM(
        found.model,
        found.tokenizer,
        name=found.model_id,
        untrained=request.weights is None,
        notes=(f"Its activation is {found.note}",),
    )


def _width(model: Any) -> int:
    """Size of the common space: what the text side ends in."""
    side = getattr(model, "text", model)
    end = getattr(side, "text_projection", None)
    if isinstance(end, nn.Linear):
        return end.out_features
    if isinstance(end, Tensor):
        return end.shape[-1]
    return int(getattr(side, "output_dim", None) or model.visual.output_dim)


def _activations(model: nn.Module) -> list[str]:
    """The kinds of activation in the blocks' MLPs, as built."""
    kinds = (
        type(child).__name__ for name, child in model.named_modules() if name.endswith((".gelu", ".act"))
    )
    return sorted(set(kinds))
