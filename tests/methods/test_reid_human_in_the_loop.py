"""DRAL: its equations against hand-worked numbers and plain loops, its loop against other ways to answer, its audit."""

import dataclasses
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import alnb.conversation as conversations
from alnb import datasets, published
from alnb.audits import dral as audits
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning.optimisers import Adam
from alnb.methods import dral_runs
from alnb.methods import reid_human_in_the_loop as dral
from alnb.runs import Run, State, answered, study
from alnb.store import Store
from alnb.tasks import pair_training
from alnb.tasks.pairs import Pairs
from tests.test_conversation import in_a_thread

TINY = {"network": "reid_small", "height": 32, "width": 16, "source_epochs": 1, "people": 4, "tune_steps": 2, "tune_lr": 1e-3,
        "tune_queries": 4, "queries": 6, "k_max": 3, "n_s": 8, "kappa": 4, "blocks": 2, "agent_steps": 1, "agent_batch": 4,
        "hidden": [8]}  # fmt: skip
NOTEBOOK = "07_reid_human_in_the_loop"
PLAIN = ["random", "similarity_greedy", "greedy_reward", "graph_density", "qbc(members=3)", "least_confidence"]
RACE = {"dataset": "pedestrians-tiny", "source": "pedestrians-tiny-source", "seeds": 1}


def points(seed, n=9, dim=3):
    return torch.cdist(*[torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))] * 2)


# --- the state ------------------------------------------------------------------------------------------------------------------


def test_similarity_is_equation_4_by_hand():
    d = torch.tensor([[0.0, 1, 4], [1, 0, 2], [4, 2, 0]])
    assert dral.similarity(d).tolist() == [[0, 0.75, 0], [0.75, 0, 0.5], [0, 0.5, 0]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(1, 11))
def test_reciprocal_neighbours_are_equation_5_spelt_out(seed, n, kappa):
    kappa = min(kappa, n - 1)
    sim = dral.similarity(points(seed, n))
    near = [sorted((j for j in range(n) if j != i), key=lambda j: -float(sim[i, j]))[:kappa] for i in range(n)]
    mask = [[j in near[i] and i in near[j] for j in range(n)] for i in range(n)]
    assert dral.reciprocal(sim, kappa).tolist() == mask
    assert torch.equal(dral.sparse(sim, kappa), sim * torch.tensor(mask))


def plain_update(sim, k, same, left, thred, printed):
    """Equations 6 to 8, entry by entry."""
    new = [[float(v) for v in row] for row in sim]
    value = 1.0 if same else 0.0
    new[0][k] = new[k][0] = value
    for i in left:
        if same:
            new[0][i] = (float(sim[0, i]) + (value if printed else float(sim[k, i]))) / 2
        elif float(sim[k, i]) > thred:
            new[0][i] = max(float(sim[0, i]) - float(sim[k, i]), 0.0)
        new[i][0] = new[0][i]
    return new


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 12), st.booleans(), st.booleans(), st.floats(0, 1))
def test_the_update_is_equations_6_to_8_entry_by_entry(seed, n, same, printed, thred):
    sim, rng = dral.similarity(points(seed, n)), np.random.default_rng(seed)
    k, *rest = (1 + rng.permutation(n - 1)).tolist()
    left = rest[: rng.integers(0, len(rest) + 1)]
    mask = torch.tensor([i in left for i in range(n)])
    before = sim.clone()
    ours = dral.updated(sim, k, same, mask, thred, "printed" if printed else "candidates")
    assert torch.equal(sim, before)
    assert torch.allclose(ours, torch.tensor(plain_update(sim, k, same, left, thred, printed)))


# --- the reward -----------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.integers(0, 3), st.floats(0, 1), st.booleans())
def test_the_reward_is_equation_9_spelt_out(seed, positives, negatives, m, soft):
    d, nodes = points(seed, 9), np.random.default_rng(seed).permutation(9).tolist()
    X_p, X_n = nodes[:positives], nodes[positives : positives + negatives]
    found = dral.rewards(d, X_p, X_n, m, soft=soft, missing=0.7)
    for k in range(9):
        far = max((float(d[k, x]) for x in X_p), default=0.0)
        near = min((float(d[k, x]) for x in X_n), default=0.7)
        for column, y in enumerate((-1, 1)):
            x = m + y * (far - near)
            assert float(found[k, column]) == pytest.approx(math.log1p(math.exp(x)) if soft else max(x, 0), abs=1e-5)


def episode(seed=3, **changes):
    o = dataclasses.replace(dral.Settings(n_s=8, kappa=4), **changes)
    return dral.Episode(range(100, 109), points(seed, 9), torch.arange(8), o)


def test_an_episode_takes_the_reward_before_the_answer_changes_anything():
    one = episode()
    d = one.distance / one.distance.max()
    assert one.tell(3, False) == pytest.approx(float((0.2 - (d[3, 0] - 1)).clamp_min(0)))
    assert one.tell(5, True) == pytest.approx(float((0.2 + d[5, 0] - d[5, 3]).clamp_min(0)))
    assert (one.X_p, one.X_n) == ([0, 5], [3])
    assert one.tell(2, True) == pytest.approx(float((0.2 + max(d[2, 0], d[2, 5]) - d[2, 3]).clamp_min(0)))
    assert one.left.tolist() == [False, True, False, False, True, False, True, True, True]


