"""One step of a training: forward, loss, backward, update; on a GPU, on the plain path, as one CUDA graph."""

from __future__ import annotations

import torch

from alnb.errors import BadRequest
from alnb.learning.modes import autocast

EAGER_STEPS = 3  # of a batch size before its CUDA graph is captured: by then kernels are chosen


class Step:
    """(x, y, epoch, rows) -> mean loss (0-d), and which samples were right before the update, (B,) bool, where the
    outputs are logits of classes (B, C) and y classes (B,), else None. On the device, unread."""

    def __init__(self, network, optimiser, loss, device, precision: str):
        self.network, self.optimiser, self.loss = network, optimiser, loss
        self.device, self.precision = device, precision

    def __call__(self, x, y, epoch: int, rows):
        self.optimiser.zero_grad()
        with autocast(self.device, self.precision):
            outputs = self.network(x)
        outputs = _fp32(outputs)
        values = self.loss(outputs, y, epoch, rows)
        if values.shape != rows.shape:
            raise BadRequest(f"a loss gives one value a sample, {tuple(rows.shape)}; given {tuple(values.shape)}")
        loss = values.mean()
        loss.backward()
        self.optimiser.step()
        return loss.detach(), _right(outputs, y)


class GraphedStep(Step):
    """The same for a loss that knows neither epoch nor rows, on a GPU: a graph for each shape of a batch of tensors."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.taken, self.graphs = {}, {}

    def __call__(self, x, y, epoch: int, rows):
        if not isinstance(x, torch.Tensor):
            return super().__call__(x, y, epoch, rows)
        shape = tuple(x.shape)
        if shape not in self.graphs:
            self.taken[shape] = self.taken.get(shape, 0) + 1
            if self.taken[shape] <= EAGER_STEPS:
                return self._aside(x, y, epoch, rows)
            self.graphs[shape] = self._capture(x, y, epoch, rows)
        graph, graph_x, graph_y, result = self.graphs[shape]
        graph_x.copy_(x)
        graph_y.copy_(y)
        graph.replay()
        return result  # the next replay overwrites it, later in the same stream than its reader

    def _aside(self, x, y, *known):
        """An eager step on a side stream, which capturing asks for beforehand; the streams wait for each other."""
        side = torch.cuda.Stream(x.device)
        side.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(side):
            result = super().__call__(x, y, *known)
        torch.cuda.current_stream(x.device).wait_stream(side)
        return result

    def _capture(self, x, y, *known):
        """Record the step with copies of x and y as its inputs: nothing is computed before the first replay."""
        x, y, graph = x.clone(), y.clone(), torch.cuda.CUDAGraph()
        self.optimiser.zero_grad()  # so that the gradients live in the graph's own memory
        with torch.cuda.graph(graph):
            result = super().__call__(x, y, *known)
        return graph, x, y, result


def _fp32(outputs):
    """Tensors of floats, also in dicts, lists and tuples, as fp32."""
    if isinstance(outputs, dict):
        return {name: _fp32(value) for name, value in outputs.items()}
    if isinstance(outputs, (list, tuple)):
        return tuple(map(_fp32, outputs))
    return outputs.float() if isinstance(outputs, torch.Tensor) and outputs.is_floating_point() else outputs


def _right(outputs, y):
    if not isinstance(outputs, torch.Tensor) or not isinstance(y, torch.Tensor):
        return None
    if outputs.ndim != 2 or y.shape != outputs.shape[:1] or y.dtype != torch.int64:
        return None
    return outputs.detach().argmax(1) == y
