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
    (tmp_path / "own").write_text("")
    assert machine._paid(str(tmp_path), str(tmp_path / "own")) == cores


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/a.slice/b.scope", {"a.slice/cpu.max": "200000 100000", "a.slice/b.scope/cpu.max": "max 100000"}, 2),
        ("0::/a.slice/b.scope", {"cpu.max": "300000 100000", "a.slice/b.scope/cpu.max": "400000 100000"}, 3),
        ("0::/a.slice/b.scope", {"a.slice/cpu.max": "200000 100000", "a.slice/b.scope/cpu.max": "50000 100000"}, 0.5),
        ("0::/a", {"b/cpu.max": "50000 100000", "a/cpu.max": "nonsense"}, float("inf")),
        ("0::/../x", {"cpu.max": "50000 100000"}, 0.5),
        ("9:name=systemd:/x\n4:cpu,cpuacct:/docker/a:b",
         {"cpu/docker/a:b/cpu.cfs_quota_us": "150000", "cpu/docker/a:b/cpu.cfs_period_us": "100000"}, 1.5),
        ("no group", {"cpu.max": "100000 100000"}, 1),
    ],
)  # fmt: skip
def test_the_least_limit_of_the_groups_around_a_process_counts(tmp_path, own, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "own").write_text(own + "\n")
    assert machine._paid(str(tmp_path), str(tmp_path / "own")) == cores


def test_a_limit_lessens_the_cores_to_one_at_least(monkeypatch):
    for paid, most in ((0.5, 1), (float("inf"), 10_000)):
        monkeypatch.setattr(machine, "_paid", lambda paid=paid: paid)
        assert 1 <= machine.cores() <= most


@pytest.mark.parametrize(("devices", "gpu"), [(["nvidia3", "null"], True), (["nvidiactl", "nvidia-uvm"], False), ([], False)])
def test_a_container_may_be_given_any_of_several_gpus(monkeypatch, devices, gpu):
    monkeypatch.setattr(machine.os, "listdir", lambda path: devices)
    assert machine.has_gpu() is gpu
