"""How many cores there are, and what is written where."""

import pytest

from alnb import machine


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, float("inf")),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ({"cpu.max": "nonsense"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_the_limit_of_a_container_is_read(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert machine._paid(str(tmp_path)) == cores


def test_a_limit_lessens_the_cores_to_one_at_least(monkeypatch):
    for paid, most in ((0.5, 1), (float("inf"), 10_000)):
        monkeypatch.setattr(machine, "_paid", lambda paid=paid: paid)
        assert 1 <= machine.cores() <= most


@pytest.mark.parametrize(("devices", "gpu"), [(["nvidia3", "null"], True), (["nvidiactl", "nvidia-uvm"], False), ([], False)])
def test_a_container_may_be_given_any_of_several_gpus(monkeypatch, devices, gpu):
    monkeypatch.setattr(machine.os, "listdir", lambda path: devices)
    assert machine.has_gpu() is gpu
