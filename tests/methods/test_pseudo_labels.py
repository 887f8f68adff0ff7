"""Thesis sec. 3.5 and CEAL, step by step on digits: what each training was given is recomputed from the weights before
it, from scipy's entropy and mode, and from the truth."""

import copy
import json

import numpy
import pytest
import torch
from scipy import stats

from alnb import cycle, races
from alnb.errors import BadRequest
from alnb.executor import drive
from alnb.learning import networks
from alnb.learning import train as engine
from alnb.methods import label_dispersion as ch3
from alnb.methods import pseudo_labels as ps
from alnb.runs import State, torch_stream
from alnb.store import Store
from alnb.tasks.classification import Classification

TINY = {"pool": 120, "initial": 20, "budget": 10, "cycles": 2, "epochs": 5, "batch": 16, "lr": 0.05, "network": "small"}
STARTS = ("latest", "own", "scratch")


def one(pair="dispersion+entropy", share=0.2, **settings):
    arm = pair + f"(retrain=False{'' if pair == 'ceal' else f', share={share!r}'})"
    (run,) = ch3.grid({"dataset": "digits", "arms": [arm]}, **TINY | settings)
    return run


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The shared first training, as the runs that need it find it."""
    store, needed = Store(tmp_path_factory.mktemp("first")), one().needs[cycle.FIRST]
    assert not drive([needed], store, workers=1).failed
    return store.final(needed)


def play(run, first):
    """The steps of `run` and, for each, its trainings: what they were given, the weights they began and ended with."""
    seen, began = [], []
    with pytest.MonkeyPatch.context() as patch:
        plain_engine, plain_task = engine.train, Classification.train

        def watched_engine(network, *args, **kwargs):
            began.append(copy.deepcopy(network.state_dict()))
            return plain_engine(network, *args, **kwargs)

        def watched_task(self, indices, labels, c, candidates=None, **kwargs):
            network, record = plain_task(self, indices, labels, c, candidates, **kwargs)
            about = {"indices": list(indices), "labels": labels.tolist(), "cycle": c, "candidates": candidates}
            about |= {"began": began.pop(), "network": network, "record": record}
            seen[-1].append(about | {"member": kwargs.get("member", 0)})
            return network, record

        patch.setattr(engine, "train", watched_engine)
        patch.setattr(Classification, "train", watched_task)
        played, state, needs = [], State(), {cycle.FIRST: first}
        for c in range(run.options.cycles + 1):
            seen.append([])
            state.needs = needs
            step = ps.step(run, state)
            played.append((step, seen[-1]))
            data = json.loads(json.dumps(step.state))  # as the store gives it back
            state = State(c + 1, data, step.queries, None, copy.deepcopy(step.blobs))
    assert step.done
    return played


@pytest.fixture(scope="module")
def pairs(first):
    """Start -> the steps of dispersion+entropy, each with what its trainings were given."""
    return {start: play(one(pair_start=start), first) for start in STARTS}


@pytest.fixture(scope="module")
def task():
    return Classification(one())


def network(weights):
    found = networks.build("small", 10, generator=torch.Generator().manual_seed(0))
    found.load_state_dict(weights)
    return found


def probabilities(task, model, samples):
    """(n, C) by the network run plainly, in double where it counts."""
    pixels = task.images[list(samples)].float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (task.data.mean, task.data.std))
    with torch.no_grad():
        return model.eval()((pixels - mean) / std).double().softmax(1).numpy()


def same(a, b):
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def cycles(played, first):
    """For each cycle: its step, A's network and record, what B was trained on beyond the oracle's labels."""
    for c, (step, trainings) in enumerate(played):
        if c == 0:
            (b,), a, record = trainings, network(first.blobs["weights"]), first.blobs["record"]
        else:
            (a_about, b) = trainings
            a, record = a_about["network"], a_about["record"]
        labelled = step.state["labelled"]
        assert b["indices"][: len(labelled)] == labelled
        pseudo = b["indices"][len(labelled) :], b["labels"][len(labelled) :]
        yield c, step, a, record, b, labelled, *pseudo


# --- two models ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", STARTS)
def test_b_learns_the_share_of_the_pool_that_a_changed_its_mind_about_least(pairs, first, start):
    for c, _, _, record, _, labelled, pseudo, _ in cycles(pairs[start], first):
        unlabelled = sorted(set(range(120)) - set(labelled))
        y = record["predictions"][:, record["rows"][unlabelled]].numpy()  # (T, U)
        assert len(y) == TINY["epochs"]
        d = dict(zip(unlabelled, 1 - stats.mode(y, axis=0).count / len(y)))
        assert len(set(pseudo)) == len(pseudo) == 24  # a fifth of 120
        assert set(pseudo) <= set(unlabelled), f"cycle {c}"
        rest = [d[i] for i in unlabelled if i not in set(pseudo)]
        assert max(d[i] for i in pseudo) <= min(rest) + 1e-9
        assert [d[i] for i in pseudo] == sorted(d[i] for i in pseudo)  # the most certain first
        assert min(rest) < max(rest)  # there was something to choose between


@pytest.mark.parametrize("start", STARTS)
def test_the_labels_b_is_given_are_the_oracles_and_as_last_predictions(pairs, first, task, start):
    for _, step, a, _, b, labelled, pseudo, guessed in cycles(pairs[start], first):
        assert b["labels"][: len(labelled)] == task.targets[labelled].tolist()
        assert guessed == probabilities(task, a, pseudo).argmax(1).tolist()
        truth = task.targets[pseudo].tolist()
        right = 100 * sum(g == t for g, t in zip(guessed, truth)) / 24
        rows = [row for row in step.rows if row["kind"] == "test"]
        assert [row["model"] for row in rows] == ["A", "B"]
        assert [row["pseudo"] for row in rows] == [24, 24]
        assert [row["pseudo_right"] for row in rows] == pytest.approx([right, right])
        assert 0 < right < 100


@pytest.mark.parametrize("start", STARTS)
def test_b_asks_what_it_is_least_sure_of_among_the_rest(pairs, first, task, start):
    for c, step, _, _, b, labelled, pseudo, _ in cycles(pairs[start], first):
        if c == 2:
            assert step.queries == []
            continue
        asked = step.queries
        assert len(set(asked)) == len(asked) == 10
        assert not set(asked) & (set(pseudo) | set(labelled))
        rest = sorted(set(range(120)) - set(labelled) - set(pseudo))
        h = dict(zip(rest, stats.entropy(probabilities(task, b["network"], rest), axis=1)))
        assert set(asked) <= set(rest)
        assert min(h[i] for i in asked) >= max(h[i] for i in rest if i not in asked) - 1e-5
        assert [h[i] for i in asked] == pytest.approx(sorted((h[i] for i in asked), reverse=True), abs=1e-5)


@pytest.mark.parametrize("start", STARTS)
def test_pseudo_labelled_samples_return_to_the_pool(pairs, first, start):
    before, queries, once, again = [], [], set(), set()
    for c, step, _, record, _, labelled, pseudo, _ in cycles(pairs[start], first):
        assert labelled == (before + queries if c else first.data["labelled"])
        assert step.rows[0]["labelled"] == len(labelled) == 20 + 10 * c
        watched = torch.nonzero(record["rows"] >= 0).flatten().tolist()
        assert set(watched) >= set(range(120)) - set(labelled)  # A looks at all of them again
        again |= set(pseudo) & once
        before, queries, once = labelled, step.queries, once | set(pseudo)
    assert again  # some were labelled anew in a later cycle


def test_a_is_trained_on_the_oracles_labels_alone(pairs, task):
    for start in STARTS:
        for step, (a, _) in pairs[start][1:]:
            assert (a["member"], a["indices"]) == (0, step.state["labelled"])
            assert a["labels"] == task.targets[a["indices"]].tolist()


def test_latest_trains_on_from_whichever_model_was_trained_last(pairs, first):
    before = first.blobs["weights"]
    for _, trainings in pairs["latest"]:
        for about in trainings:  # A, then B; B alone in cycle 0, where A is the shared first training
            assert same(about["began"], before)
            before = about["network"].state_dict()


def test_own_trains_a_from_a_and_b_from_b(pairs, first):
    last_a, last_b = first.blobs["weights"], None
    for c, (_, trainings) in enumerate(pairs["own"]):
        *a, b = trainings
        if c:
            assert same(a[0]["began"], last_a)
            assert same(b["began"], last_b)
            last_a = a[0]["network"].state_dict()
        last_b = b["network"].state_dict()


def test_scratch_draws_every_model_anew_and_the_first_b_of_own_too(pairs):
    """By name: "model init" of the cycle for A, and a stream of its own for B."""
    fresh = lambda c, member: networks.build(
        "small", 10, generator=torch_stream(0, "model init, member 1" if member else "model init", c)
    ).state_dict()
    for _, trainings in pairs["scratch"]:
        for about in trainings:
            assert same(about["began"], fresh(about["cycle"], about["member"]))
    (b,) = pairs["own"][0][1]
    assert same(b["began"], fresh(0, 1))
    assert not same(fresh(0, 0), fresh(0, 1))


def test_the_three_starts_lead_to_different_networks(pairs):
    ends = [pairs[start][1][1][-1]["network"].head.weight for start in STARTS]
    assert all(not torch.equal(ends[i], ends[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_weights_are_kept_only_where_a_later_cycle_starts_from_them(pairs):
    for start, names in (("latest", {"A", "B"}), ("own", {"A", "B"}), ("scratch", set())):
        assert [set(step.blobs) for step, _ in pairs[start]] == [names, names, set()]
    step, (a, b) = pairs["own"][1]
    assert same(step.blobs["A"], a["network"].state_dict())
    assert same(step.blobs["B"], b["network"].state_dict())


def test_the_shared_first_training_is_cycle_0_of_a_and_that_of_the_other_methods(pairs, first):
    (shared,) = (row for row in first.rows if row["kind"] == "test")
    other = ch3.grid({"dataset": "digits", "arms": ["random"]}, **TINY)[0]
    for start in STARTS:
        step, trainings = pairs[start][0]
        assert {name: step.rows[0][name] for name in shared} == shared
        assert [about["member"] for about in trainings] == [1]
        assert one(pair_start=start).needs[cycle.FIRST].key == other.needs[cycle.FIRST].key


def test_what_a_wavers_on_is_labelled_with_its_last_word_not_the_one_it_said_most_often(first, task):
    """random+entropy: the random samples are not the steady ones, whose last and most frequent classes are the same."""
    _, (b,) = play(one("random+entropy", cycles=1), first)[0]
    pseudo, guessed = b["indices"][20:], b["labels"][20:]
    assert guessed == probabilities(task, network(first.blobs["weights"]), pseudo).argmax(1).tolist()
    record = first.blobs["record"]
    most_often = stats.mode(record["predictions"][:, record["rows"][pseudo]].numpy(), axis=0).mode
    assert guessed != most_often.tolist()


def test_another_pair_takes_the_other_criterion(first, task):
    """entropy+dispersion: A labels what has least entropy, B's epochs are watched on the rest."""
    step, (b,) = play(one("entropy+dispersion", cycles=1), first)[0]
    labelled = step.state["labelled"]
    pseudo = b["indices"][20:]
    unlabelled = sorted(set(range(120)) - set(labelled))
    h = dict(zip(unlabelled, stats.entropy(probabilities(task, network(first.blobs["weights"]), unlabelled), axis=1)))
    assert max(h[i] for i in pseudo) <= min(h[i] for i in unlabelled if i not in pseudo) + 1e-5
    rest = [i for i in unlabelled if i not in pseudo]
    assert sorted(numpy.asarray(b["candidates"]).tolist()) == rest
    y = b["record"]["predictions"][:, b["record"]["rows"][rest]].numpy()
    d = dict(zip(rest, 1 - stats.mode(y, axis=0).count / len(y)))
    assert min(d[i] for i in step.queries) >= max(d[i] for i in rest if i not in step.queries) - 1e-9