def test_who_cannot_tell_changes_nothing_but_what_is_left():
    one, other = episode(), episode()
    assert one.tell(3, None) == 0
    assert torch.equal(one.sim, other.sim)
    assert (one.X_p, one.X_n, bool(one.left[3])) == ([0], [], False)


def test_each_open_reading_of_the_episode_is_a_switch():
    base = episode()
    assert torch.equal(episode(scale="none").d, base.distance)
    assert episode(first_positive="nobody").tell(1, True) == pytest.approx(max(0, 0.2 + 0 - 1))
    assert episode(no_negative=0.5).tell(1, True) == pytest.approx(max(0, 0.2 + float(base.d[1, 0]) - 0.5), abs=1e-6)
    assert episode(margin_function="softplus").tell(1, True) == pytest.approx(
        math.log1p(math.exp(0.2 + float(base.d[1, 0]) - 1))
    )
    dense, thin, printed = base, episode(updated="sparse"), episode(eq7="printed")
    for one in (dense, thin, printed):
        one.tell(2, True)
    unseen = ~dral.reciprocal(episode().sim, 4)
    assert bool((thin.sim[1:, 1:][unseen[1:, 1:]] == 0).all())
    assert bool((dense.sim[1:, 1:] != 0).any())
    assert torch.allclose(printed.sim[0, 3], (episode().sim[0, 3] + 1) / 2)


@pytest.mark.parametrize("seen", ["sparse", "triangle", "row", "full"])
def test_the_agent_is_given_as_many_numbers_as_its_network_has_inputs(seen):
    one = episode(seen=seen)
    one.tell(3, False)
    one.tell(4, True)
    assert not torch.equal(one.state, episode(seen=seen).state)
    state = one.state
    assert state.shape == (dral.inputs(one.o),)
    S = dral.sparse(one.sim, 4)
    if seen == "sparse":
        assert torch.equal(state.reshape(9, 9), S)
    if seen == "triangle":
        assert state.tolist() == [float(S[i, j]) for i in range(9) for j in range(i + 1, 9)]
    if seen == "row":
        assert torch.equal(state, S[0, 1:])
    if seen == "full":  # what S cannot say: who was refused
        assert state[36:44].tolist() == [0, 0, -1, 1, 0, 0, 0, 0]
        assert torch.allclose(state[44:52], torch.maximum(one.d[1:, 0], one.d[1:, 4]))
        assert torch.equal(state[52:], one.d[1:, 3])


def test_exploration_falls_over_the_first_block_and_stays():
    values = [float(dral.exploring(0.1, place, 10)) for place in (0, 5, 10, 25)]
    assert values == pytest.approx([1, 0.55, 0.1, 0.1])


# --- the loop -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Arms of one race in a store, and the state that their first step starts from."""
    store = Store(tmp_path_factory.mktemp("store"))
    other = "similarity_greedy(repeats='free', closure=True, cross_camera_only=True)"
    arms = ["dral", "dral_frozen", *PLAIN, other, "all_data"]
    runs = dral.grid(RACE | {"arms": arms}, **TINY)
    assert not drive(runs, store, workers=1).failed
    return SimpleNamespace(store=store, runs={run.arm or run.method: run for run in runs})


def start(ran, run):
    return State(needs={"source": ran.store.final(run.needs["source"])})


def test_the_rows_of_an_arm_add_up(ran):
    ids = Pairs(ran.runs["random"]).boxes.ids
    for name in (
        "dral",
        "dral_frozen",
        "random",
        "similarity_greedy",
        "greedy_reward",
        "graph_density",
        "qbc(members=3)",
    ):
        rows = ran.store.read(ran.runs[name]).rows
        asked = [row for row in rows if row["kind"] == "query"]
        assert len({row["query"] for row in asked}) == len(asked) == 6
        for row in asked:
            boxes = [int(box) for box in row["asked"].split()]
            assert len(set(boxes)) == 3
            assert row["query"] not in boxes
            assert row["answers"] == "".join(str(int(ids[box] == ids[row["query"]])) for box in boxes)
            assert row["positives"] == row["answers"].count("1") >= row["cross_camera"]
        tests = [row for row in rows if row["kind"] == "test"]
        assert [row["cycle"] for row in tests] == [0, 1, 2]
        assert [row["labelled"] for row in tests] == [0, 9, 18]
        assert tests[-1]["pairs"] == len({frozenset([r["query"], int(b)]) for r in asked for b in r["asked"].split()})
        assert tests[-1]["pairs"] + sum(row["again"] for row in asked) == 18
    first = [
        next(r for r in ran.store.read(run).rows if r["kind"] == "test")
        for n, run in ran.runs.items()
        if n != "all_data"
    ]
    assert len({row["mAP"] for row in first}) == 1  # the same source model


