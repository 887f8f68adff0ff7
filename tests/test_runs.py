import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alnb.errors import BadRequest
from alnb.runs import Run, Step, answered, coerce, numpy_stream, stream, with_needs
from tests import toy_study


def toy(**settings):
    return Run("tests.toy_study", "people", "encoder", 0, settings)


def test_the_key_is_the_hash_of_a_description_one_can_write_by_hand():
    described = {"study": "toy", "revision": 1, "dataset": "people", "method": "encoder", "seed": 0}
    described |= {"settings": {"rounds": 5}, "needs": {}}
    by_hand = json.dumps(described, sort_keys=True, separators=(",", ":")).encode()
    assert toy(rounds=5).key == hashlib.sha256(by_hand).hexdigest()


def test_a_setting_at_its_default_is_no_part_of_the_key_and_values_are_coerced():
    assert toy().key == toy(rounds=3).key == toy(rounds=3.0).key
    assert toy(rounds=4).key != toy().key


def test_needs_and_seed_are_part_of_the_key_and_what_travels_is_not():
    pairs = toy_study.runs([0])[0]
    assert pairs.key != Run("tests.toy_study", "people", "pairs", 0).key
    assert (
        Run("tests.toy_study", "people", "pairs", 0, carry=print).key
        == Run("tests.toy_study", "people", "pairs", 0).key
    )
    assert toy_study.runs([0])[0].key != toy_study.runs([1])[0].key


def test_unknown_settings_and_wrong_types_are_refused_by_name():
    with pytest.raises(BadRequest, match="unknown setting roundz"):
        toy(roundz=3)
    for bad in ("3", 3.5, True, None):
        with pytest.raises(BadRequest, match="rounds"):
            toy(rounds=bad)


@given(st.integers(-(10**9), 10**9))
def test_whole_floats_are_ints_and_ints_are_floats(n):
    assert coerce(float(n), int, "n") == n
    assert isinstance(coerce(n, float, "n"), float)


def test_a_needed_run_comes_first_and_once():
    ordered = with_needs(toy_study.runs([0, 1]) + toy_study.runs([0]))
    assert [run.method for run in ordered] == ["encoder", "pairs", "encoder", "pairs"]


def test_streams_differ_by_seed_name_and_cycle_and_never_by_process():
    assert len({stream(s, n, c) for s in range(3) for n in ("a", "b") for c in range(3)}) == 18
    here = numpy_stream(7, "data order", 2).integers(10**9)
    program = "from alnb.runs import numpy_stream; print(numpy_stream(7, 'data order', 2).integers(10**9))"
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(there.stdout) == here


def test_a_generator_that_asks_is_answered_query_by_query_and_gives_its_step():
    asked = []

    def talk(count):
        said = []
        for i in range(count):
            said.append((yield [i, i + 1]))
        return Step([{"kind": "said", "yes": sum(said)}], done=True)

    step = answered(talk(4), lambda query: asked.append(query) or query[0] % 2 == 0)
    assert asked == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert step.rows == [{"kind": "said", "yes": 2}]
    assert step.done
    assert answered(talk(0), lambda query: 1 / 0).rows == [{"kind": "said", "yes": 0}]


def test_what_the_truth_raises_is_not_taken_for_the_end():
    def talk():
        yield 1
        return Step([])

    with pytest.raises(StopIteration):
        answered(talk(), lambda query: next(iter(())))
