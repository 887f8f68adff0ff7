from types import SimpleNamespace

import pytest

from alnb import datasets
from alnb.datasets import Info
from alnb.errors import BadRequest
from alnb.tasks import classification, features


@pytest.fixture
def served(monkeypatch):
    """A dataset of videos called films."""
    about = Info("films", False, 3, "embedded", "none", images=False, videos=True, train=9)
    module = SimpleNamespace(__name__="films", INFO={"films": about}, load=lambda name, root: "the videos")
    monkeypatch.setattr(datasets, "_modules", lambda: {"films": module})


@pytest.mark.usefixtures("served")
def test_tasks_of_images_refuse_videos():
    with pytest.raises(BadRequest, match="films holds videos"):
        classification.check(classification.Settings(), "films")
    run = SimpleNamespace(dataset="films", options=features.Settings(task="features"), description={"settings": {}})
    with pytest.raises(BadRequest, match="films holds videos"):
        features.check(run)


@pytest.mark.usefixtures("served")
def test_a_notebook_loads_videos():
    from alnb.notebooks import Notebook

    assert Notebook.load(SimpleNamespace(), {"dataset": "films"}) == "the videos"
