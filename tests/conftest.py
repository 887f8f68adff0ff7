"""Every test has a store, figures and executed notebooks of its own."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("ALNB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ALNB_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("ALNB_EXECUTED", str(tmp_path / "executed"))
    monkeypatch.delenv("ALNB_PROFILE", raising=False)
    monkeypatch.delenv("ALNB_PARAMETERS", raising=False)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)
