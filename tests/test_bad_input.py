"""What people give that cannot be: one line that says so, exit code 2, and nothing begun."""

import shlex

import pytest

from tests.refusals import nothing_begins, one_line  # noqa: F401 (a fixture)

RUN = r"""
01 -p epochs 5e-4 | 01 -p epochs nan | 01 -p epochs true | 01 -p epochs 012 | 01 -p epochs "" | 01 -p epochs [3]
01 -p lr nan | 01 -p lr inf | 01 -p lr 1e400 | 01 -p lr -1 | 01 -p lr 0 | 01 -p lr fast
01 -p few.seeds 1:30 | 01 -p few.seeds [1,1] | 01 -p few.seeds -1 | 01 -p few.seeds 0 | 01 -p few.seeds [-1] | 01 -p few.seeds []
01 -p few.arms [] | 01 -p few.arms [random,random] | 01 -p few.arms random,margin | 01 -p few.arms [margn]
01 -p few.arms [qbc(members=1)] | 01 -p few.arms [bald(passes=1)] | 01 -p few.arms [vaal(batch=0)]
01 -p few.arms [random(momentum=5)] | 01 -p few.arms [random(further=-1)] | 01 -p few.arms [random(further=1.5)]
01 -p few.arms [random(seeds=0)] | 01 -p few.arms [random(] | 01 -p few.arms [random)] | 01 -p few.arms [margin+]
01 -p few.arms [dispersion+entropy(share=2)] | 01 -p few.arms [dispersion+entropy(share=nan)]
01 -p few.arms [bald(dropout=1.5)] | 01 -p few.arms [random(dropout=-1)] | 01 -p few.arms [core_set(subset=-5)]
01 -p few.arms [late_dispersion(share=2)] | 01 -p few.arms [diverse_margin(beta=0)] | 01 -p few.arms [core_set(outliers=0.9)]
01 -p few.arms [core_set(nodes=0)] | 02 -p few.arms [entropy_topped_up(least=2)] | 05 -p scenes.arms [pixel_bald(passes=1)]
05 -p scenes.arms [pixel_qbc(members=1)] | 05 -p scenes.arms [suggestive_annotation(factor=0)]
05 -p scenes.arms [suggestive_annotation(members=1)] | 05 -p scenes.arms [suggestive_annotation(factor=nan)]
01 -p few "{[1]: 2}" | 01 -p few.seeds "{[1]: 2}" | 01 -p few.arms "[{[1]: 2}]"
01 -p few 3 | 01 -p few [] | 01 -p few "{'dataset': 3}" | 01 -p few "{'like': 'many'}" | 01 -p few.like few
01 -p few.nonsense 3 | 01 -p few. 3 | 01 -p .seeds 3 | 01 -p fw.seeds 3 | 01 -p few.task nonsense | 01 -p few.pool 99999999
01 -p few.dataset a/b | 01 -p few.pool x | 01 -p few.dataset imagenet-vid | 01 -p few.dataset glyphs
01 -p pool -1 | 01 -p initial 0 | 01 -p initial -5 | 01 -p budget 0 | 01 -p cycles -1 | 01 -p batch 0 | 01 -p smallest_batch -1
01 -p network resnet | 01 -p initial_pool sometimes | 01 -p nothing 1 | 01 --profile nothing | 01 --profile ""
02 -p few.imbalance 0 | 02 -p few.imbalance -1 | 02 -p few.imbalance nan | 02 -p few.imbalance 2 | 02 -p tail_classes middle
03 -p few.budgets [] | 03 -p few.budgets [0] | 03 -p few.budgets [200] | 03 -p few.budgets [nan] | 03 -p pretraining.epochs -1
05 -p game_steps 0 | 05 -p game_lr nan | 05 -p few.arms [sraal(steps=0)] | 05 -p few.arms [sraal(indicator=x)]
06 -p epochs 0 | 07 -p few.pairs 0 | 08 -p epochs 0 | 08 -p lr nan | 00 -p watched.arms [forgetting,forgetting]
01 -p few.seeds 1e9 | 01 -p few.seeds 20000 | 01 -p few.arms [random(seeds=1e12)]
01 -p few.more "{'arms': ['random'], 'seeds': 1e9}"
01 -p epochs=5 | 01 -p epochs | 01 -p | 01 --profile | 01 --epochs 5 | 01 02 | 01 --workers abc | 01 --workers 1.5 | "" | 01é
01 -p pair_start never | 01 -p delta nan | 01 -p few.arms "[bald(dropout=0.5, passes=1)]" | 01 -p few.arms [qbc(members=2.5)]
01 -p few.arms random | 01 -p few.arms "[random, margin" | 01 -p few.arms {} | 01 -p few.arms [[random]]
01 -p few.arms [random(cycles=9)]
01 -p few.arms [random(retrain=2)] | 01 -p few.arms [random(further=1e9)] | 01 -p few.arms [all_data(further=1)]
01 -p few.arms "[random,,margin]"
01 -p few.arms [random(seeds=[5])] | 01 -p few.more [random] | 01 -p few.more "{'arms': ['random'], 'x': 1}" | 01 -p gamma -1
01 -p weight_decay -1 | 01 -p precision fp16 | 01 -p network "" | 01 -p few.dataset "" | 01 -p few.dataset "digits "
01 -p pool 1e400 | 01 -p initial 1 | 05 -p few.initial 1 | 01 -p pool 4
00 -p first.dataset glyphs-10 | 00 -p images [-1] | 00 -p images [a] | 00 -p watched.epochs 0 | 02 -p few.arms [k_center_cb(lam=-3)]
02 -p few.arms "[bald_cb(dropout=0.5, passes=1)]" | 02 -p few.arms [entropy_cb(lam=nan)] | 02 -p few.reserved -1
02 -p few.imbalance 1:3
03 -p few.encoder nothing | 03 -p few.px -1 | 03 -p few.head tree | 04 -p few.arms "[ll4al(preset='x')]" | 04 -p counts.sigma 0
04 -p poses.heat -1 | 05 -p scenes.height 3 | 05 -p few.arms [sraal(width=0)] | 06 -p roads.flow nothing
06 -p roads.dataset glyphs-10
07 -p annotator "" | 07 -p market.arms [nothing] | 08 -p market.dataset roads | 08 -p erasing 2 | 08 -p to_duke.source nothing
99 | 1x | ../01 | 01 --workers 0 | 01 --cluster junk | 01 --cluster "" | 01 --cluster tcp://127.0.0.1 | 01 --cluster udp://h:1
"""
OTHER = r"""
rn 01 | records | records exprt 01 | records export | handout | handout 99 | handout 01 --out /tmp | handout 01 --out ""
data "" | data x --px 0 --add /tmp | data x --px abc --add /tmp | report extra | status 01 02 | reproduce 99
reproduce 01 --workers 0 | data x --px 4 --add /tmp
compute 01 --cluster tcp://localhost:99999 | compute 01 --cluster tcp://127.0.0.1:0 | compute 01 --selections | records import ""
handout 01 --out /nonexistent/x.ipynb | compute 01 --selections /dev/null | compute 01 --selections /tmp
status nothing | status "" | compute nothing | compute 01 --profile nothing | compute 01 --selections "" | compute 01 --workers -3
data nothing | data cifar-10 --add /nonexistent | data --add /tmp | data x --add /nonexistent | data ../x --add /tmp
data --download | records export 99
records export 01 --profile nothing | records import /tmp | records import /dev/null | records import /etc/passwd
"""


