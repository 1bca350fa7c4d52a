"""Cutting a network's graph at a module, so that only what comes after it is run again.

torch.fx traces the forward code of the modules that contain the cut; every other module stays one opaque
node. That keeps tracing robust, and shares the user's modules instead of copying them. A network whose
containers have data-dependent code cannot be traced; the caller then replays by replacement.
"""

from __future__ import annotations

import linecache
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

_tracing = threading.Lock()


@dataclass(frozen=True)
class GraphCut:
    """`head(images) -> (output of the module, everything else the tail needs)`; `tail` takes both.

    `live` names the other values that cross the cut: skips, class tokens, sizes.
    """

    head: fx.GraphModule
    tail: fx.GraphModule
    live: tuple[str, ...]


class CannotCut(Exception):
    """Why a graph cannot be cut here, in words; never reaches the user as an error."""


def cut_graph(module: nn.Module, name: str) -> GraphCut:
    """Cut `module` after its submodule `name`.

    Raises
    ------
    CannotCut
        If tracing fails, or the submodule is not called exactly once.
    """
    root = _Root(module)
    target = f"network.{name}"
    try:
        with _tracing:
            graph = _Tracer(target).trace(root)
    except Exception as error:  # user code under tracing can raise anything; all of it means "not traceable"
        raise CannotCut(f"its code cannot be traced ({type(error).__name__})") from error
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == target]
    if len(calls) != 1:
        raise CannotCut(f"it is called {len(calls)} times in one pass")
    after = _descendants(calls[0])
    output = next(node for node in graph.nodes if node.op == "output")
    if output not in after:
        raise CannotCut("the output does not depend on it")
    live = _crossing(graph, calls[0], after)
    return GraphCut(
        head=_compiled(root, _head(graph, calls[0], live)),
        tail=_compiled(root, _tail(graph, calls[0], live, after)),
        live=tuple(node.name for node in live),
    )


class _Root(nn.Module):
    """Gives the network one input, so that optional arguments of its forward take their defaults."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.training = network.training

    def forward(self, images: Any) -> Any:
        return self.network(images)


class _Tracer(fx.Tracer):
    """Opens only the modules that contain the cut.

    Tracing patches `nn.Module.__call__` for the whole process, so calls from other threads are passed on.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        parts = target.split(".")
        self._open = {".".join(parts[:i]) for i in range(len(parts))}
        self._owner = threading.get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name not in self._open

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._owner:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._owner:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _descendants(node: fx.Node) -> set[fx.Node]:
    found: set[fx.Node] = set()
    queue = list(node.users)
    while queue:
        user = queue.pop()
        if user not in found:
            found.add(user)
            queue.extend(user.users)
    return found


def _crossing(graph: fx.Graph, cut: fx.Node, after: set[fx.Node]) -> list[fx.Node]:
    """Values computed before the cut that the tail needs besides the cut itself, in order."""
    needed = {
        source
        for node in after
        for source in node.all_input_nodes
        if source not in after and source is not cut
    }
    return [node for node in graph.nodes if node in needed and node.op != "get_attr"]


def _head(graph: fx.Graph, cut: fx.Node, live: list[fx.Node]) -> fx.Graph:
    needed = {cut, *live}
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    head = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in needed or node.op == "placeholder":
            copies[node] = head.node_copy(node, lambda source: copies[source])
    head.output((copies[cut], tuple(copies[node] for node in live)))
    return head


def _tail(graph: fx.Graph, cut: fx.Node, live: list[fx.Node], after: set[fx.Node]) -> fx.Graph:
    tail = fx.Graph()
    copies = {cut: tail.placeholder("output")}
    for i, node in enumerate(live):
        copies[node] = tail.placeholder(f"live_{i}")
    for node in graph.nodes:
        constant = node.op == "get_attr" and any(user in after for user in node.users)
        if node in after or constant:
            copies[node] = tail.node_copy(node, lambda source: copies[source])
    return tail


def _compiled(root: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """A graph as a module, whose source torch does not keep for the rest of the process (seen in torch 2.15)."""
    made = fx.GraphModule(root, graph)
    source = type(made).forward.__code__.co_filename
    linecache.cache.pop(source, None)
    loader = getattr(fx.graph_module, "_loader", None)
    if loader is not None:
        loader.eval_cache.pop(source, None)
    return made
