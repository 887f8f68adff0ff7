"""What other runs start from may lie beside its record: then it is not computed again, unless it is not what it was."""

import pytest

from alnb import plans, records
from alnb.executor import drive
from alnb.store import Store
from tests import toy_study


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An encoder and a run that needs it; the encoder exported with its weights, and a store that has neither."""
    monkeypatch.setattr(records, "folder", lambda: tmp_path / "data" / "records")
    store, (run,) = Store(tmp_path / "first"), toy_study.runs([0])
    assert not drive([run], store, workers=1, oracle=toy_study.human).failed
    encoder = run.needs["encoder"]
    records.export([encoder], store, weights=True)
    return store, run, encoder, tmp_path / "data" / "weights" / encoder.key[: records.SHORT]


def test_a_run_starts_from_kept_weights_and_gives_the_same(kept, tmp_path):
    store, run, encoder, folder = kept
    assert sorted(path.name for path in folder.iterdir()) == ["state.json", "weights.pt"]
    elsewhere = Store(tmp_path / "elsewhere")
    assert plans.standing([run], "laptop", elsewhere).lacking == {}
    outcome = drive([run], elsewhere, workers=1, oracle=toy_study.human)
    assert not outcome.failed
    assert outcome.computed == run.steps  # none of the encoder
    assert not elsewhere.read(encoder).steps
    assert elsewhere.read(run).rows == store.read(run).rows


def test_weights_that_are_not_what_the_record_says_are_computed_again(kept, tmp_path):
    store, run, encoder, folder = kept
    body = (folder / "weights.pt").read_bytes()
    (folder / "weights.pt").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    elsewhere = Store(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="is not what the record says; its run is computed again"):
        outcome = drive([run], elsewhere, workers=1, oracle=toy_study.human)
    assert not outcome.failed
    assert outcome.computed == run.steps + encoder.steps
    assert elsewhere.read(run).rows == store.read(run).rows


def test_weights_that_went_missing_are_computed_again(kept, tmp_path):
    _, run, encoder, folder = kept
    (folder / "state.json").unlink()
    assert not records.starts_from(encoder)
    assert drive([run], Store(tmp_path / "elsewhere"), workers=1, oracle=toy_study.human).computed == run.steps + encoder.steps


def test_who_asks_for_the_encoder_itself_gets_it_computed(kept, tmp_path):
    _, _, encoder, _ = kept
    assert drive([encoder], Store(tmp_path / "elsewhere"), workers=1).computed == encoder.steps


def test_large_weights_are_not_kept(kept, tmp_path, monkeypatch):
    store, _, encoder, _ = kept
    monkeypatch.setattr(records, "LARGEST", 100)
    records.export([encoder], store, tmp_path / "other" / "records", weights=True)
    assert not (tmp_path / "other" / "weights").exists()
    assert records.steps(encoder, tmp_path / "other" / "records")


def test_weights_can_be_added_to_a_record_that_is_there(kept, tmp_path):
    store, _, encoder, _ = kept
    where = tmp_path / "other" / "records"
    assert records.export([encoder], store, where).added == 1
    assert not records.starts_from(encoder, where)
    assert records.export([encoder], store, where, weights=True).added == 1
    assert records.starts_from(encoder, where)
    assert records.export([encoder], store, where, weights=True) == records.Exported(equal=1)
    assert records.final(encoder, where).blobs["weights"]["w"].tolist() == store.final(encoder).blobs["weights"]["w"].tolist()