# --- CEAL ---------------------------------------------------------------------------------------------------------------

DELTA, DECAY = 2.08, 1.4  # generous: what five epochs are sure of


@pytest.fixture(scope="module")
def ceal(first):
    return play(one("ceal", delta=DELTA, decay=DECAY), first)


def test_ceal_labels_what_has_less_entropy_than_a_threshold_that_falls(ceal, first, task):
    model, found = network(first.blobs["weights"]), []
    for c, (step, trainings) in enumerate(ceal[:-1]):
        model = trainings[0]["network"] if c else model
        unlabelled = sorted(set(range(120)) - set(step.state["labelled"]))
        p = probabilities(task, model, unlabelled)
        h = dict(zip(unlabelled, stats.entropy(p, axis=1)))  # nats
        guess = dict(zip(unlabelled, p.argmax(1).tolist()))
        sure = {i for i in unlabelled if h[i] < DELTA - DECAY * c and i not in step.queries}
        assert set(step.state["pseudo"]) == sure
        assert len(step.state["pseudo"]) == len(sure)
        assert step.state["guessed"] == [guess[i] for i in step.state["pseudo"]]
        assert len(step.queries) == 10
        assert min(h[i] for i in step.queries) >= max(h[i] for i in unlabelled if i not in step.queries) - 1e-5
        between = sum(DELTA - DECAY * c <= h[i] < DELTA and i not in step.queries for i in unlabelled)
        found.append((len(sure), len(unlabelled) - 10, between))
    assert all(0 < n < of for n, of, _ in found)  # the threshold divides
    assert found[1][2] > 0  # and its fall leaves some out


