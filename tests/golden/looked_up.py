"""The learner on recorded log-probs instead of a model's."""

from __future__ import annotations

import numpy as np
import torch

from craft_rl.loss_terms import Student
from craft_rl.types import TokenBatch
from craft_rl.update import Learner
from tests.golden.tables import tensor
from tests.rl.tiny_training import tiny_policy


class LookedUp(Learner):
    """The learner whose forward pass is replaced by look-ups, as in the recorded update."""

    def __init__(self, config, logprobs, entropy):
        super().__init__(tiny_policy().model, config, temperature=1.0)
        self.logprobs, self.entropy = logprobs, entropy

    def _score(self, model, micro, *, entropy, cringe=None):
        index = torch.from_numpy(micro.index[micro.loss_mask]).long()
        return index, Student(self.logprobs[index], self.entropy[index] if entropy else None)


def as_batch(mask, advantages, *, group=None, trajectory=None, step=None):
    """Every row as a sequence of its own behind one prompt token; [B, T] values to [N], with the places."""
    kept = [row.nonzero().squeeze(1) for row in mask]
    starts = np.cumsum([0, *(len(row) + 1 for row in kept)]).astype(np.int32)
    loss_mask = np.ones(starts[-1], np.bool_)
    loss_mask[starts[:-1]] = False
    places = torch.cat([row * mask.shape[1] + columns for row, columns in enumerate(kept)])

    def flat(values):
        out = torch.zeros(len(loss_mask), dtype=torch.float64)
        out[torch.from_numpy(loss_mask)] = tensor(values).flatten()[places]
        return out

    names = tuple(f"t{row}" for row in range(len(mask)))
    batch = TokenBatch(
        token_ids=np.full(len(loss_mask), 5, np.int32),
        loss_mask=loss_mask,
        behaviour_logprobs=np.zeros(len(loss_mask), np.float32),
        advantages=flat(advantages).numpy().astype(np.float32),
        sequence_starts=starts,
        step_starts=tuple(np.array([1], np.int32) for _ in kept),
        group_ids=tuple(group) if group else names,
        trajectory_ids=tuple(trajectory) if trajectory else names,
        step_ids=tuple((number,) for number in step or [0] * len(kept)),
    )
    return batch, flat, places
