"""Frames apart in time and spread over their videos, against the words of the definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb.acquisition import frames
from alnb.errors import BadRequest


class Seen:
    """A view of frames: video and time of each candidate and of what is labelled."""

    device = "cpu"

    def __init__(self, video, time, labelled=(), priority=None):
        self.video, self.time = torch.tensor(video), torch.tensor(time)
        self.labelled_video, self.labelled_time = (torch.tensor([one[k] for one in labelled]) for k in (0, 1))
        self.priority = torch.arange(len(video)) if priority is None else torch.tensor(priority)
        self.size = len(video)


def chosen(view, scores, budget, **how):
    return frames.apart(view, scores, budget, **how).tolist()


ONE = Seen([0] * 6, range(6))


def test_by_hand():
    scores = [5, 9, 8, 7, 1, 2]
    assert chosen(ONE, scores, 3, k=0) == [1, 2, 3]
    assert chosen(ONE, scores, 3, k=1) == [1, 3, 5]
    assert chosen(ONE, scores, 2, k=2) == [1, 5]
    assert chosen(Seen([0] * 6, range(6), [(0, 1)]), scores, 2, k=1) == [3, 5]
    assert chosen(Seen([0] * 6, range(6), [(1, 1)]), scores, 2, k=1) == [1, 3]  # of another video


def test_where_no_frame_is_left_the_distance_falls():
    assert chosen(ONE, [5, 9, 8, 7, 1, 2], 6, k=2) == [1, 5, 3, 2, 0, 4]  # 2 apart; 1 apart; the others


def test_every_video_has_its_turn():
    view = Seen([0, 0, 0, 1, 1, 2], [0, 5, 9, 0, 5, 0], priority=[5, 4, 3, 2, 1, 0])
    scores = [9, 8, 7, 3, 2, 1]
    assert chosen(view, scores, 6, k=1) == [5, 3, 0, 4, 1, 2]  # the videos in the shared order: 2, 1, 0
    assert chosen(view, scores, 3, k=1, per_video=False) == [0, 1, 2]


def test_equals_follow_the_shared_order():
    assert chosen(Seen([0] * 4, [0, 10, 20, 30], priority=[3, 0, 2, 1]), [1, 1, 1, 1], 4) == [1, 3, 2, 0]
    with pytest.raises(BadRequest, match="k = -1"):
        chosen(ONE, [0] * 6, 1, k=-1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.booleans())
def test_a_batch_is_full_distinct_nested_and_apart_while_it_can_be(seed, k, per_video):
    rng = torch.Generator().manual_seed(seed)
    places = torch.randperm(60, generator=rng)[:45]
    labelled = [(int(i) // 20, int(i) % 20) for i in places[40:]]
    view = Seen(
        (places[:40] // 20).tolist(), (places[:40] % 20).tolist(), labelled, torch.randperm(40, generator=rng).tolist()
    )
    scores = torch.randint(4, (40,), generator=rng).numpy()
    whole = chosen(view, scores, 40, k=k, per_video=per_video)
    assert sorted(whole) == list(range(40))
    assert chosen(view, scores, 11, k=k, per_video=per_video) == whole[:11]
    taken, near = list(labelled), []
    for row in whole:
        v, t = int(view.video[row]), int(view.time[row])
        near.append(min([abs(t - u) for w, u in taken if w == v], default=99))
        taken.append((v, t))
    first = next((i for i, gap in enumerate(near) if gap <= k), 40)
    beyond = set(whole[first:])  # none of what came later could have stood before it
    for row in beyond:
        v, t = int(view.video[row]), int(view.time[row])
        earlier = [*labelled, *((int(view.video[r]), int(view.time[r])) for r in whole[:first])]
        assert min([abs(t - u) for w, u in earlier if w == v], default=99) <= k