def test_all_arms_ask_about_the_same_queries(ran):
    found = [
        [r["query"] for r in ran.store.read(run).rows if r["kind"] == "query"]
        for n, run in ran.runs.items()
        if n != "all_data"
    ]
    assert all(one == found[0] for one in found)


def test_similarity_greedy_asks_the_most_similar_after_each_answer(ran):
    run = ran.runs["similarity_greedy"]
    row = next(r for r in ran.store.read(run).rows if r["kind"] == "query")
    task, source = Pairs(run), start(ran, run).needs["source"]
    look = dral.Look(task, task.restore(source.blobs["weights"]), source.data["logistic"])
    boxes, distance = look.nearest(row["query"], 8)
    assert distance[0, 1:].tolist() == sorted(distance[0, 1:].tolist())
    sim, left, asked = dral.similarity(distance), torch.tensor([False] + [True] * 8), []
    for said in row["answers"]:
        k = int(torch.where(left, sim[0], -1).argmax())
        left[k] = False
        sim = dral.updated(sim, k, said == "1", left, 0.4)
        asked.append(str(boxes[k]))
    assert row["asked"] == " ".join(asked)


def test_the_ceiling_gets_more_reward_than_the_rest(ran):
    rows = {name: ran.store.read(run).rows for name, run in ran.runs.items() if name != "all_data"}
    mean = {name: np.mean([row["reward"] for row in own if row["kind"] == "query"]) for name, own in rows.items()}
    assert max(mean, key=mean.get) == "greedy_reward"


def test_a_step_keeps_what_it_adds_and_nothing_before_it(ran):
    first, second = ran.store.read(ran.runs["random"]).steps
    queries = [[row["query"] for row in step["rows"] if row["kind"] == "query"] for step in (first, second)]
    assert not set(queries[0]) & set(queries[1])
    assert (first["state"], second["state"], first["queries"], second["queries"]) == ({}, {}, [], [])
    assert set(first["blobs"]) == {"weights"}
    assert second["blobs"] == {}


def test_the_placebo_remembers_and_never_learns_and_the_agent_does(ran):
    """After the first block, all of it at random (epsilon = 1): both asked the same, and one of them learnt from it."""
    steps = {}
    for name in ("dral", "dral_frozen"):
        run = ran.runs[name]
        run = Run(run.study, run.dataset, run.method, run.seed, {**run.settings, "epsilon": 1.0}, run.needs)
        steps[name], _ = talked(ran, run, Pairs(run).truth)
    asked = {name: [row["asked"] for row in step.rows if row["kind"] == "query"] for name, step in steps.items()}
    assert asked["dral"] == asked["dral_frozen"]
    first = dral.agent(ran.runs["dral_frozen"], start(ran, ran.runs["dral_frozen"])).state()["network"]
    same = {n: all(torch.equal(first[w], step.blobs["agent"]["network"][w]) for w in first) for n, step in steps.items()}
    assert same == {"dral": False, "dral_frozen": True}
    assert {name: int(step.blobs["agent"]["seen"]) for name, step in steps.items()} == {"dral": 3, "dral_frozen": 3}
    losses = {n: next(row["agent_loss"] for row in step.rows if row["kind"] == "choice") for n, step in steps.items()}
    assert losses["dral_frozen"] is None
    assert losses["dral"] > 0


def test_known_answers_are_free_and_other_cameras_alone_are_asked_where_it_says_so(ran):
    name = next(name for name in ran.runs if "repeats" in name)
    task, asked = Pairs(ran.runs[name]), [r for r in ran.store.read(ran.runs[name]).rows if r["kind"] == "query"]
    cameras = task.boxes.cameras
    assert all(cameras[int(box)] != cameras[row["query"]] for row in asked for box in row["asked"].split())
    assert all(row["cross_camera"] == row["positives"] for row in asked)


def test_answers_are_counted_as_they_were_given(ran):
    """Free repeats, by the rows: a pair counts where it is met first. By hand: what is skipped or cannot be told is no answer."""
    name = next(name for name in ran.runs if "repeats" in name)
    rows = ran.store.read(ran.runs[name]).rows
    met, expected = set(), [0]
    for cycle in (0, 1):
        for row in rows:
            if row["kind"] == "query" and row["cycle"] == cycle:
                new = {frozenset((row["query"], int(box))) for box in row["asked"].split()} - met
                assert (row["put"], row["given"], row["again"]) == (len(new), len(new), 3 - len(new))
                met |= new
        expected.append(len(met))
    tests, size = [row for row in rows if row["kind"] == "test"], Pairs(ran.runs[name]).size
    assert [row["labelled"] for row in tests] == [row["put"] for row in tests] == expected
    assert [row["share"] for row in tests] == pytest.approx([200 * n / (size * (size - 1)) for n in expected])


def test_free_repeats_are_no_answers_given(ran):
    """Two queries that ask about each other, so that the second time is free; and as the default counts it."""
    run = ran.runs["random"]
    for repeats, counts in (("free", [1, 0]), ("asked", [1, 1])):
        both = asking(ran, run, repeats=repeats)
        rows = [answered_about(both, query, True) for query in (4, 5)]
        assert [row["given"] for row in rows] == [row["put"] for row in rows] == counts
        assert dral.total("given", rows[:1], rows[1:]) == sum(counts)