def test_ceal_trains_its_one_model_on_from_itself_with_what_it_labelled(ceal, first, task):
    before, said = first.blobs["weights"], ([], [])
    for c, (step, trainings) in enumerate(ceal):
        labelled = step.state["labelled"]
        (row,) = (row for row in step.rows if row["kind"] == "test")
        assert (row["model"], row["labelled"], row["pseudo"]) == ("B", 20 + 10 * c, len(said[0]))
        if c == 0:
            assert trainings == []
            assert row["accuracy"] == first.rows[0]["accuracy"]
            assert row["pseudo_right"] != row["pseudo_right"]  # of none: not a number
        else:
            (about,) = trainings
            assert same(about["began"], before)
            assert about["indices"] == labelled + said[0]
            assert about["labels"] == task.targets[labelled].tolist() + said[1]
            assert not set(said[0]) & set(labelled)
            truth = task.targets[said[0]].tolist()
            assert truth
            assert row["pseudo_right"] == pytest.approx(100 * numpy.mean([g == t for g, t in zip(said[1], truth)]))
            before = about["network"].state_dict()
        said = step.state.get("pseudo", []), step.state.get("guessed", [])


def test_ceal_that_is_sure_of_all_labels_all_but_its_queries_and_none_at_delta_0(first):
    step, _ = play(one("ceal", delta=9.0, cycles=1), first)[0]
    assert sorted(step.state["pseudo"] + step.queries + step.state["labelled"]) == list(range(120))
    none = play(one("ceal", delta=0.0, cycles=1), first)
    assert none[0][0].state["pseudo"] == []
    assert none[1][1][0]["indices"] == none[1][0].state["labelled"]


