"""Logistic regression on one number."""

from __future__ import annotations


def logistic(d, same, ridge: float = 1e-6, steps: int = 50) -> tuple[float, float]:
    """(intercept, slope) of P(same | d) = 1 / (1 + exp(-(intercept + slope d))) of largest likelihood, by Newton's method; d
    (n,), same (n,) bool with both answers. The ridge keeps the slope finite where the two part."""
    import torch

    mean, scale = d.double().mean(), d.double().std().clamp_min(1e-12)
    x = torch.stack([torch.ones_like(d), (d - mean) / scale], 1).double()
    w, y, penalty = (
        torch.zeros(2, dtype=torch.float64),
        same.double(),
        ridge * len(d) * torch.eye(2, dtype=torch.float64),
    )
    for _ in range(steps):
        p = torch.sigmoid(x @ w)
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + penalty
        move = torch.linalg.solve(hessian, x.T @ (y - p) - penalty @ w)
        w = w + move.clamp(-2, 2)
        if float(move.abs().max()) < 1e-10:
            break
    return float(w[0] - w[1] * mean / scale), float(w[1] / scale)