def asking(ran, run, before=(), **changes):
    """Asking with one question a query, about box 4 or 5 alone: each is all that the other may be compared with. before: the rows
    of the first block; then this is the second."""
    task, source = Pairs(run), start(ran, run).needs["source"]
    o = dataclasses.replace(run.options, k_max=1, n_s=1, kappa=1, **changes)
    look = dral.Look(task, task.restore(source.blobs["weights"]), source.data["logistic"])
    look.nearest = lambda query, *_: ([query, 9 - query], torch.tensor([[0.0, 1], [1, 0]]))
    state = start(ran, run)
    state.index, state.rows = int(bool(before)), list(before)
    made = dral.Asking(run, look, dral.acquisition.get("nearest"), dral.Answers(task.size), state)
    made.o = o
    return made


def answered_about(made, query, answer):
    talk = made.about(0, query)
    try:
        next(talk)
        talk.send(answer)
    except StopIteration as end:
        return end.value


# --- who answers ----------------------------------------------------------------------------------------------------------------


def talked(ran, run, answer):
    """(the step, what was asked) of the first block, answered by answer(query)."""
    asked = []
    step = answered(study(run.study).talk(run, start(ran, run)), lambda query: asked.append(query) or answer(query))
    return step, asked


def test_the_truth_by_hand_gives_the_rows_of_the_step(ran):
    run = ran.runs["dral"]
    step, asked = talked(ran, run, Pairs(run).truth)
    kept = ran.store.read(run).steps[0]["rows"]
    assert len(asked) == 9
    assert all(isinstance(box, int) for query in asked for box in query)
    assert step.rows == kept


def test_other_answers_give_other_questions_and_the_same_answers_the_same(ran):
    run = ran.runs["similarity_greedy"]
    no, _ = talked(ran, run, lambda query: False)
    again, asked = talked(ran, run, lambda query: False)
    assert no.rows == again.rows != ran.store.read(run).steps[0]["rows"]
    log = iter([False] * len(asked))
    replayed, _ = talked(ran, run, lambda query: next(log))
    assert replayed.rows == no.rows
    assert (
        next(row for row in no.rows if row["kind"] == "tuning")["anchors"] == 0
    )  # only refusals: nothing to learn from


def test_cannot_tell_is_an_answer_and_anything_else_is_refused(ran):
    run = ran.runs["random"]
    step, _asked = talked(ran, run, lambda query: None)
    assert {row["answers"] for row in step.rows if row["kind"] == "query"} == {"???"}
    assert step.rows[-1]["pairs"] == step.rows[-1]["labelled"] == step.rows[-1]["share"] == 0
    assert step.rows[-1]["put"] == len(_asked)
    step, _asked = talked(ran, run, lambda query: "skip")
    assert {row["answers"] for row in step.rows if row["kind"] == "query"} == {"---"}
    assert step.rows[-1]["pairs"] == step.rows[-1]["labelled"] == 0
    assert step.rows[-1]["put"] == 9
    mixed = iter([True, None, "skip"] * 3)
    step, _ = talked(ran, run, lambda query: next(mixed))
    assert (step.rows[-1]["labelled"], step.rows[-1]["put"]) == (3, 9)
    for wrong in (1, "yes", 0.0):
        with pytest.raises(BadRequest, match=r"expected true \(one person\), false"):
            talked(ran, run, lambda query, wrong=wrong: wrong)


def test_what_nobody_can_tell_is_not_asked_again(ran):
    run = ran.runs["similarity_greedy"]
    first, asked = talked(ran, run, lambda query: None)
    pairs = [frozenset(query) for query in asked]
    assert len(set(pairs)) == len(pairs)  # within a block a pair may come from either side
    state = start(ran, run)
    state.index, state.rows, state.blobs = 1, first.rows, first.blobs
    second = []
    answered(study(run.study).talk(run, state), lambda query: second.append(query))
    assert not {frozenset(query) for query in second} & set(pairs)


@pytest.mark.parametrize(("answer", "again"), [(None, 0), ("skip", 1)])
def test_a_pair_of_the_first_block_is_asked_in_the_second_only_if_it_was_skipped(ran, answer, again):
    first = answered_about(asking(ran, ran.runs["random"]), 4, answer)
    assert first["put"] == 1
    second = answered_about(asking(ran, ran.runs["random"], [first]), 5, answer)  # the same two boxes
    assert second["put"] == again
    assert second["answers"] == first["answers"]


def test_a_person_who_answers_as_the_labels_leaves_the_rows_of_the_labels(ran, monkeypatch):
    monkeypatch.setattr(conversations, "_spawned", in_a_thread)
    run = ran.runs["dral"]
    hers = Run(run.study, run.dataset, run.method, run.seed, {**run.settings, "annotator": "ada"}, run.needs)
    assert drive([hers], ran.store, workers=1).waiting == [hers]
    task, talk = Pairs(run), conversations.Conversation(hers, ran.store)
    seen = talk.wait() and talk.question()
    assert [picture.shape for _, picture in seen.images] == [
        (64, 32, 3)
    ] * 2  # as they are, not as the network sees them
    while talk.wait() == "asking":
        talk.answer(talk.number, task.truth(talk.query), seconds=2.0)
    assert talk.status == "done"
    assert ran.store.read(hers).rows == ran.store.read(run).rows
    assert conversations.first_question(run, ran.store).text == seen.text


