"""Trajectories as JSON lines, ids included, so that training can read back exactly what was played.

One line per trajectory. A step whose prompt begins with the step before (its prompt, its completion) stores
only the ids that were added, so a file grows with the length of an episode instead of its square.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from craft_envs.data import atomic_write
from craft_envs.errors import DataMismatch, DataNotFound
from craft_rl.agent.history import IdBuffer
from craft_rl.types import IntArray, ParseOutcome, Step, Trajectory, TrajectoryStatus

FORMAT = "craft-trajectory/1"


def save_trajectories(path: str | os.PathLike[str], trajectories: Iterable[Trajectory]) -> int:
    """Write a file whole or not at all; the number of trajectories.

    Raises:
        OSError: the disk is full or the place cannot be written; a former file stays.
    """
    count = 0
    with atomic_write(path, "w") as file:
        for trajectory in trajectories:
            file.write(json.dumps(to_record(trajectory), allow_nan=False) + "\n")
            count += 1
    return count


def load_trajectories(path: str | os.PathLike[str]) -> Iterator[Trajectory]:
    """The trajectories of a file, one after another.

    Raises:
        DataNotFound: no such file.
        DataMismatch: a line is cut, or is of another format.
    """
    place = Path(path)
    if not place.is_file():
        raise DataNotFound(
            "no file of trajectories", where=str(place), remedy="record one with `craft demos`"
        )
    with open(place, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield from_record(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataMismatch(
                    f"the line is not a trajectory of {FORMAT} ({type(error).__name__}: {error})",
                    where=f"{place}:{number}",
                    remedy="the file is cut or was written by another version; record it again",
                ) from error


def to_record(trajectory: Trajectory) -> dict[str, Any]:
    """A dictionary of plain values; ``from_record`` is its inverse."""
    steps = []
    before: tuple[IntArray, IntArray] | None = None
    for step in trajectory.steps:
        held = _extended_length(before, step.prompt_ids)
        steps.append(
            {
                "observation": step.observation,
                "response": step.response,
                "action": step.action,
                "prompt_kept": held,
                "prompt_added": step.prompt_ids[held:].tolist(),
                "completion_ids": step.completion_ids.tolist(),
                "completion_logprobs": step.completion_logprobs.tolist(),
                "reward": step.reward,
                "anchor": step.anchor,
                "action_valid": step.action_valid,
                "parse": step.parse.value,
                "imitate": step.imitate,
                "policy_version": step.policy_version,
                "seconds": step.seconds,
            }
        )
        before = step.prompt_ids, step.completion_ids
    return {
        "format": FORMAT,
        "task_id": trajectory.task_id,
        "task_type": trajectory.task_type,
        "seed": trajectory.seed,
        "group_id": trajectory.group_id,
        "sibling": trajectory.sibling,
        "status": trajectory.status.value,
        "return": trajectory.return_,
        "score": trajectory.score,
        "failure": trajectory.failure,
        "steps": steps,
    }


def from_record(record: dict[str, Any]) -> Trajectory:
    """The trajectory of a dictionary that ``to_record`` made.

    Raises:
        ValueError: another format, or a step that extends what is not there.
        KeyError: an entry is missing.
    """
    if record.get("format") != FORMAT:
        raise ValueError(f"format is {record.get('format')!r}")
    steps: list[Step] = []
    buffer = IdBuffer()
    for row in record["steps"]:
        added = np.array(row["prompt_added"], np.int32)
        completion = np.array(row["completion_ids"], np.int32)
        kept = int(row["prompt_kept"])
        if kept:
            if not steps or len(steps[-1].prompt_ids) + len(steps[-1].completion_ids) != kept:
                raise ValueError(f"a step extends {kept} ids that the step before does not have")
            together = np.concatenate([steps[-1].prompt_ids, steps[-1].completion_ids])
            prompt = buffer.grow(np.concatenate([together, added]))
        else:
            buffer = IdBuffer()
            prompt = buffer.begin(added)
        logprobs = np.array(row["completion_logprobs"], np.float32)
        if len(logprobs) != len(completion):
            raise ValueError(f"{len(completion)} sampled ids have {len(logprobs)} log-probs")
        steps.append(
            Step(
                observation=row["observation"],
                response=row["response"],
                action=row["action"],
                prompt_ids=prompt,
                completion_ids=completion,
                completion_logprobs=logprobs,
                reward=row["reward"],
                anchor=row["anchor"],
                action_valid=row["action_valid"],
                parse=ParseOutcome(row["parse"]),
                imitate=row["imitate"],
                policy_version=row["policy_version"],
                seconds=row["seconds"],
            )
        )
    return Trajectory(
        task_id=record["task_id"],
        task_type=record["task_type"],
        seed=record["seed"],
        group_id=record["group_id"],
        sibling=record["sibling"],
        steps=tuple(steps),
        status=TrajectoryStatus(record["status"]),
        return_=record["return"],
        score=record["score"],
        failure=record["failure"],
    )


def _extended_length(before: tuple[IntArray, IntArray] | None, prompt: IntArray) -> int:
    """How many ids of the prompt are the step before in full; 0 when it is a fresh prompt."""
    if before is None:
        return 0
    p, c = len(before[0]), len(before[1])
    if len(prompt) < p + c:
        return 0
    same = np.array_equal(prompt[:p], before[0]) and np.array_equal(prompt[p : p + c], before[1])
    return p + c if same else 0