def cases(block):
    return [case.strip() for line in block.strip().splitlines() for case in line.split(" | ")]


pytestmark = pytest.mark.usefixtures("nothing_begins")


@pytest.mark.parametrize("case", [f"run {case}" for case in cases(RUN)] + cases(OTHER))
def test_one_line_and_nothing_begun(capsys, case):
    one_line(capsys, *shlex.split(case))


@pytest.mark.parametrize("arguments", [
    ["records", "import", "a\nb.csv"], ["compute", "01", "--selections", "a\nb"], ["handout", "01", "--out", "no\nwhere/x"],
    ["data", "x", "--add", "a\tb"], ["run", "01", "--foo\nbar"], ["run", "0\x071"], ["run", "x" * 3000],
    ["run", "01", "-p", "y" * 3000, "1"], ["run", "01", "--profile", "z" * 3000], ["data", "w" * 3000],
    ["run", "01", "--workers", "9" * 20], ["compute", "01", "--workers", "1025"],
])  # fmt: skip
def test_marks_that_cannot_be_seen_and_endless_names_are_a_short_line(capsys, arguments):
    one_line(capsys, *arguments)


@pytest.mark.parametrize(("name", "value"), [
    ("ALNB_DEVICE", "foo"), ("ALNB_DEVICE", "cuda"), ("ALNB_DEVICE", "cuda:x"), ("ALNB_DEVICE", "cuda:1"),
    ("ALNB_WORKERS", "9" * 20), ("ALNB_WORKERS", "1025"), ("ALNB_CLUSTER", "junk"), ("ALNB_CLUSTER", "tcp://elsewhere:1"),
])  # fmt: skip
def test_the_environment_is_looked_at_before_anything_begins(capsys, monkeypatch, name, value):
    monkeypatch.setattr("alnb.machine.has_gpu", lambda: False)
    monkeypatch.setenv(name, value)
    for command in ("run", "compute"):
        one_line(capsys, command, "01", "--profile", "smoke")
