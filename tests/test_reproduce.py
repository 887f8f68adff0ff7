"""`alnb reproduce`: what is only drawn is drawn side by side, what each says stays together, an interrupt ends all."""

import json
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from filelock import FileLock

from alnb import REPOSITORY, figures, reproduce
from tests.test_executor import alive, children, command_line


def drawn(*profiles):
    return [SimpleNamespace(name="01_toy", profile=profile) for profile in profiles]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A program in Python's place: it says what it was asked, does what `body` says, says it again."""

    def put(body):
        program = tmp_path / "python"
        program.write_text(
            f'#!/bin/sh\nprofile=$7\necho "out $* draw=$ALNB_DRAW"\ncd {tmp_path}\n{body}\necho "err $profile" >&2\n'
            "test $profile != bad || exit 2\ntest $profile != worse || kill -9 $$\n"
        )
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return put


def test_two_at_once_each_in_one_piece_and_a_failure_is_told(stand_in, capfd):
    stand_in(
        "touch $profile; for i in $(seq 3000); do test -e world -a -e bad && break; sleep 0.02; done"
    )  # each waits for the other
    assert reproduce.draw(drawn("world", "bad"), 2) == 2
    out, err = capfd.readouterr()
    pieces = {
        f"== 01_toy, {p}\nout -u -m alnb.cli run 01_toy --profile {p} draw=1\nerr {p}\n" for p in ("world", "bad")
    }
    assert {f"== {piece}" for piece in out.split("== ")[1:]} == pieces
    assert err == "alnb: drawing 01_toy at bad failed\n"


def test_never_more_than_asked_for_in_order_and_one_that_was_killed_has_failed(stand_in, capfd):
    stand_in("mkdir held || exit 3; sleep 0.2; rmdir held")  # a second one beside it would find it held
    assert reproduce.draw(drawn("worse", "world", "paper"), 1) == 1
    said = [line for line in capfd.readouterr().out.splitlines() if line.startswith("==")]
    assert said == ["== 01_toy, worse", "== 01_toy, world", "== 01_toy, paper"]
    assert reproduce.draw([], 2) == 0


INTERRUPTED = """
from alnb import cli, plans, reproduce
cli.reproduce = lambda options: reproduce.draw([plans.plan(name, "reduced") for name in plans.names()[:2]], 2)
raise SystemExit(cli.main(["reproduce"]))
"""


@pytest.mark.alone
def test_an_interrupt_ends_all_that_are_drawn_and_their_kernels():
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite begun in the background ignores it
    )  # fmt: skip
    below, deadline = [], time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        below = children(process.pid)
        if any("ipykernel" in command_line(pid) for pid in below):
            break
        time.sleep(0.1)
    assert sum("alnb.cli" in command_line(pid) for pid in below) == 2, "they do not run side by side"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "alnb: interrupted; what was finished is kept\n")
    deadline = time.monotonic() + 60
    while alive(below) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(below) == []


def test_the_manifest_is_read_and_written_by_one_process_at_a_time(tmp_path):
    rebuilt = threading.Thread(target=figures.rebuild, args=[tmp_path], daemon=True)
    with FileLock(tmp_path / ".manifest.lock"):
        rebuilt.start()
        rebuilt.join(0.5)  # it had the time to overlook the sidecar that comes next
        assert not (tmp_path / "manifest.json").exists()
        (tmp_path / "late.json").write_text('{"id": "late"}')
    rebuilt.join()
    assert json.loads((tmp_path / "manifest.json").read_text()) == [{"id": "late"}]