def test_the_answers_of_one_block_are_known_in_the_next(ran):
    run = ran.runs["random"]
    step, asked = talked(ran, run, Pairs(run).truth)
    known = dral.remembered(Pairs(run).size, step.rows)
    assert {tuple(sorted(query)) for query in asked} == set(known.given)
    assert all(known.get(*query) == Pairs(run).truth(query) for query in asked)


def test_the_truth_does_not_answer_in_a_persons_name(ran):
    run = ran.runs["random"]
    hers = Run(run.study, run.dataset, run.method, run.seed, {**run.settings, "annotator": "ada"}, run.needs)
    assert hers.key != run.key
    with pytest.raises(BadRequest, match="ada answers, not the truth"):
        study(run.study).step(hers, start(ran, run))
    step, _ = talked(ran, hers, Pairs(run).truth)  # asked question by question, she can
    assert step.rows == talked(ran, run, Pairs(run).truth)[0].rows


def test_wrong_answers_are_as_many_as_asked_for_and_always_the_same():
    run = dral.grid(RACE | {"arms": ["random"]}, **TINY | {"flip_prob": 0.25})[0]
    task, sure = Pairs(run), Pairs(dral.grid(RACE | {"arms": ["random"]}, **TINY)[0])
    pairs = [(i, j) for i in range(40) for j in range(i + 1, 40)]
    wrong = [task.truth(pair) != sure.truth(pair) for pair in pairs]
    assert 0.2 < np.mean(wrong) < 0.3
    assert wrong == [task.truth((j, i)) != sure.truth((i, j)) for i, j in pairs]


# --- the other budget, what is refused ------------------------------------------------------------------------------------------


def test_the_papers_budget_of_its_rivals_knows_every_pair_of_a_share_of_the_boxes(tmp_path):
    race = RACE | {"arms": ["random", "least_confidence"], "budget": "images", "images": 0.1}
    runs, store = dral.grid(race, **TINY), Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    size = Pairs(runs[0]).size
    for run in runs:
        rows = store.read(run).rows
        picked = [box for row in rows if row["kind"] == "picked" for box in row["boxes"].split()]
        assert len(set(picked)) == len(picked) == round(0.1 * size)
        tests = [row for row in rows if row["kind"] == "test"]
        n = round(0.05 * size), round(0.1 * size)
        assert [row["labelled"] for row in tests] == [0, *(k * (k - 1) // 2 for k in n)]
    with pytest.raises(BadRequest, match="dral chooses questions one by one"):
        dral.grid(race | {"arms": ["dral"]}, **TINY)
    with pytest.raises(BadRequest, match="whole identities, which ada is not asked about"):
        dral.grid(race | {"annotator": "ada"}, **TINY)


SIZE = datasets.info(RACE["dataset"]).train


@pytest.mark.parametrize(("changes", "said"), [
    ({"k_max": 9}, "k_max = 9: expected 1 to 8"), ({"n_s": SIZE}, f"n_s = {SIZE}: expected 2 to {SIZE - 1}"),
    ({"kappa": 0}, "kappa = 0: expected 1 to 8"), ({"queries": SIZE + 1}, f"queries = {SIZE + 1}: expected 0 to {SIZE}"),
    ({"blocks": 7}, "blocks = 7: expected 1 to 6"), ({"gamma": 1.5}, "gamma = 1.5: expected 0 to 1"),
    ({"seen": "all"}, "seen = 'all': expected one of"), ({"annotator": " "}, "annotator = ' ': expected 'truth', or a name"),
    ({"network": "resnet18"}, "network = 'resnet18': expected one of 'reid"), ({"flip_prob": 1.0}, "flip_prob = 1.0"),
    ({"agent_lr": 0.0}, "agent_lr = 0.0"), ({"tune_lr": -1.0}, "tune_lr = -1.0: expected more than 0"),
    ({"weights": "imagenet"}, "network 'reid_small' has no weights of ImageNet"), ({"jitter": -1.0}, "jitter = -1.0: expected"),
    ({"people": 17}, "people = 17: pedestrians-tiny-source has 16 people to train on"), ({"bound_epochs": 0}, "bound_epochs = 0"),
    ({"bound_lr": 0.0}, "bound_lr = 0.0: expected more than 0"),
    ({"budget": "images", "images": 1.5}, "images = 1.5: expected a share of the boxes"),
    ({"height": 4}, "size = "), ({"source_epochs": 0}, "source_epochs = 0: expected at least 1"),
])  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_computed(changes, said):
    with pytest.raises(BadRequest, match=said):
        dral.grid(RACE | {"arms": ["random", "all_data"]}, **TINY | changes)


@pytest.mark.parametrize(("race", "said"), [
    ({"source": ""}, "market: no source: give the race the dataset"), ({"arms": ["darl"]}, "did you mean 'dral'"),
    ({"dataset": "digits"}, "digits is a dataset of classification"), ({"arms": ["vaal"]}, "vaal needs 'images', which"),
    ({"source": "glyphs-10"}, "glyphs-10 is a dataset of classification"),
    ({"arms": ["dral(k_max=3)"]}, "k_max is no option of an arm"), ({"arms": ["random(further=2)"]}, "unknown setting further"),
    ({"arms": ["all_data(seen='row')"]}, "all_data takes seeds and no other option"),
    ({"source": RACE["dataset"]}, "source = 'pedestrians-tiny' is the dataset itself"),
    ({"source": "pedestrians-market-small", "dataset": "pedestrians-market"}, "shows the people of pedestrians-market, who"),
    ({"source": "pedestrians-market-no-siblings", "dataset": "pedestrians-market-small"}, "give one of other people"),
    ({"source": "cuhk03-np-labelled", "dataset": "cuhk03-np-detected"}, "shows the people of cuhk03-np-detected"),
    ({"arms": ["dral(bound_epochs=3)"]}, "bound_epochs is about all_data"), ({"arms": ["dral(start='scratch')"]}, "start is about"),
    ({"arms": ["random(agent_lr=0.1)"]}, "random does not use agent_lr, so this would be the same arm again"),
    ({"arms": ["nearest(thred=0.1)"]}, "nearest does not use thred"),
    ({"arms": ["similarity_greedy(seen='row')"]}, "similarity_greedy does not use seen"),
])  # fmt: skip
def test_a_race_that_cannot_be_is_refused(race, said):
    with pytest.raises(BadRequest, match=said):
        dral.grid(RACE | {"arms": ["random"]} | race, **TINY)


def test_an_option_that_an_arm_uses_is_taken():
    arms = [
        "dral(agent_lr=0.1)",
        "dral_frozen(seen='row')",
        "similarity_greedy(thred=0.1)",
        "random(m=0.1)",
        "random(tune_lr=0.1)",
    ]
    assert len(dral.grid(RACE | {"arms": arms}, **TINY)) == 5


def test_every_people_of_the_pool_can_be_in_a_batch_but_no_more():
    few, race = TINY | {"people": 24}, {"source": "pedestrians-duke-small", "dataset": RACE["dataset"], "seeds": 1}
    assert dral.grid(race | {"arms": ["all_data"]}, **few)
    with pytest.raises(BadRequest, match="people = 25: pedestrians-tiny has 24 people"):
        dral.grid(race | {"arms": ["all_data"]}, **few | {"people": 25})


def test_weights_that_are_not_there_are_missed_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "empty"))
    run = dral.grid(RACE | {"arms": ["random"]}, **TINY | {"network": "reid_resnet50", "weights": "imagenet"})[0]
    for one in (run, run.needs["source"]):
        with pytest.raises(BadRequest, match="resnet50"):
            study(run.study).prepare(one, print)


