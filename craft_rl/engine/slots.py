"""Key-value cache whose rows outlive a call, so that an episode's tokens are encoded once."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Cache

COLUMNS = 128
"""Buffers grow by multiples of this many columns."""


class SlotCache(Cache):  # type: ignore[misc]
    """Per-layer buffers [slots, heads, columns + 1, head_dim]: a slot per episode, a column per position.

    The model sees it as an ordinary ``transformers`` cache. Before each forward pass the caller says which
    slots are in the batch, at which column each token is written, and how many columns attention reads
    (``plan``). Padding is written to the extra last column, which attention never reads. Heads come before
    columns in memory because attention with one query per slot is bound by reading keys and values; this
    order reads them without strides.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__(layers=[])
        self.device = device
        self.slots = 0
        self.columns = 0
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._rows: slice | torch.Tensor = slice(0, 0)
        self._write: tuple[torch.Tensor, torch.Tensor] = (torch.empty(0), torch.empty(0))
        self._flat: dict[int, torch.Tensor] = {}
        self._read = 0

    @property
    def trash(self) -> int:
        """The column that takes what must not be kept."""
        return self.columns

    def reserve(self, slots: int, columns: int) -> None:
        """Grow to at least so many slots and columns, keeping what is stored."""
        if slots <= self.slots and columns <= self.columns:
            return
        if columns > self.columns:
            wanted = max(columns, min(2 * self.columns, columns + 1024))
            columns = -(-wanted // COLUMNS) * COLUMNS
        else:
            columns = self.columns
        slots = max(slots, self.slots)
        for tensors in (self._keys, self._values):
            for layer, old in enumerate(tensors):
                new = old.new_zeros((slots, old.shape[1], columns + 1, old.shape[3]))
                new[: self.slots, :, : self.columns] = old[:, :, : self.columns]
                tensors[layer] = new
        self.slots, self.columns = slots, columns

    def plan(self, rows: slice | torch.Tensor, row_ids: torch.Tensor, write: torch.Tensor, read: int) -> None:
        """Describe the next forward pass.

        Args:
            rows: the slots of the batch, as a slice where they are neighbours (no copy), else int64 [n].
            row_ids: the same as int64 [n].
            write: int64 [n, T], the column of each token.
            read: attention sees columns 0 .. read - 1.
        """
        self._rows = rows
        self._write = (row_ids, write)
        self._flat = {}
        self._read = read

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store [n, heads, T, dim] as planned; returns what attention reads, [n, heads, read, dim]."""
        while len(self._keys) <= layer_idx:
            for tensors, states in ((self._keys, key_states), (self._values, value_states)):
                shape = (self.slots, states.shape[1], self.columns + 1, states.shape[3])
                # Zeros, not uninitialised memory: a masked NaN still poisons attention (0 * NaN).
                tensors.append(states.new_zeros(shape))
        keys = self._store(self._keys[layer_idx], key_states)
        return keys, self._store(self._values[layer_idx], value_states)

    def _store(self, buffer: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        heads, dim = buffer.shape[1], buffer.shape[3]
        flat = self._flat.get(heads)
        if flat is None:
            row_ids, write = self._write
            head = torch.arange(heads, device=self.device).view(1, heads, 1)
            flat = (row_ids.view(-1, 1, 1) * heads + head) * (self.columns + 1) + write.unsqueeze(1)
            flat = self._flat[heads] = flat.reshape(-1)
        buffer.view(-1, dim).index_copy_(0, flat, states.reshape(-1, dim))
        if isinstance(self._rows, slice):
            return buffer[self._rows, :, : self._read]
        return buffer[:, :, : self._read].index_select(0, self._rows)

    def swap(self, pairs: list[tuple[int, int]], columns: int) -> None:
        """Exchange the first ``columns`` columns of both slots of every pair; no slot occurs twice."""
        if not pairs:
            return
        left = torch.tensor([a for a, _ in pairs], device=self.device)
        right = torch.tensor([b for _, b in pairs], device=self.device)
        for buffer in (*self._keys, *self._values):
            view = buffer[:, :, :columns]
            kept = view.index_select(0, left)
            view.index_copy_(0, left, view.index_select(0, right))
            view.index_copy_(0, right, kept)

    # What the model asks of any cache; masks and positions are handed in, so these only have to be harmless.

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns that attention reads in the planned pass."""
        return self._read

    def get_mask_sizes(self, query_length: Any, layer_idx: int = 0) -> tuple[int, int]:
        """(number of columns, offset of the first)."""
        return self._read, 0
