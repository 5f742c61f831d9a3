"""Estimators of the KL divergence from the policy to a frozen reference, per token.

Source: J. Schulman, "Approximating KL divergence", 2020. With d = log pi_ref - log pi on tokens sampled from
pi:

====== ========================== ==========================================================
k1     -d                         unbiased, high variance, may be negative
abs    ``|d|``                    biased
k2     d^2 / 2                    biased, low variance
k3     exp(d) - d - 1             unbiased, low variance, never negative (``low_var_kl``)
====== ========================== ==========================================================

k3 is clamped to [-10, 10] as in the published code; outside the gradient is exactly 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

KLKind = Literal["k1", "abs", "k2", "k3"]

K3_CLAMP = 10.0
"""Bound on the k3 estimate of one token, nats."""
_MAX_EXPONENT = 20.0
"""k3 is far beyond its clamp here; the bound keeps exp() finite in float32."""


def kl_estimate(logprobs: Tensor, reference_logprobs: Tensor, kind: KLKind = "k3") -> Tensor:
    """Per-token estimate of KL(pi || pi_ref) in nats.

    Args:
        logprobs: [...] log pi of the sampled tokens; gradients flow through it.
        reference_logprobs: [...] the same tokens under the frozen reference.
        kind: one row of the table above.

    Returns:
        [...] estimates, to be aggregated with weights of ``aggregate.py``.

    Raises:
        ValueError: unknown ``kind``.
    """
    d = reference_logprobs - logprobs
    if kind == "k1":
        return -d
    if kind == "abs":
        return d.abs()
    if kind == "k2":
        return 0.5 * d.square()
    if kind == "k3":
        k3 = torch.exp(d.clamp_max(_MAX_EXPONENT)) - d - 1.0
        return k3.clamp(-K3_CLAMP, K3_CLAMP)
    raise ValueError(f"Unknown KL estimator {kind!r}; choose one of k1, abs, k2, k3.")