def test_ceal_from_scratch_is_a_switch(first):
    _, (about,) = play(one("ceal", delta=DELTA, pair_start="scratch", cycles=1), first)[1]
    fresh = networks.build("small", 10, generator=torch_stream(0, "model init", 1)).state_dict()
    assert same(about["began"], fresh)


# --- runs ---------------------------------------------------------------------------------------------------------------


def test_what_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path):
    store, runs = Store(tmp_path), [one(), one("ceal", delta=DELTA)]
    assert not drive(runs, store, workers=1).failed
    whole = [(store.read(run).rows, store.read(run).steps[-1]["state"]) for run in runs]
    for run in runs:
        (store.folder(run) / "0002.json").unlink()  # as after two of three steps
    outcome = drive(runs, store, workers=1)
    assert outcome.computed == 2
    assert [(store.read(run).rows, store.read(run).steps[-1]["state"]) for run in runs] == whole


def test_a_pair_has_a_share_and_a_network_retrained_on_its_queries_unless_told_otherwise(tmp_path):
    store = Store(tmp_path)
    arms = ["random", "dispersion+entropy", "dispersion+entropy(share=0.25)", "ceal", "entropy+entropy(retrain=False)"]
    runs = ch3.grid({"dataset": "digits", "arms": arms}, **TINY | {"cycles": 1, "epochs": 1})
    assert len(runs) == 1 + 3 * 2 + 1
    assert {run.race for run in runs} == {"few"}
    assert not drive(runs, store, workers=1).failed
    rows = store.frame(runs)
    tests = rows[rows["kind"] == "test"]
    two = [f"dispersion+entropy {share}%" for share in (10, 25)]
    retrained = [f"{arm} retrained" for arm in (*two, "ceal")]
    asked = dict.fromkeys(["random", "ceal", *retrained], 2) | dict.fromkeys([*two, "entropy+entropy 10%"], 4)
    assert tests.groupby("method").size().to_dict() == asked
    assert tests[tests["method"].isin(two)].groupby(["method", "cycle"])["model"].agg("".join).unique().tolist() == [
        "AB"
    ]