def test_a_query_with_too_few_boxes_of_other_cameras_is_named():
    run = dral.grid(RACE | {"arms": ["random"]}, **TINY)[0]
    task = Pairs(run)
    look = dral.Look(task, task.build(4), {"intercept": 0.0, "slope": 0.0})
    with pytest.raises(
        BadRequest, match=rf"box 7 of pedestrians-tiny has \d+ boxes to be compared with; n_s = {SIZE - 1}"
    ):
        look.nearest(7, SIZE - 1, True)


def test_more_questions_are_races_of_their_own():
    races = {"market": RACE | {"arms": ["dral", "random"]}, "duke": RACE | {"arms": ["random"]}}
    runs = dral.grid(**races, costs=[2, 3], **TINY)
    assert {(run.race, run.method, run.options.k_max) for run in runs} == {
        ("market", "dral", 3), ("market", "random", 3), ("market, K = 2", "dral", 2), ("duke", "random", 3)}  # fmt: skip
    sources = {run.needs["source"].key for run in runs}
    assert len(sources) == 1  # one source model for all


def test_the_other_budget_and_the_other_bound_stand_beside_each_race_that_can_have_them():
    races = {"market": RACE | {"arms": ["dral", "all_data"], "seeds": 2}, "cuhk01": RACE | {"arms": ["random"]}}
    runs = dral.grid(**races, whole=["random(seeds=1)", "graph_density"], bounds=["triplet"], **TINY)
    beside = {(run.race, run.method, run.seed) for run in runs if "," in run.race}
    assert beside == {("market, all labels by triplet", "all_data", 0), ("market, all labels by triplet", "all_data", 1),
                      ("market, whole boxes", "random", 0), ("market, whole boxes", "graph_density", 0),
                      ("market, whole boxes", "graph_density", 1), ("cuhk01, whole boxes", "random", 0),
                      ("cuhk01, whole boxes", "graph_density", 0)}  # fmt: skip
    with pytest.raises(BadRequest, match="market, whole boxes: dral chooses questions one by one"):
        dral.grid(**races, whole=["dral"], **TINY)
    with pytest.raises(BadRequest, match="bound_loss = 'cross': expected one of 'both', 'triplet'"):
        dral.grid(**races, bounds=["cross"], **TINY)


