"""The exact minimum of a binary energy whose edges pay where their ends differ: one minimum cut."""

from __future__ import annotations


def minimum(off, edges, unary, pairwise, most: bool, library: str = ""):
    """(n,) bool, x of least energy: a node of `off` (n,) pays `unary` where x = 1, any other where x = 0; an edge (E, 2), each
    given once, pays `pairwise` where its ends differ; unary: int or (n,), pairwise: int or (E,). Of several minima the one with
    most x = 1 if `most`, else with fewest.

    library: "maxflow" (PyMaxflow, GPL: the thesis' and the faster) or "scipy"; "": the first that is installed.
    """
    import numpy as np

    try:
        if library == "scipy":
            raise ImportError
        import maxflow
    except ImportError:
        if library == "maxflow":
            raise
        return _by_scipy(off, edges, unary, pairwise, most)
    graph = maxflow.Graph[int](len(off), len(edges))
    nodes = graph.add_grid_nodes(len(off))
    # what could go either way stays on the source's side: that is where x = 1 is, if most are wanted
    to_source, to_sink = np.where(off != most, unary, 0), np.where(off != most, 0, unary)
    graph.add_grid_tedges(nodes, to_source, to_sink)
    capacity = np.full(len(edges), pairwise, dtype=int)
    graph.add_edges(*np.ascontiguousarray(edges.T), capacity, capacity)
    graph.maxflow()
    return graph.get_grid_segments(nodes) != most


def _by_scipy(off, edges, unary, pairwise, most: bool):
    """The same: source x = 0, sink x = 1; what can reach the sink in the residual graph is the smallest set of x = 1."""
    import numpy as np
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n = len(off)
    source, sink, nodes = n, n + 1, np.arange(n)
    tails = np.concatenate([np.where(off, source, nodes), edges[:, 0], edges[:, 1]])
    heads = np.concatenate([np.where(off, nodes, sink), edges[:, 1], edges[:, 0]])
    both = np.full(len(edges), pairwise)
    capacity = np.concatenate([np.full(n, unary), both, both]).astype(np.int32)
    whole = csr_array((capacity, (tails, heads)), shape=(n + 2, n + 2))
    residual = whole - maximum_flow(whole, source, sink).flow
    residual.data = (residual.data > 0).astype(np.int8)
    residual.eliminate_zeros()
    start, graph = (source, residual) if most else (sink, residual.T.tocsr())
    reached = np.zeros(n + 2, dtype=bool)
    reached[breadth_first_order(graph, start, return_predecessors=False)] = True
    return ~reached[:n] if most else reached[:n]
