"""What has been answered about pairs of boxes: what is known from it, and the rows that tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alnb import datasets
from alnb.errors import BadRequest
from alnb.runs import TRUTH, Question, Run


class Answers:
    """Which boxes are known to be one person and which are not, for `size` boxes; what nobody answered is unknown.

    The last answer to a pair counts, in whichever order it was asked. closure: what follows from the answers counts too (same
    as same is the same, not the same as same is another); against an answer it never stands.
    """

    def __init__(self, size: int, closure: bool = False):
        self.size, self.closure = size, closure
        self.given: dict[tuple[int, int], bool] = {}
        self._known = None

    def __len__(self) -> int:
        """Distinct pairs that were answered."""
        return len(self.given)

    def add(self, one: int, other: int, same: bool) -> None:
        if one == other:
            raise BadRequest(f"box {one} is asked about itself")
        self.given[min(one, other), max(one, other)] = bool(same)
        self._known = None

    def get(self, one: int, other: int) -> bool | None:
        """What was answered to the pair; None: nothing was."""
        return self.given.get((min(one, other), max(one, other)))

    def implied(self) -> dict[tuple[int, int], bool]:
        """The answers and, with `closure`, what follows from them."""
        if not self.closure:
            return self.given
        parent = list(range(self.size))

        def root(i):
            while parent[i] != i:
                parent[i] = parent[parent[i]]
                i = parent[i]
            return i

        for (i, j), same in self.given.items():
            if same:
                parent[root(i)] = root(j)
        groups: dict[int, list[int]] = {}
        for i in sorted({i for pair in self.given for i in pair}):
            groups.setdefault(root(i), []).append(i)
        found = {(i, j): True for group in groups.values() for n, i in enumerate(group) for j in group[n + 1 :]}
        for (i, j), same in self.given.items():
            one, other = root(i), root(j)
            if not same and one != other:
                found |= {(min(a, b), max(a, b)): False for a in groups[one] for b in groups[other]}
        return found | self.given

    def masks(self, rows):
        """(positive, negative), (B, B) bool each, of boxes rows (B,): known to be one person, known not to be."""
        import numpy as np
        import torch

        keys, same = self._sorted()
        rows = np.asarray(rows)
        asked = rows[:, None] * self.size + rows
        at = np.searchsorted(keys, asked).clip(max=max(len(keys) - 1, 0))
        there = keys[at] == asked if len(keys) else np.zeros(asked.shape, bool)
        positive = there & same[at] if len(keys) else there
        return torch.from_numpy(positive), torch.from_numpy(there & ~positive)

    def _sorted(self):
        """Keys i * size + j of all that is known, both ways, ascending, and whether it is the same person."""
        import numpy as np

        if self._known is None:
            pairs = self.implied()
            ij = np.array(list(pairs), np.int64).reshape(-1, 2)
            same = np.array(list(pairs.values()), bool)
            keys = np.concatenate([ij[:, 0] * self.size + ij[:, 1], ij[:, 1] * self.size + ij[:, 0]])
            order = keys.argsort()
            self._known = keys[order], np.concatenate([same, same])[order]
        return self._known

    def partners(self) -> dict[int, tuple[list[int], list[int]]]:
        """Box -> (known to be the same person, known to be another), of boxes that have both, in ascending order."""
        keys, same = self._sorted()
        found: dict[int, tuple[list[int], list[int]]] = {}
        for i, j, yes in zip((keys // self.size).tolist(), (keys % self.size).tolist(), same.tolist()):
            found.setdefault(i, ([], []))[0 if yes else 1].append(j)
        return {i: both for i, both in found.items() if both[0] and both[1]}


# --- as the rows of kind "query" tell it -----------------------------------------------------------------------------------------

SKIPPED = "skip"
SIGNS = {True: "1", False: "0", None: "?", SKIPPED: "-"}  # of an answer, in the rows of kind "query"
CHOICES = (
    ("s", "same person", True), ("d", "different", False), ("c", "cannot tell", None), ("k", "skip", SKIPPED),
)  # fmt: skip


def answered_in(rows: Sequence[Mapping]):
    """((query, box), answer) of each question that rows of kind "query" tell of, in order."""
    said = {sign: answer for answer, sign in SIGNS.items()}
    for row in rows:
        if row["kind"] == "query":
            for box, sign in zip(row["asked"].split(), row["answers"]):
                yield (row["query"], int(box)), said[sign]


def checked(answer) -> bool | str | None:
    """An answer: True, False, None for "cannot tell", or SKIPPED; BadRequest for anything else."""
    if answer is not None and answer != SKIPPED and not isinstance(answer, bool):
        raise BadRequest(f"answer {answer!r}: expected true (one person), false (two), null (cannot tell) or {SKIPPED!r}")
    return answer


def remembered(size: int, rows: Sequence[Mapping], closure: bool = False) -> Answers:
    """What was answered in the blocks before, from their rows: each step keeps its own answers only."""
    answers = Answers(size, closure)
    for pair, said in answered_in(rows):
        if said in (True, False):
            answers.add(*pair, said)
    return answers


def total(count: str, *parts: Sequence[Mapping]) -> int:
    """Of the rows of kind "query" in all parts: questions `put` to whoever answers, or answers `given`, same or different. A pair
    whose answer is known or cannot be told is not put again (`repeats`); what was skipped or cannot be told is no answer."""
    return sum(row[count] for rows in parts for row in rows if row["kind"] == "query")


def question(run: Run, query: Sequence[int]) -> Question:
    """A pair as a person sees it."""
    boxes = datasets.load(run.dataset).train
    images = [boxes.images[i].permute(1, 2, 0).cpu().numpy() for i in query]
    cameras = [int(boxes.cameras[i]) + 1 for i in query]
    captions = (f"query, camera {cameras[0]}", f"candidate, camera {cameras[1]}")
    return Question("Do these two boxes show the same person?", tuple(zip(captions, images)), CHOICES)


FEW = 10  # queries of a block that are kept one by one
PARTS = 5  # of a block of queries, in what is kept and in the curves of rewards


def part_of(place, block):  # numbers, or columns of them
    """Which part of its block, of so many queries, the one at this place of it is in."""
    return place * PARTS // block


def kept(run: Run, rows: list[dict]) -> list[dict]:
    """What records keep of a step's rows: of the queries, of which a run has thousands, the means of each part of the block, with
    `queries`, how many these are, and `questions` of each. A person's answers, and blocks of few queries, are kept one by one."""
    asked = [row for row in rows if row["kind"] == "query"]
    if run.options.annotator != TRUTH or len(asked) <= FEW or "queries" in asked[0]:
        return rows
    parts: dict[int, list[dict]] = {}
    for place, row in enumerate(asked):
        parts.setdefault(part_of(place, len(asked)), []).append(row)
    numbers = ("reward", "positives", "cross_camera", "again", "put", "given")
    means = [
        {"kind": "query", "cycle": some[0]["cycle"], "queries": len(some), "questions": len(some[0]["answers"])}
        | {name: sum(row[name] for row in some) / len(some) for name in numbers}
        for some in parts.values()
    ]
    return [*means, *(row for row in rows if row["kind"] != "query")]
