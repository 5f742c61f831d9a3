"""The two published layouts of what a search brings back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

from craft_envs.errors import ConfigError, one_of, shown

if TYPE_CHECKING:
    from craft_envs.searchqa.retrievers.protocol import Retrieved


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How observations are written."""

    name: str
    passages: Callable[[Sequence[Retrieved]], str]
    """The observation after a search; no passages is a case of its own in neither layout."""
    failure: Callable[[str], str]
    """The observation after a search that broke, for ``on_retrieval_error="observe"``."""
    unusable: str
    """The observation after text that is no action."""


def _search_r1(passages: Sequence[Retrieved]) -> str:
    # Sources: the rollout of Search-R1 (search_r1/llm_agent/generation.py), its logged transcripts.
    # Fields are read by place here, as well as below: properties would be a third of the work.
    lines = [
        f"Doc {number}(Title: {_first_line(title, quoted)}) {text}\n"
        for number, (_, title, text, _, quoted) in enumerate(passages, 1)
    ]
    return _search_r1_block("".join(lines))


def _first_line(title: str, quoted: bool) -> str:
    line = f'"{title}"' if quoted else title
    return line if "\n" not in line else line.partition("\n")[0]


def _search_r1_block(text: str) -> str:
    return f"\n\n<information>{text.strip()}</information>\n\n"


def _verl_agent(passages: Sequence[Retrieved]) -> str:
    # Source: the search tool of SkyRL (skyrl_gym/tools/search.py), which verl-agent took over unchanged; the
    # result is JSON with everything outside ASCII escaped.
    lines = []
    for number, (_, title, text, _, quoted) in enumerate(passages, 1):
        contents = f'"{title}"\n{text}' if quoted else f"{title}\n{text}"
        lines.append(f"Doc {number}: {contents.strip()}\n")
    return _verl_agent_block("".join(lines))


def _verl_agent_block(text: str) -> str:
    # What json.dumps calls for a string in the end; its way there takes a fifth as long again.
    return f'<information>{{"result": {encode_basestring_ascii(text)}}}</information>'


LAYOUTS: Mapping[str, Layout] = {
    "search_r1": Layout(
        name="search_r1",
        passages=_search_r1,
        failure=lambda message: _search_r1_block(f"Search error: {message}"),
        unusable=(
            "\nMy previous action is invalid. If I want to search, I should put the query between <search> "
            "and </search>. If I want to give the final answer, I should put the answer between <answer> "
            "and </answer>. Let me try again.\n"
        ),
    ),
    "verl_agent": Layout(
        name="verl_agent",
        passages=_verl_agent,
        failure=lambda message: _verl_agent_block(f"Search error: {message}"),
        unusable="",
    ),
}
"""Name -> layout: ``obs_format`` of the environment."""


def layout_of(name: object) -> Layout:
    """The layout of this name.

    Raises:
        ConfigError: there is none.
    """
    layout = LAYOUTS.get(name) if isinstance(name, str) else None
    if layout is None:
        raise ConfigError(
            f"obs_format is {shown(name)}",
            remedy=one_of(name, LAYOUTS),
        )
    return layout