def test_further_questions_are_asked_of_dral_alone_wherever_it_stands():
    more = {"arms": ["dral", "nearest"], "seeds": 1}
    runs = dral.grid(market=RACE | {"seeds": 2, "arms": ["random"], "more": more}, costs=[2], **TINY)
    assert [(run.method, run.seed) for run in runs if run.race == "market, K = 2"] == [("dral", 0)]
    runs = dral.grid(
        market=RACE | {"seeds": 2, "arms": ["dral"], "more": {"arms": ["nearest"], "seeds": 1}}, costs=[2], **TINY
    )
    assert [(run.method, run.seed) for run in runs if run.race == "market, K = 2"] == [("dral", 0), ("dral", 1)]
    with pytest.raises(BadRequest, match="market: more: seeds"):
        dral.grid(market=RACE | {"arms": ["random"], "more": more | {"seeds": "two"}}, costs=[2], **TINY)


def test_the_upper_bound_has_epochs_and_a_rate_of_its_own_and_the_arms_updates_are_its_control(tmp_path):
    """At a rate that moves nothing the control stays where the source is; the bound learns all the same."""
    race, store, o = RACE | {"arms": ["all_data", "dral"]}, Store(tmp_path), TINY | {"tune_lr": 1e-12, "bound_lr": 2e-3}
    runs = {run.method: run for run in dral.grid(race, **o | {"bound_epochs": 3})}
    assert not drive(list(runs.values()), store, workers=1).failed
    rows = store.read(runs["all_data"]).rows
    assert [row["kind"] for row in rows] == ["equal updates", "all_data", "all_data", "all_data", "test"]
    control, bound = rows[0], rows[-1]
    source = next(row for row in store.read(runs["dral"]).rows if row["kind"] == "test")
    assert bound["mAP"] > source["mAP"] + 2
    assert control["loss"] > rows[3]["loss"]
    # batch statistics move, weights do not
    assert abs(control["mAP"] - source["mAP"]) < abs(bound["mAP"] - source["mAP"])
    other = {run.method: run for run in dral.grid(race, **o | {"bound_epochs": 4})}
    assert (other["dral"].key, other["all_data"].key == runs["all_data"].key) == (runs["dral"].key, False)


def test_an_upper_bound_by_triplets_alone_leaves_the_head_and_moves_the_rest(tmp_path):
    """Its loss is eq. 2 of a batch whose people are known, by plain loops; no control of an arm's updates stands beside it."""
    runs = dral.grid(RACE | {"arms": ["all_data"]}, bounds=["triplet"], **TINY | {"bound_epochs": 1, "bound_lr": 1e-3})
    assert [run.race for run in runs] == ["market", "market, all labels by triplet"]
    assert runs[0].key != runs[1].key
    assert runs[0].key == dral.grid(RACE | {"arms": ["all_data"]}, **TINY | {"bound_epochs": 1, "bound_lr": 1e-3})[0].key
    store = Store(tmp_path)
    assert not drive(runs, store, workers=1).failed
    assert [row["kind"] for row in store.read(runs[1]).rows] == ["all_data", "test"]
    task = Pairs(runs[1])
    network, rows = task.build(task.boxes.identities), task.epoch(0)[:1]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    told = task.train(network, rows, Adam(network.parameters(), 1e-3), torch.Generator().manual_seed(3), cross=False)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert not any(name.startswith("head") for name in moved)
    plain = task.restore(before, head=True).train()
    features, _ = task._forward(plain, rows[0], torch.Generator().manual_seed(3))
    d, ids = torch.cdist(features, features).tolist(), task.boxes.ids[rows[0]].tolist()
    each = [max(d[i][j] for j in range(len(ids)) if j != i and ids[j] == ids[i])
            - min(d[i][j] for j in range(len(ids)) if ids[j] != ids[i]) for i in range(len(ids))]  # fmt: skip
    assert told == pytest.approx(np.mean([max(0, gap + task.options.margin) for gap in each]), abs=1e-3)


def one_epoch_a_step(monkeypatch):
    for module in (dral_runs, pair_training):
        monkeypatch.setattr(module, "EPOCHS_A_STEP", 1)


def test_an_upper_bound_of_several_steps_is_one_of_one(tmp_path, monkeypatch):
    run = dral.grid(RACE | {"arms": ["all_data"]}, **TINY | {"bound_epochs": 2})[0]
    whole, parts = Store(tmp_path / "whole"), Store(tmp_path / "parts")
    drive([run], whole, workers=1)
    one_epoch_a_step(monkeypatch)
    drive([run], parts, workers=1)
    assert [len(store.read(run).steps) for store in (whole, parts)] == [1, 2] == [1, dral.steps(run)]
    assert whole.read(run).rows == parts.read(run).rows


def test_a_source_training_of_several_steps_is_one_of_one(tmp_path, monkeypatch):
    run = dral.grid(RACE | {"arms": ["random"]}, **TINY | {"source_epochs": 2})[0].needs["source"]
    whole, parts = Store(tmp_path / "whole"), Store(tmp_path / "parts")
    drive([run], whole, workers=1)
    one_epoch_a_step(monkeypatch)
    drive([run], parts, workers=1)
    assert [len(store.read(run).steps) for store in (whole, parts)] == [1, 2]
    assert whole.read(run).rows == parts.read(run).rows