def test_the_network_retrained_on_a_pairs_queries_gets_what_was_asked_and_no_pseudo_label(tmp_path, monkeypatch):
    store, run = Store(tmp_path), one(cycles=1)
    again = races.retrained_run(run, ch3.STUDY.name)
    given, plain = [], Classification.train

    def watched(self, indices, labels, *args, **kwargs):
        if self.run == again:
            given.append((list(indices), labels.tolist(), self.targets[list(indices)].tolist()))
        return plain(self, indices, labels, *args, **kwargs)

    monkeypatch.setattr(Classification, "train", watched)
    assert not drive([again], store, workers=1).failed
    final = store.read(run).steps[-1]["state"]["labelled"]
    assert [indices for indices, _, _ in given] == [final[:20], final]
    assert all(labels == truth for _, labels, truth in given)


def test_what_differs_is_in_the_key_and_the_arm_says_pair_and_share():
    runs = [
        one(),
        one("entropy+entropy"),
        one("dispersion+margin"),
        one(share=0.25),
        one(pair_start="own"),
        one("ceal"),
    ]
    assert len({run.key for run in runs}) == 6
    assert [run.arm for run in runs[:4]] == [
        "dispersion+entropy 20%", "entropy+entropy 20%", "dispersion+margin 20%", "dispersion+entropy 25%",
    ]  # fmt: skip
    with pytest.raises(BadRequest, match=r"ceal\(share=0.1\): share is no option of it; accepted: retrain"):
        ch3.grid({"dataset": "digits", "arms": ["ceal(share=0.1)"]}, **TINY)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pair": "+entropy"}, r"arm '\+entropy.*'; accepted"),
        ({"pair": "dispersion+"}, r"arm 'dispersion\+.*'; accepted"),
        ({"pair": "dispersion+entropy+margin"}, r"arm 'dispersion\+entropy\+margin.*'; accepted"),
        ({"pair": "dispersion"}, "dispersion: |unknown setting share"),
        ({"pair": "dispersn+entropy"}, "did you mean 'dispersion'"),
        ({"pair": "oracle+entropy"}, "oracle sees the labels"),
        ({"pair": "entropy+oracle"}, "oracle sees the labels"),
        ({"pair": "k_center+entropy"}, "k_center gives no scores"),
        ({"share": 1.0}, r"share = 1\.0: a pool of 120"),
        ({"share": -0.1}, r"share = -0\.1"),
        ({"share": 0.7}, r"share = 0\.7: a pool of 120 has no room"),
        ({"share": "many"}, "share = 'many'"),
        ({"pair_start": "newest"}, "pair_start = 'newest'.*'latest', 'own', 'scratch'"),
        ({"start": "last"}, "start = 'last' is not for pairs"),
        ({"annotator": "asked"}, "annotator 'asked' is not for pairs"),
        ({"delta": "low"}, "delta = 'low'"),
        ({"epoch": 3}, "unknown setting epoch"),
    ],
)
def test_what_cannot_be_is_refused_before_it_runs_in_one_line(given, says):
    with pytest.raises(BadRequest, match=says) as refusal:
        one(**given)
    assert "\n" not in str(refusal.value)


def test_a_share_that_leaves_a_subset_nothing_to_ask_is_refused_before_it_runs():
    """20 candidates, of which 24 would be pseudo-labelled and 10 asked."""
    with pytest.raises(BadRequest, match="share"):
        one(subset=20)


def test_with_a_share_of_0_b_is_a_trained_as_long_again_on_the_same_labels(first):
    run = one("random+entropy", share=0.0)
    assert run.arm == "random+entropy 0%"
    before = None
    for c, (step, trainings) in enumerate(play(run, first)):
        labelled, b = step.state["labelled"], trainings[-1]
        assert [about["indices"] for about in trainings] == [labelled] * len(trainings)
        assert same(b["began"], trainings[0]["network"].state_dict() if c else first.blobs["weights"])
        assert c == 0 or same(trainings[0]["began"], before)
        before = b["network"].state_dict()
        assert [(row["model"], row["pseudo"]) for row in step.rows if row["kind"] == "test"] == [("A", 0), ("B", 0)]


def test_what_the_second_training_brings_is_bs_area_less_as():
    from tests.result_frames import results

    curves = {("x+y 10% A", 0): [50, 60, 70], ("x+y 10% B", 0): [52, 64, 76], ("random", 0): [50, 60, 70],
              ("x+y 0% A", 0): [50, 60, 70], ("x+y 0% B", 0): [50, 61, 71]}  # fmt: skip
    gains = ps.second_training(results(curves, race="few"))
    assert gains.to_dict() == {("few", "cifar-10", False, "x+y 0%", 0): 1.0, ("few", "cifar-10", False, "x+y 10%", 0): 5.0}
    assert ps.second_training(results({("random", 0): [50, 60]}, race="few")).empty
