"""The embedder that needs no network."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy
import pytest

from grabient_assets.errors import EmbedderError
from grabient_assets.registry.load import load_registry
from grabient_assets.vectors import local_embedder
from grabient_assets.vectors.local_embedder import LOCAL_EMBEDDER, WEIGHTS, embed_locally

DOCUMENTS = (
    "Grey drifts towards silver like fog over a forest, quiet and cold.",
    "Cherry red meets cream and chrome in an old restaurant with neon signs.",
    "Deep blue sinks into teal, the sea at night under a new moon.",
    "Orange burns into black, embers of a camp fire in the desert.",
)


def test_queries_find_texts_that_share_no_word_with_them() -> None:
    vectors = embed_locally(
        [*DOCUMENTS, "misty woodland morning", "fifties diner", "midnight ocean", "burning bonfire"]
    )
    assert (vectors[4:] @ vectors[:4].T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_vectors_are_of_unit_length_and_do_not_depend_on_their_neighbours() -> None:
    vectors = embed_locally(DOCUMENTS)
    assert vectors.dtype == numpy.float32 and vectors.shape == (4, 256)
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert [embed_locally([text])[0].tobytes() for text in DOCUMENTS] == [row.tobytes() for row in vectors]


def test_fewer_dimensions_are_the_first_ones() -> None:
    whole, cut = embed_locally(DOCUMENTS), embed_locally(DOCUMENTS, 64)
    assert cut.shape == (4, 64)
    first = whole[:, :64] / numpy.linalg.norm(whole[:, :64], axis=1, keepdims=True)
    assert numpy.allclose(cut, first, atol=1e-6)


@pytest.mark.parametrize("text", ["", "🦄", "\u200b", "漢字", "word " * 20_000])
def test_any_text(text: str) -> None:
    [vector] = embed_locally([text])
    assert numpy.isfinite(vector).all()
    assert numpy.linalg.norm(vector) == pytest.approx(1 if text else 0, abs=1e-5)


def test_more_texts_than_are_tokenized_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = embed_locally([*DOCUMENTS, "", *DOCUMENTS])
    monkeypatch.setattr(local_embedder, "AT_ONCE", 2)
    assert embed_locally([*DOCUMENTS, "", *DOCUMENTS]).tobytes() == at_once.tobytes()


def test_no_connection_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    local_embedder._files.cache_clear()
    assert embed_locally(["sea"]).any()


def test_it_stands_in_the_registry_under_its_id() -> None:
    model = load_registry().model("local", LOCAL_EMBEDDER)
    assert model.vectors and (model.vectors.default, model.vectors.least) == (256, 64)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l2.safetensors"
    path.write_bytes(b"other")
    with pytest.raises(
        EmbedderError, match=r"^l2\.safetensors of the package wordllama is not the file that the stored"
    ):
        local_embedder._checked(path, WEIGHTS[1])
    with pytest.raises(EmbedderError, match=r"cannot read gone of the package wordllama \(No such file"):
        local_embedder._checked(tmp_path / "gone", WEIGHTS[1])
