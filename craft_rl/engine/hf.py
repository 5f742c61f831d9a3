"""Batched sampling from a transformers model, with a cache that lives across the steps of an episode."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from craft_envs.errors import ConfigError
from craft_rl.engine.compatible import check_against_plain, refuse_other_caches
from craft_rl.engine.plain import PlainEngine, check_logprob, check_requests
from craft_rl.engine.protocol import Completion, Engine, EngineCounters, Request
from craft_rl.engine.sampling import Sampler
from craft_rl.engine.slots import COLUMNS, SlotCache
from craft_rl.types import IntArray

_READ = 64
"""Attention reads a multiple of this many columns while decoding."""


@dataclass(slots=True)
class _Session:
    """What one slot holds."""

    slot: int
    ids: IntArray
    """The tokens at columns 0, 1, ... that are encoded."""
    used: int
    """Number of the call that used it last."""


@dataclass(slots=True)
class _Work:
    """One request while it is being served."""

    request: Request
    session: _Session
    limit: int
    """Most tokens that may be sampled."""
    stops: frozenset[int]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Literal["stop", "length"] = "length"


class HFEngine:
    """Sampling from a ``transformers`` causal language model.

    How a call runs: sessions of the call get the front slots; prompt ids that are not cached yet, all but the
    last of each prompt, are encoded in chunks; then all rows decode together, one token a pass, beginning
    with the last prompt id. Rows that have finished drop out.

    Neighbours do not touch a request's tokens, to the last bit on CPU: rows of a matrix product do not depend
    on the number of rows once there are a few (short batches are padded), and a prompt is encoded with a
    number of columns that its own length decides.

    Args:
        model: a causal language model with full attention in all layers; moved or trained by its owner.
        slots: most rows decoded together, also most episodes whose cache is kept. When more are alive, the
            least recently used makes room (``counters.caches_evicted``); its next step encodes it again.
        max_context: most tokens of prompt and completion together.
        prefill_tokens: most tokens, padding included, that are encoded in one pass; by default 1024 on CPU,
            where small passes of similar lengths waste least, 16384 elsewhere.

    Raises:
        ConfigError: the model needs another kind of cache, or the cache does not reproduce its log-probs.
    """

    def __init__(
        self, model: Any, *, slots: int, max_context: int, prefill_tokens: int | None = None
    ) -> None:
        if slots < 1:
            raise ConfigError(
                f"slots must be at least 1, got {slots}.", where="HFEngine", remedy="Use 16 or more."
            )
        limit = getattr(model.config, "max_position_embeddings", None)
        if max_context < 2 or (limit is not None and max_context > limit):
            raise ConfigError(
                f"max_context is {max_context}, the model's positions allow 2 to {limit}.",
                where="HFEngine",
                remedy="Lower max_context or choose a model with a longer context.",
            )
        self.model = model
        self.slots = slots
        self.max_context = max_context
        on_cpu = next(model.parameters()).device.type == "cpu"
        self.prefill_tokens = prefill_tokens or (1024 if on_cpu else 16384)
        self.policy_version = 0
        self.counters = EngineCounters()
        weights = next(model.parameters())
        self._device, self._dtype = weights.device, weights.dtype
        self._sessions: dict[str, _Session] = {}
        self._owner: list[str | None] = []
        self._calls = 0
        self._cache = SlotCache(self._device)
        refuse_other_caches(model, max_context)
        check_against_plain(self)
        self.counters = EngineCounters()
        self._drop_all()

    # ------------------------------------------------------------------ the protocol

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion per request, in order; see ``Engine.generate``.

        More requests than slots run one group of ``slots`` after another.
        """
        check_requests(requests, self.max_context)
        training = self.model.training
        if training:
            self.model.eval()
        try:
            done: list[Completion] = []
            for start in range(0, len(requests), self.slots):
                done.extend(self._serve(requests[start : start + self.slots]))
            return done
        except BaseException:
            # Half-written slots must not be taken for encoded ones by the next call.
            self._drop_all()
            raise
        finally:
            if training:
                self.model.train()

    def release(self, session_id: str) -> None:
        """The episode is over: its slot is free. Unknown sessions are ignored."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._owner[session.slot] = None

    def set_policy_version(self, version: int) -> None:
        """The weights have changed: every cache is dropped."""
        self.policy_version = version
        self._drop_all()

    # ------------------------------------------------------------------ one wave of requests

    @property
    def _min_rows(self) -> int:
        """Fewest rows of a pass."""
        # Matrix products of one to three rows sum in another order on CPU; threads split the rows among them.
        return 8 * torch.get_num_threads() if self._device.type == "cpu" else 1

    def _serve(self, requests: Sequence[Request]) -> list[Completion]:
        started = time.perf_counter()
        self._calls += 1
        longest = max(min(len(r.prompt_ids) + r.max_new_tokens, self.max_context) for r in requests)
        self._cache.reserve(self._cache.slots, longest)
        works = self._seat(requests)
        self._prefill(works)
        prefilled = time.perf_counter()
        self.counters.seconds_prefill += prefilled - started
        self._decode(works)
        for work in works:
            sampled = np.asarray(work.tokens, dtype=np.int32)
            # The last token was sampled but never fed back, so it is not in the cache.
            work.session.ids = np.concatenate([work.request.prompt_ids, sampled[:-1]])
            self.counters.tokens_sampled += len(sampled)
        self.counters.seconds_decode += time.perf_counter() - prefilled
        return [
            Completion(
                request_id=work.request.request_id,
                token_ids=np.asarray(work.tokens, dtype=np.int32),
                logprobs=np.asarray(work.logprobs, dtype=np.float32),
                finish=work.finish,
            )
            for work in works
        ]

    def _seat(self, requests: Sequence[Request]) -> list[_Work]:
        """Bring the sessions of the call into the front slots; the least recently used others make room."""
        n = len(requests)
        wanted = {r.session_id for r in requests}
        newcomers = [r.session_id for r in requests if r.session_id not in self._sessions]
        surplus = len(self._sessions) + len(newcomers) - self.slots
        if surplus > 0:
            idle = sorted((s.used, name) for name, s in self._sessions.items() if name not in wanted)
            for _, name in idle[:surplus]:
                self.release(name)
                self.counters.caches_evicted += 1
        needed = max(len(self._sessions) + len(newcomers), self._min_rows)
        if needed > self._cache.slots:
            self._cache.reserve(max(needed, min(2 * self._cache.slots, self.slots)), self._cache.columns)
            self._owner.extend([None] * (self._cache.slots - len(self._owner)))
        free = (slot for slot, owner in enumerate(self._owner) if owner is None)
        for name in newcomers:
            slot = next(free)
            self._owner[slot] = name
            self._sessions[name] = _Session(slot=slot, ids=np.empty(0, dtype=np.int32), used=self._calls)
        holes = [s for s in range(n) if self._owner[s] not in wanted]
        behind = [slot for r in requests if (slot := self._sessions[r.session_id].slot) >= n]
        pairs = list(zip(behind, holes, strict=True))
        self._exchange(pairs, max(len(s.ids) for s in self._sessions.values()))
        works = []
        for r in requests:
            session = self._sessions[r.session_id]
            session.used = self._calls
            # The last prompt id always goes through the model: its output is the first distribution.
            session.ids = session.ids[: min(_common(session.ids, r.prompt_ids), len(r.prompt_ids) - 1)]
            limit = min(r.max_new_tokens, self.max_context - len(r.prompt_ids))
            works.append(_Work(r, session, limit, frozenset(r.stop_ids)))
        return works

    def _prefill(self, works: list[_Work]) -> None:
        """Encode all prompt ids that are not cached, but for the last of each prompt."""
        todo = []
        for work in works:
            known, total = len(work.session.ids), len(work.request.prompt_ids)
            self.counters.prompt_tokens_given += total
            self.counters.prompt_tokens_encoded += total - known
            if total - 1 > known:
                # Rounded by the request's own length, so that no neighbour decides how its sums are split.
                columns = min(-(-(total - 1) // COLUMNS) * COLUMNS, self._cache.columns)
                todo.append((columns, total - 1 - known, work))
        todo.sort(key=lambda item: item[:2])
        start = 0
        while start < len(todo):
            columns = todo[start][0]
            end = start + 1
            # Sorted by length, so the newest member of a chunk is its longest.
            while (
                end < len(todo)
                and todo[end][0] == columns
                and (end - start + 1) * todo[end][1] <= self.prefill_tokens
            ):
                end += 1
            self._encode([work for _, _, work in todo[start:end]], todo[end - 1][1], columns)
            start = end

    def _encode(self, works: list[_Work], longest: int, columns: int) -> None:
        n = len(works)
        # Attention takes queries in blocks; a last block of one to three would sum in another order.
        width = -(-max(longest, -(-self._min_rows // n)) // 8) * 8
        ids = np.zeros((n, width), dtype=np.int64)
        position = np.zeros((n, width), dtype=np.int64)
        write = np.full((n, width), self._cache.trash, dtype=np.int64)
        for i, work in enumerate(works):
            known, total = len(work.session.ids), len(work.request.prompt_ids) - 1
            new = total - known
            ids[i, :new] = work.request.prompt_ids[known:total]
            position[i, :new] = write[i, :new] = np.arange(known, total)
        slots = [work.session.slot for work in works]
        rows: slice | torch.Tensor
        row_ids = torch.tensor(slots, device=self._device)
        if slots == list(range(slots[0], slots[0] + n)):
            rows = slice(slots[0], slots[0] + n)
        else:
            rows = row_ids
        positions = torch.from_numpy(position).to(self._device)
        self._cache.plan(rows, row_ids, torch.from_numpy(write).to(self._device), columns)
        seen = torch.arange(columns, device=self._device) <= positions.unsqueeze(-1)
        mask = self._additive(seen)
        self.model(
            input_ids=torch.from_numpy(ids).to(self._device),
            position_ids=positions,
            attention_mask=mask.unsqueeze(1),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )

    def _decode(self, works: list[_Work]) -> None:
        """Sample all rows to their end; row i of the tensors is slot i."""
        n = len(works)
        floor = self._min_rows
        rows: list[_Work | None] = [None] * max(n, floor)
        for work in works:
            rows[work.session.slot] = work
        sampler = Sampler([(work or works[0]).request for work in rows], self._device)
        last = [0 if w is None else int(w.request.prompt_ids[-1]) for w in rows]
        at = [0 if w is None else len(w.request.prompt_ids) - 1 for w in rows]
        tokens = torch.tensor(last, device=self._device)
        position = torch.tensor(at, device=self._device)
        # Idle rows stay at position 0, write to the trash column and see only column 0.
        advance = torch.tensor([int(w is not None) for w in rows], device=self._device)
        write = torch.where(advance.bool(), position, self._cache.trash)
        seen = torch.arange(self._cache.columns, device=self._device) <= position.unsqueeze(1)
        mask = self._additive(seen)
        row_ids = torch.arange(len(rows), device=self._device)
        alive = n
        longest = max(at) + 1
        while True:
            read = min(-(-longest // _READ) * _READ, self._cache.columns)
            self._cache.plan(slice(0, len(rows)), row_ids, write.unsqueeze(1), read)
            logits = self.model(
                input_ids=tokens.unsqueeze(1),
                position_ids=position.unsqueeze(1),
                attention_mask=mask[:, None, None, :read],
                past_key_values=self._cache,
                use_cache=True,
            ).logits[:, -1]
            tokens, chosen = sampler(logits)
            finished = self._record(rows, tokens.tolist(), chosen.tolist())
            alive -= len(finished)
            if alive == 0:
                return
            if finished:
                for row in finished:
                    rows[row] = None
                gone = torch.tensor(finished, device=self._device)
                position[gone] = 0
                advance[gone] = 0
                write[gone] = self._cache.trash
                mask[gone, 1:] = float("-inf")
                if len(rows) > floor and len(rows) - alive >= max(4, len(rows) // 4):
                    order = self._compact(rows, max(alive, floor), longest)
                    tokens, position, advance = tokens[order], position[order], advance[order]
                    write, mask, row_ids = write[order], mask[order], row_ids[: len(order)]
                    sampler.keep(order)
            position += advance
            write += advance
            mask.view(-1).index_fill_(0, row_ids * mask.shape[1] + position, 0.0)
            longest += 1

    def _additive(self, seen: torch.Tensor) -> torch.Tensor:
        """0 where True, -inf elsewhere, in the model's type."""
        return torch.zeros(seen.shape, dtype=self._dtype, device=self._device).masked_fill_(~seen, -torch.inf)

    def _record(self, rows: list[_Work | None], tokens: list[int], logprobs: list[float]) -> list[int]:
        """Append each live row's token; returns the rows that have finished."""
        finished = []
        for row, work in enumerate(rows):
            if work is None:
                continue
            token, logprob = tokens[row], logprobs[row]
            check_logprob(logprob, work.request, len(work.tokens) + 1)
            work.tokens.append(token)
            work.logprobs.append(logprob)
            if token in work.stops:
                work.finish = "stop"
                finished.append(row)
            elif len(work.tokens) >= work.limit:
                finished.append(row)
        return finished

    def _compact(self, rows: list[_Work | None], keep: int, columns: int) -> torch.Tensor:
        """Move live rows into the first ``keep`` slots; returns the new order as int64 [keep]."""
        order = list(range(len(rows)))
        holes = [i for i in range(keep) if rows[i] is None]
        movers = [i for i in range(keep, len(rows)) if rows[i] is not None]
        pairs = list(zip(movers, holes, strict=False))
        # The finished episode in the hole keeps its cache: it will come back with its next step.
        self._exchange(pairs, max(columns, max(len(s.ids) for s in self._sessions.values())))
        for source, target in pairs:
            order[target] = source
            rows[target] = rows[source]
        del rows[keep:]
        return torch.tensor(order[:keep], device=self._device)

    def _exchange(self, pairs: list[tuple[int, int]], columns: int) -> None:
        """Swap the owners of slots, and the first columns that they hold."""
        self._cache.swap(pairs, columns)
        for a, b in pairs:
            self._owner[a], self._owner[b] = self._owner[b], self._owner[a]
            for slot in (a, b):
                owner = self._owner[slot]
                if owner is not None:
                    self._sessions[owner].slot = slot

    def _drop_all(self) -> None:
        self._sessions.clear()
        self._owner = [None] * self._cache.slots


def open_engine(model: Any, *, slots: int, max_context: int) -> Engine:
    """The fast engine where the model allows it, else the plain one with a warning that says why."""
    try:
        return HFEngine(model, slots=slots, max_context=max_context)
    except ConfigError as error:
        if max_context < 2 or slots < 1:
            raise
        warnings.warn(f"Sampling without a cache, which is slow: {error}", stacklevel=2)
        return PlainEngine(model, max_context=max_context)


def _common(a: IntArray, b: IntArray) -> int:
    """Length of the longest common prefix."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n
