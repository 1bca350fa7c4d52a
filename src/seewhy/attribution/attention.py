"""Attention weights of any transformer, fused kernels included, and what is known about them beforehand.

A fused kernel never writes its weights down, so the tap computes them beside it in the explicit form

P = softmax(Q K^T * scale + mask),  output = P V                                                      (1)

by a `TorchFunctionMode`, which sees every torch function called in its own thread and in no other: nothing of
the model is patched. Attention that is written out (a softmax whose result is multiplied with the values) is
kept as it is. Everything is ours; the idea of a function mode for this is from our own specification.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seewhy.backbones.base import Backbone
from seewhy.backbones.layout import spatial_layout
from seewhy.types import Size

_SOFTMAXES = (torch.softmax, Tensor.softmax, F.softmax, torch.special.softmax)
_PRODUCTS = (torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.einsum)
# Between the softmax and the product: dropout is the identity in eval mode, `to` follows the values' precision.
_PASSED_ON = (F.dropout, torch.dropout, Tensor.to, Tensor.type_as, Tensor.contiguous)
MIXED = "its attention weights are mixed or changed before they meet the values"
_MULTI_HEAD = inspect.signature(F.multi_head_attention_forward)


@dataclass(frozen=True, eq=False)
class Attention:
    """One computation of attention: its weights, a part of the graph, and the module that ran it."""

    weights: Float[Tensor, "b *heads q k"]
    module: str

    def per_head(self, tensor: Float[Tensor, "b *heads q k"]) -> Float[Tensor, "b heads q k"]:
        """The weights or something of their shape, with the heads' axis even if there is one head only."""
        return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor


class AttentionTap(TorchFunctionMode):
    """While open, keeps the attention weights of every forward pass in this thread.

    With gradients enabled every kept tensor requires one, so that `torch.autograd.grad(score, weights)` works
    on frozen networks too. Memory: all weights of the pass, heads * tokens^2 numbers per block and picture.

    Attributes
    ----------
    calls
        In the order of computation.
    missed
        In words, attention that was seen but whose weights could not be had.
    """

    def __init__(self, running: list[str] | None = None) -> None:
        super().__init__()
        self.calls: list[Attention] = []
        self.missed: list[str] = []
        self._running = running if running is not None else []
        self._candidates: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self._fused(func, *args, **kwargs)
        if func is F.multi_head_attention_forward:
            return self._multi_head(func, _MULTI_HEAD.bind(*args, **kwargs))
        if func in _PRODUCTS:
            self._multiplied(args)
        output = func(*args, **kwargs)
        if func in _SOFTMAXES:
            self._softmaxed(output)
        elif func in _PASSED_ON and args and id(args[0]) in self._candidates:
            self._candidates[id(output)] = (output, self._candidates[id(args[0])][1])
        return output

    @property
    def changed(self) -> list[tuple[int, ...]]:
        """Shapes of softmaxes that may be attention but were changed before they met any values."""
        return [tuple(weights.shape) for output, weights in self._candidates.values() if output is weights]

    def _fused(
        self,
        func: Callable[..., Tensor],
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if dropout_p > 0 or query.ndim not in (3, 4):
            why = "drops weights at random" if dropout_p > 0 else f"has a query of {query.ndim} axes"
            self.missed.append(f"attention that {why}")
            return func(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
        weights = attention_weights(query, key, attn_mask, is_causal=is_causal, scale=scale)
        return self._keep(weights) @ value

    def _multi_head(self, func: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        bound.apply_defaults()
        given = bound.arguments
        unusual = [name for name in ("bias_k", "bias_v", "static_k", "static_v") if given[name] is not None]
        unusual += ["add_zero_attn"] if given["add_zero_attn"] else []
        unusual += ["dropout"] if given["training"] and given["dropout_p"] > 0 else []
        unusual += ["a single picture without its axis"] if given["query"].ndim != 3 else []
        if unusual:
            self.missed.append(f"multi-head attention with {', '.join(unusual)}")
            return func(*bound.args, **bound.kwargs)
        n, n_heads = given["query"].shape[1], given["num_heads"]
        q, k, v = (heads_of(t, n_heads) for t in projected(given))
        mask = joined_masks(given["attn_mask"], given["key_padding_mask"], n, n_heads, q)
        weights = self._keep(attention_weights(q, k, mask))
        joined = (weights @ v).permute(2, 0, 1, 3).flatten(2)
        output = F.linear(joined, given["out_proj_weight"], given["out_proj_bias"])
        if not given["need_weights"]:
            return output, None
        return output, weights.mean(1) if given["average_attn_weights"] else weights

    def _keep(self, weights: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not weights.requires_grad:
            weights.requires_grad_()
        self.calls.append(Attention(weights, self._running[-1] if self._running else ""))
        return weights

    def _softmaxed(self, output: Tensor) -> None:
        # Attention is told from other softmaxes by what follows: a product with the values.
        if output.ndim in (3, 4):
            if torch.is_grad_enabled() and not output.requires_grad:
                output.requires_grad_()
            self._candidates[id(output)] = (output, output)

    def _multiplied(self, args: Any) -> None:
        for factor in args:
            if id(factor) in self._candidates:
                weights = self._candidates[id(factor)][1]
                for key in [key for key, (_, of) in self._candidates.items() if of is weights]:
                    del self._candidates[key]
                self._keep(weights)
                return


def attention_weights(
    query: Float[Tensor, "*b q e"],
    key: Float[Tensor, "*b k e"],
    mask: Bool[Tensor, ...] | Float[Tensor, ...] | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Float[Tensor, "*b q k"]:
    """The weights of equation 1, as `torch.nn.functional.scaled_dot_product_attention` defines them.

    Parameters
    ----------
    mask
        Broadcast over the scores: boolean (True where attention is allowed) or added to them.
    is_causal
        Query i sees keys 0 to i.
    scale
        Default 1 / sqrt(e).

    Returns
    -------
    weights
        Rows sum to 1, or to 0 where nothing is allowed. Half precision is computed in float32.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    if is_causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~seen, -torch.inf)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + mask
    if mask is not None:
        blind = (scores == -torch.inf).all(-1, keepdim=True)
        scores = scores.masked_fill(blind, 0)
    wide = torch.promote_types(scores.dtype, torch.float32)
    weights = scores.softmax(-1, dtype=wide).to(scores.dtype)
    return weights if mask is None else weights.masked_fill(blind, 0)


def projected(given: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value (tokens, b, channels) of `F.multi_head_attention_forward`'s arguments."""
    inputs = (given["query"], given["key"], given["value"])
    if given["use_separate_proj_weight"]:
        weights = (given["q_proj_weight"], given["k_proj_weight"], given["v_proj_weight"])
    else:
        weights = given["in_proj_weight"].chunk(3)
    bias = given["in_proj_bias"]
    biases = (None, None, None) if bias is None else bias.chunk(3)
    q, k, v = (F.linear(t, w, b) for t, w, b in zip(inputs, weights, biases, strict=True))
    return q, k, v


def heads_of(tensor: Float[Tensor, "t b c"], n_heads: int) -> Float[Tensor, "b heads t e"]:
    """Split the channels among heads."""
    return tensor.reshape(*tensor.shape[:2], n_heads, -1).permute(1, 2, 0, 3)


def joined_masks(
    mask: Tensor | None, padding: Tensor | None, n: int, n_heads: int, like: Tensor
) -> Float[Tensor, ...] | None:
    """What multi-head attention adds to its scores; its boolean masks are True where attention is forbidden."""
    total: Tensor | None = None
    if mask is not None:
        total = _added(mask, like)
        total = total.reshape(n, n_heads, *total.shape[1:]) if total.ndim == 3 else total
    if padding is not None:
        hidden = _added(padding, like)[:, None, None, :]
        total = hidden if total is None else total + hidden
    return total


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype == torch.bool:
        return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(mask, -torch.inf)
    return mask.to(like.dtype)


@contextmanager
def names_running(module: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that are running in this thread, outermost first; empty between passes."""
    owner = threading.get_ident()
    running: list[str] = []
    handles = []

    def entered(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            if threading.get_ident() == owner:
                running.append(name)

        return hook

    def left(*_: Any) -> None:
        if threading.get_ident() == owner:
            running.pop()

    try:
        for name, child in module.named_modules():
            handles.append(child.register_forward_pre_hook(entered(name)))
            handles.append(child.register_forward_hook(left, always_call=True))
        yield running
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Survey:
    """What one pass of a network shows about its attention.

    Parameters
    ----------
    modules
        Which module computed each attention over the tokens, in order.
    pooler
        Whether a last attention with queries of its own reads the tokens out.
    n_tokens, grid, prefix
        Tokens in all, (rows, columns) of the patches, and class and register tokens before them.
    reason
        None, or why no map over the whole picture follows from this attention.
    """

    modules: tuple[str, ...] = ()
    pooler: bool = False
    n_tokens: int = 0
    grid: Size = (0, 0)
    prefix: int = 0
    reason: str | None = None


def survey(backbone: Backbone, size: Size | None = None) -> Survey:
    """Look at a network's attention once for inputs of `size`; costs one forward pass of two pictures."""
    size = size or backbone.input_size
    return backbone.once(("attention", size), lambda: _survey(backbone, size))


def _survey(backbone: Backbone, size: Size) -> Survey:
    for child in backbone.module.modules():
        if isinstance(child, torch.jit.ScriptModule) or hasattr(child, "_orig_mod"):
            return Survey(reason="it is compiled or scripted, and its attention is out of sight")
    probe = backbone.probe(size)
    with torch.no_grad(), names_running(backbone.module) as running, AttentionTap(running) as tap:
        probe.module(probe.inputs)
    if not tap.calls or tap.missed:
        return Survey(reason=_why_none(tap))
    batches = {call.weights.shape[0] for call in tap.calls}
    if batches != {probe.n}:
        return Survey(reason="its attention stays inside windows or groups, or has its heads in the batch")
    pooler = tap.calls[-1].weights.shape[-2] != tap.calls[-1].weights.shape[-1]
    among = tap.calls[:-1] if pooler else tap.calls
    n_tokens = tap.calls[-1].weights.shape[-1]
    if not among or {side for call in among for side in call.weights.shape[-2:]} != {n_tokens}:
        shapes = sorted({tuple(call.weights.shape[-2:]) for call in tap.calls})
        found = ", ".join(f"{q}x{k}" for q, k in shapes)
        return Survey(reason=f"its attention is not over one set of tokens throughout ({found})")
    if any(shape[-1] == n_tokens for shape in tap.changed):
        return Survey(reason=MIXED)
    layout = spatial_layout((probe.n, n_tokens, 1), probe.n, size, probe.prefix_hint)
    if layout is None:
        return Survey(reason=f"its {n_tokens} tokens are not a grid for inputs of {size[0]}x{size[1]}")
    _, grid, _, prefix = layout
    return Survey(tuple(call.module for call in among), pooler, n_tokens, grid, prefix)


def _why_none(tap: AttentionTap) -> str:
    if tap.missed:
        return f"it has {', '.join(sorted(set(tap.missed)))}"
    if tap.changed:
        return MIXED
    return (
        "no attention is computed in it (attention inside a package of compiled kernels would not be seen: "
        "choose the implementation 'sdpa' or 'eager')"
    )