def test_an_arm_stopped_between_blocks_goes_on_with_the_same_bits(ran, tmp_path):
    """Its second step, from what the store gives back, is that of a process that held all in memory."""
    run = ran.runs["dral"]
    first, _ = talked(ran, run, Pairs(run).truth)
    state = State(1, first.state, blobs=first.blobs, rows=first.rows, needs=start(ran, run).needs)
    assert dral.step(run, state).rows == ran.store.read(run).steps[1]["rows"]


# --- every open reading -----------------------------------------------------------------------------------------------------------

READINGS = [  # those that a test above has not held against something else already
    ("dral", {"neck": True}), ("dral", {"ap": "trapezoid"}), ("dral", {"metric": "whitened"}), ("dral", {"epsilon": 0.9}),
    ("dral", {"agent_optimiser": "sgd"}), ("dral", {"agent_target": "returns"}), ("dral", {"gamma": 0.1}),
    ("dral", {"hidden": [9]}), ("dral", {"replay": 3}), ("dral", {"mirror": False}), ("dral", {"jitter": 0.3}),
    ("all_data", {"start": "scratch"}), ("all_data", {"bound_epochs": 2}),
]  # fmt: skip


@pytest.fixture(scope="module")
def first_blocks(ran):
    """The first block of the agent, and all labels, at the defaults."""
    return {name: dral.step(ran.runs[name], start(ran, ran.runs[name])).rows for name in ("dral", "all_data")}


@pytest.mark.parametrize(("arm", "changed"), READINGS, ids=[next(iter(changed)) for _, changed in READINGS])
def test_each_open_reading_changes_what_comes_out(ran, first_blocks, arm, changed):
    run = ran.runs[arm]
    other = Run(run.study, run.dataset, run.method, run.seed, {**run.settings, **changed}, run.needs)
    assert other.key != run.key
    assert study(run.study).step(other, start(ran, run)).rows != first_blocks[arm]


# --- the audit ------------------------------------------------------------------------------------------------------------------


def test_the_audit_finds_what_was_found_by_hand():
    table = published.audit("dral", checks=audits.CHECKS)
    failing = {
        row.check: (row.printed, round(row.computed, 2)) for row in table[~table["agrees"].astype(bool)].itertuples()
    }
    assert failing["Table 5: mAP, market-1501, source_only"] == (18.96, 20.04)
    assert failing["Table 5: mAP, dukemtmc-reid, source_only"] == (14.05, 14.87)
    assert failing["Table 5: mAP, cuhk01, source_only"] == (41.59, 45.55)
    assert failing["Table 5: rank 5, dukemtmc-reid, dral"] == (83.43, 84.83)
    assert failing["Table 5: rank 5 with K = 10, dukemtmc-reid, is no less than with 5"] == (83.43, 84.16)
    assert failing["sec. 4.4: gain by questions, dukemtmc-reid, dral"] == (13.37, 9.51)
    assert failing["sec. 4.3: lead on the second best, dukemtmc-reid, dral"] == (13.15, 20.78)
    assert failing["sec. 4.4: shortfall, cuhk01, dral"] == (4, 5.15)
    assert failing["sec. 4.3: images asked, market-1501, random"] == (2588, 2587.2)
    assert failing["sec. 4.2: approaches compared"] == (16, 12)
    assert failing["reference of hvil, sec. 4.3 and Table 2"] == (12, 43)
    assert "trstp on cuhk01, rank 1, is a row of its own" in failing
    assert "cuhk01: rank-k that are shares of 972 queries" not in failing
    notes = dict(zip(table["check"], table["note"]))
    assert "93.21" in notes["market-1501: rank-k that are shares of 3368 queries"]
    assert "83.43" in notes["dukemtmc-reid: rank-k that are shares of 2228 queries"]
    assert "mAP is below rank 1 in 5 of 12" in notes["cuhk01: rank-k that are shares of 972 queries"]
    assert len(failing) == 17
    assert [note for note in notes.values() if "over dml, whose row stands beside the active methods" in str(note)]


def test_every_number_of_the_tables_is_there():
    counts = published.published("dral").query("metric != 'reference'").groupby("artefact")["value"].count()
    assert [counts[f"Table {n}"] for n in (2, 3, 4)] == [66, 53, 37]
    assert counts["Table 5"] == 5 * 12 + 4


def test_the_prose_says_nothing_that_a_parameter_or_a_run_decides():
    """How many questions a person is asked is a parameter; who gets the most reward is in the figure."""
    cells = json.loads((Path(published.DATA).parent / "notebooks" / f"{NOTEBOOK}.ipynb").read_text())["cells"]
    text = {cell["id"]: "".join(cell["source"]) for cell in cells}
    assert "Thirty" not in text["human-md"]
    assert "helps most" not in text["limits-md"]
    assert "as many updates. Only" not in text["table5-md"]
