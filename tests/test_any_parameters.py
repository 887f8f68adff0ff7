"""A notebook runs to its end on any dataset and any choice of arms that its parameters accept: its cells, without a kernel."""

import json
import linecache
import warnings

import matplotlib as mpl
import pytest

from alnb import plans

SMALL = {
    "00_active_learning": {"epochs": 20, "first.seeds": 1, "first.cycles": 2, "islands.seeds": 1, "watched.epochs": 3,
                           "watched.dataset": "digits", "watched.pool": 150},
    "01_label_dispersion": {"few.dataset": "digits", "few.seeds": 1, "pool": 150, "initial": 20, "budget": 20, "cycles": 2,
                            "epochs": 3, "batch": 32},
    "04_learning_to_rank": {"few.dataset": "digits", "few.seeds": 1, "sorter": "tiny", "pool": 150, "initial": 24, "budget": 12,
                            "cycles": 1, "subset": 60, "epochs": 2, "batch": 32, "smallest_batch": 8, "counts": {},
                            "faces": {}, "poses": {}},
    "02_class_balance": {"few.dataset": "digits", "few.seeds": 1, "pool": 200, "initial": 20, "budget": 15, "cycles": 2,
                         "epochs": 3, "batch": 32},
    "05_state_relabeling": {"few.dataset": "digits", "few.seeds": 1, "pool": 150, "initial": 20, "budget": 15, "cycles": 1,
                            "epochs": 3, "batch": 32, "game_steps": 2, "game_width": 2, "start": {}, "scenes": {},
                            "caltech": {}},
    "06_temporal_coherence": {"roads.seeds": 1, "videos": 2, "frames": 8, "test_every": 120, "initial": 4, "budget": 3, "cycles": 1,
                              "epochs": 1, "pretraining_frames": 12, "pretraining_epochs": 2, "threshold": 0.05},
    "08_self_critical_attention": {"market.dataset": "pedestrians-tiny", "market.seeds": 1, "to_duke": {}, "height": 32,
                                   "width": 16, "identities": 6, "epochs": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("00_active_learning", {"first.arms": ["margin"], "islands.arms": ["margin", "k_center"]}),
        ("00_active_learning", {"first": {}, "null": {}}),
        ("00_active_learning", {"islands": {}, "null": {}, "watched": {}, "first.arms": ["random", "bald(dropout=0.5)"]}),
        ("00_active_learning", {"first": {}, "islands": {}, "null": {}, "images": []}),
        ("01_label_dispersion", {"few.arms": ["margin", "dispersion"]}),
        ("01_label_dispersion", {"few.arms": ["entropy"], "cycles": 1}),
        ("01_label_dispersion", {"few": {}, "many": {"dataset": "digits", "arms": ["margin", "ceal", "random_again"]}}),
        ("01_label_dispersion", {"few.dataset": "glyphs-10-long-tail", "few.arms": ["random", "k_center"], "cycles": 0}),
        ("01_label_dispersion", {"few.arms": ["random", "dispersion+entropy(share=0.2, retrain=False)"]}),
        ("02_class_balance", {"few.arms": ["random", "k_center_cb"], "cycles": 1}),
        ("02_class_balance", {"few.arms": ["entropy_cb", "entropy_pseudo"], "tail": "exponential"}),
        ("02_class_balance", {"few": {}, "even": {"dataset": "digits", "arms": ["entropy"]}, "tail": "none", "cycles": 0}),
        ("04_learning_to_rank", {"few.arms": ["random", "k_center"], "cycles": 0}),
        ("04_learning_to_rank", {"few.arms": ["pairs_apart", "ll4al"], "start": "last", "lengths": [4]}),
        ("04_learning_to_rank", {"few": {}, "null": {"dataset": "digits", "arms": ["l2r_exact"]}}),
        ("02_class_balance", {"few.arms": ["balanced_random"], "tail_classes": "last", "few.imbalance": 0.1}),
        ("05_state_relabeling", {"few.arms": ["entropy", "k_center"], "cycles": 0}),
        ("06_temporal_coherence", {"roads.arms": ["margin_r", "oracle_fn"], "report": "short"}),
        ("06_temporal_coherence", {"roads": {}, "vid": {"dataset": "roads-vid", "arms": ["tc(tracker='template', k=3)"]}}),
        ("05_state_relabeling", {"few": {}, "many": {"dataset": "digits", "seeds": 1, "arms": ["sraal(reading='printed')"]}}),
        ("05_state_relabeling", {"few": {}, "scenes": {
            "dataset": "streets", "arms": ["random", "pixel_entropy"], "pool": 16, "initial": 4, "budget": 4, "cycles": 1,
            "epochs": 1, "batch": 4, "seen_height": 16}}),
        ("08_self_critical_attention", {"market.arms": ["channel_permuted(value='joint')", "flip"]}),
        ("08_self_critical_attention", {"market": {}, "to_market": {
            "dataset": "pedestrians-tiny", "source": "pedestrians-tiny-source",
            "arms": ["label_smoothing", "spatial_critic(restyled=True)"]}}),
    ],
)
def test_it_runs_to_its_end_and_saves_what_can_be_drawn(name, overrides, tmp_path, monkeypatch, capsys):
    mpl.use("agg")
    small = {key: value for key, value in SMALL[name].items() if key.partition(".")[0] not in overrides}
    made = plans.plan(name, "laptop", small | overrides)
    monkeypatch.setenv("ALNB_PARAMETERS", json.dumps(made.values))
    monkeypatch.setenv("ALNB_WORKERS", "1")
    cells = json.loads((plans.FOLDER / f"{name}.ipynb").read_text())["cells"]
    namespace: dict = {"__name__": "a_notebook"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in (cell for cell in cells if cell["cell_type"] == "code"):
            source = "".join(cell["source"])
            linecache.cache[cell["id"]] = len(source), None, source.splitlines(keepends=True), cell["id"]
            exec(compile(source, cell["id"], "exec"), namespace)  # as IPython does, whose cells have a source too
    manifest = json.loads((tmp_path / "figures" / made.label / "manifest.json").read_text())
    assert all(entry["alt"] for entry in manifest)
    assert "FAILED" not in capsys.readouterr().out
