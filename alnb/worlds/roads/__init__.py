"""Road scenes filmed from a car: the world that stands in for SYNTHIA-AL (thesis section 2.4, Table 2.1).

Every video is drawn when it is asked for, frame by frame; a frame is a pure function of (seed, subset, sequence, frame).
Beside the picture there are instance ids, Cityscapes' 19 classes, depth, exact flow to the next and the last frame, and
boxes of what is visible and of the whole object, with track ids.

Presets
- `roads-near`: 96 x 64, through a longer lens, more who walk or ride, no wheelchairs: the notebook's races. At 10 frames a second.
- `roads-near-assets`: other vehicles, figures and colours, many short videos, no decoys: what a detector is pre-trained on in
  place of COCO. Few videos are not enough: of 24 it learnt its pedestrians by heart, and found one in eight of others.
- `roads-tiny`: 96 x 64, few short videos at 10 frames a second; `roads`: 160 x 120, a tenth of the sequences, 3 to 8 s.
- `roads-full`: all sequences of Table 2.1 at 400 x 300, the size at which the thesis trains.
- `roads-assets`: other vehicles, figures and colours, as `roads-tiny`.
- `roads-near-null`, `roads-tiny-null`, `roads-null`: the frames of all videos shuffled: a frame's neighbours are none.
- `roads-vid`: three classes, videos of very different lengths: stands in for ImageNet-VID.

How hard a preset is, its fields `contrast`, `lookalikes`, `ghosts`, `flicker`, `noise`, `spacing` and `least` say (see
`Preset`); `make(replace(PRESETS[name], ghosts=1.0))` is any other. False alarms have two sources by design: reflections,
there for one frame, and things on the pavement that last as long as they are seen; `decoys(t)` of a video has both. What is
behind a `glare` is missed for one frame, what is small or pale for longer.

Of `roads-near`, fixed with Random alone, before any method under test ran; development seed 1000, profile `laptop`, half its
test frames. Random: AP .257 .316 .395 at 40, 70 and 100 labels of 480; all 480 at once, in the epochs of one cycle: .394. Whether
all teach more than 100 one seed does not tell, where one training is off another of the same frames by .03. With decoys that
flicker more (lookalikes .5, ghosts .6) Random had .310 .323 .394 .383 at 40, 80, 120 and 160, all data .443 and .413, but 71 % of
the false positives were of one frame. As it is: after 40 labels 0.5 false positives a frame that holds an object, 54 % of them of
one frame, and 1.1 false negatives, 14 % of one frame. (Of two other draws of 40 labels, by what false positives overlap by more
than 0.1: 53 and 33 % a reflection, 17 and 18 % a look-alike.) Most of what is missed is missed for longer: an object that is found
unless something veils it, with chance p, is missed alone with chance p (1 - p)^2, at most .15, and half the objects are too
small, dark or covered for so small a detector anyhow. Annotating larger ones alone (least 64) left that share at 16 % and a
third of the pedestrians.

A pool of few videos teaches little, however many frames they have: with 12 videos of 40 frames in place of 40 of 12 (and
annotated from 64 px), AP lay at .21 to .26 from 40 to 130 labels and at .33 with all of them. A test set of eight videos held two
pedestrians, a third of the AP. Six of the 32 test videos are of the night, and no training video is: nothing teaches what is
dark. In a trial with 16 videos of the night in 96 (and all lookalikes), all data reached .32, no more than Random's 100
labels: the time of this profile does not teach that as well.

`write(videos, root)` writes them as SYNTHIA-AL lies on disk, `table(videos)` counts Table 2.1. Cars drive on through
whoever crosses, nobody brakes, limbs move with their body in the flow, and a wall's roof lies in the wall's plane: what is
drawn is for detectors, not for drivers.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alnb.datasets import Info
from alnb.datasets.videos import Frame, Videos
from alnb.errors import BadRequest
from alnb.worlds.roads import disk
from alnb.worlds.roads.scene import CLASSES, SPAWNED

__all__ = ["INFO", "PRESETS", "TABLE", "Preset", "load", "make", "table", "write"]


@dataclass(frozen=True)
class Subset:
    """A row of Table 2.1."""

    title: str
    sequences: int
    areas: tuple[str, ...]
    conditions: str  # S spring, F fall, W winter, R rain, N night
    spawn: tuple[int, int, int, int]  # P(pedestrian, cyclist, car, wheelchair) at a predefined place, per cent
    test: bool = False


# Thesis Table 2.1: sequences, areas, conditions and spawning probabilities as printed.
TABLE = {
    "default": Subset("Default", 150, ("city", "highway"), "SWFR", (30, 20, 35, 0)),
    "town": Subset("Town", 36, ("town",), "SWFR", (30, 20, 35, 0)),
    "night": Subset("Night", 6, ("city", "highway"), "N", (0, 0, 35, 0)),
    "wheelchair": Subset("Wheelchair", 5, ("city", "town"), "S", (20, 20, 0, 100)),
    "test": Subset("Test (no WC)", 85, ("city", "highway", "town"), "SFRN", (30, 20, 35, 0), True),
    "test-wheelchair": Subset("Test (WC)", 12, ("city", "town"), "S", (20, 20, 0, 100), True),
}
ORDER = list(TABLE)
AREAS = ("city", "highway", "town")
TRACKS = 1 << 16  # more than any video has objects


@dataclass(frozen=True)
class Preset:
    """What is generated, and how hard it is to detect."""

    width: int
    height: int
    sequences: tuple[int, ...]  # of each subset, in the order of TABLE
    seconds: tuple[float, float] = (10.0, 30.0)
    fps: float = 25.0
    focal: float = 1.4  # focal length in image widths; SYNTHIA-AL's is 895.692 / 640
    seed: int = 6
    assets: int = 0  # which set of shapes and colours
    shuffled: bool = False
    # Difficulty
    spacing: float = 1.0  # of the predefined places at which something may start: larger, emptier
    contrast: float = 0.8  # of the participants' colours: 1 as they are, 0 all grey
    lookalikes: float = 0.35  # chance of a pillar, hydrant, bin or poster at each of their places
    ghosts: float = 0.3  # reflections in the windscreen a frame: there for one frame
    flicker: float = 0.03  # deviation of the exposure from frame to frame
    noise: float = 1.0  # of the sensor, times what the weather gives
    least: float = 0.0  # a participant is annotated where more pixels of it are seen; 0: `seeable`
    walkers: float = 1.0  # the same as spacing, of the places of who walks or rides alone
    glare: float = 0.0  # chance that a participant is behind a reflection of the sun, for one frame

    @property
    def seeable(self) -> float:
        """Pixels above which a participant "can be reasonably seen": 50 of 640 x 480 (thesis 2.4), and never under 12."""
        return self.least or max(12.0, 50 * self.width * self.height / (640 * 480))


_TINY = Preset(96, 64, (16, 4, 2, 2, 8, 2), seconds=(4, 7), fps=10, focal=1.4, spacing=1.5, least=20)
_ROADS = Preset(160, 120, (15, 4, 2, 2, 9, 3), seconds=(3, 8), focal=1.4, spacing=2.0, least=24)
_NEAR = Preset(96, 64, (64, 32, 0, 0, 32, 0), seconds=(4, 7), fps=10, focal=2.0, seed=11, spacing=1.5, walkers=0.3, least=36,
               contrast=1.0, lookalikes=0.8, ghosts=0.35, glare=0.2)  # fmt: skip
PRESETS = {
    "roads-near": _NEAR,
    "roads-near-null": replace(_NEAR, shuffled=True),
    "roads-near-assets": replace(_NEAR, assets=1, seed=12, sequences=(300, 150, 0, 0, 8, 0), seconds=(0.8, 1.2), fps=2.5,
                                 lookalikes=0.0, ghosts=0.0, glare=0.0, least=36),
    "roads-tiny": _TINY,
    "roads-tiny-null": replace(_TINY, shuffled=True),
    "roads": _ROADS,
    "roads-null": replace(_ROADS, shuffled=True),
    "roads-full": Preset(400, 300, tuple(subset.sequences for subset in TABLE.values())),
    "roads-assets": replace(_TINY, assets=1, seed=7),
    "roads-vid": replace(_ROADS, sequences=(18, 8, 2, 0, 9, 0), seconds=(0.3, 20), seed=9),
}


def _lengths(preset: Preset, subset: str) -> np.ndarray:
    """Frames of each sequence of a subset: uniform between the shortest and the longest time."""
    rng = np.random.default_rng((preset.seed, ORDER.index(subset)))
    count = preset.sequences[ORDER.index(subset)]
    return np.maximum(np.round(rng.uniform(*preset.seconds, count) * preset.fps).astype(int), 2)


def _frames(preset: Preset, test: bool) -> int:
    return sum(int(_lengths(preset, name).sum()) for name, subset in TABLE.items() if subset.test == test)


def _info(name: str, preset: Preset) -> Info:
    what = "with other assets, " if preset.assets else "frames shuffled, " if preset.shuffled else ""
    return Info(
        title=f"road scenes from a car, {what}{preset.width} x {preset.height} videos",
        real=False,
        classes=_classes(preset),
        source="embedded",
        terms="drawn by this package",
        note=f"{sum(preset.sequences)} videos at {preset.fps:g} frames a second, {preset.seconds[0]:g} to {preset.seconds[1]:g} s",
        train=_frames(preset, False),
        test=_frames(preset, True),
        frame=(preset.width, preset.height),
        task="detection",
    )


def _classes(preset: Preset) -> int:
    """Wheelchairs only where a subset has them."""
    return len(CLASSES) - (preset.sequences[ORDER.index("wheelchair")] == 0)


INFO = {name: _info(name, preset) for name, preset in PRESETS.items()}


class Sequence:
    """A video of the world; see `alnb.datasets.videos.Video`."""

    def __init__(self, preset: Preset, subset: str, number: int, length: int):
        self.preset, self.subset, self.number, self.length = preset, subset, number, length
        about = TABLE[subset]
        self.spawn = about.spawn
        self.area = about.areas[number % len(about.areas)]
        self.condition = about.conditions[number // len(about.areas) % len(about.conditions)]
        self.name = f"{subset}-{number:03d}-{self.area}-{self.condition}"
        self.complete = np.ones(length, bool)

    @functools.cached_property
    def scene(self):
        """What stands and moves along this road (`roads.scene.Scene`)."""
        from alnb.worlds.roads import scene

        preset = self.preset
        key = (preset.seed, ORDER.index(self.subset), self.number)
        return scene.build(key, self.area, self.condition, self.spawn, self.length, preset)

    def frame(self, t: int) -> Frame:
        """Frame t, drawn anew: IndexError outside 0 <= t < length."""
        from alnb.worlds.roads import draw

        if not 0 <= t < self.length:
            raise IndexError(f"{self.name} has {self.length} frames, there is no frame {t}")
        preset, scene = self.preset, self.scene
        cam, to, places = draw.draw(scene, t, preset.width, preset.height, preset.focal)
        ids, hulls, amodal = draw.boxes(scene, cam, to, places, preset.seeable)
        return Frame(
            rgb=draw.picture(scene, cam, to, t, preset)[0],
            boxes=hulls,
            amodal=amodal,
            classes=np.array([scene.things[k - 1].cls for k in ids], np.int64),
            tracks=ids - 1,
            instances=to.instances,
            semantics=to.semantics,
            depth=to.depth,
            flow=functools.partial(draw.flow, scene, cam, to, places, t),
        )

    def decoys(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """What frame t shows that looks like a participant and is none: boxes (D, 4) float32 of what is visible, and
        (D,) bool, True for a reflection, there for this one frame, False for a thing that stands there."""
        from alnb.worlds.roads import draw

        preset, scene = self.preset, self.scene
        cam, to, _ = draw.draw(scene, t, preset.width, preset.height, preset.focal, lookalikes=True)
        lasting = np.flatnonzero(np.bincount(to.instances.ravel())[1:] > preset.seeable) + 1
        fleeting = draw.picture(scene, cam, to, t, preset)[1]
        hulls = [draw.hull(to.instances == identity) for identity in lasting] + fleeting
        return np.array(hulls, np.float32).reshape(-1, 4), np.arange(len(hulls)) >= len(lasting)


class Shuffled:
    """A video whose frames come from anywhere in its split; each keeps its own flow, and tracks of its own: an object of one
    source video, whose place in the split is `numbers[its name]`, never has the number of another's."""

    def __init__(self, name, frames, numbers):
        self.name, self.frames, self.length, self.numbers = name, frames, len(frames), numbers
        self.complete = np.ones(self.length, bool)

    def frame(self, t: int) -> Frame:
        if not 0 <= t < self.length:
            raise IndexError(f"{self.name} has {self.length} frames, there is no frame {t}")
        video, at = self.frames[t]
        frame, first = video.frame(at), TRACKS * self.numbers[video.name]
        instances = np.where(frame.instances > 0, frame.instances + first, 0).astype(frame.instances.dtype)
        return replace(frame, tracks=frame.tracks + first, instances=instances)

    def decoys(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        video, at = self.frames[t]
        return video.decoys(at)


def _split(preset: Preset, test: bool) -> list:
    made = [Sequence(preset, name, n, int(length)) for name, subset in TABLE.items() if subset.test == test
            for n, length in enumerate(_lengths(preset, name))]  # fmt: skip
    if not preset.shuffled:
        return made
    frames = [(video, t) for video in made for t in range(video.length)]
    order = iter(np.random.default_rng((preset.seed, 99, test)).permutation(len(frames)))
    numbers = {video.name: n for n, video in enumerate(made)}
    return [Shuffled(video.name, [frames[next(order)] for _ in range(video.length)], numbers) for video in made]


def make(preset: Preset, name: str = "roads") -> Videos:
    """The videos of any preset: `make(dataclasses.replace(PRESETS["roads-tiny"], ghosts=1.0))`."""
    if len(preset.sequences) != len(TABLE) or min(preset.sequences) < 0:
        raise BadRequest(
            f"sequences = {preset.sequences}: expected {len(TABLE)} counts, one a subset: {', '.join(TABLE)}"
        )
    if not 0 < preset.seconds[0] <= preset.seconds[1] or min(preset.fps, preset.focal, preset.spacing, preset.walkers) <= 0:
        raise BadRequest(f"seconds = {preset.seconds}, fps = {preset.fps}: expected times above 0, the shorter first")
    if min(preset.width, preset.height) < 32:
        raise BadRequest(f"{preset.width} x {preset.height}: expected at least 32 x 32 pixels")
    for field in ("contrast", "lookalikes", "ghosts", "flicker", "noise", "least", "glare"):
        if not 0 <= (value := getattr(preset, field)) < np.inf:
            raise BadRequest(f"{field} = {value}: expected 0 or more")
    if preset.assets not in (0, 1):
        raise BadRequest(f"assets = {preset.assets}: expected 0 or 1")
    names = CLASSES[: _classes(preset)]
    return Videos(name, _info(name, preset), names, _split(preset, False), _split(preset, True))


def same_streets(a: str, b: str) -> bool:
    """Whether two presets are drawn from one stream: the same videos, perhaps of another size or with their frames shuffled."""
    return a in PRESETS and b in PRESETS and PRESETS[a].seed == PRESETS[b].seed


def check_ordered(videos: Videos) -> None:
    """BadRequest for videos that are not this world's, or whose frames are shuffled."""
    if not all(isinstance(video, Sequence) for video in videos.train + videos.test):
        raise BadRequest(f"{videos.name}: expected videos of the roads with their frames in order")


def write(videos: Videos, root: str | Path, every: int = 1) -> Path:
    """`disk.write` of this world's videos. BadRequest for others, or shuffled ones."""
    check_ordered(videos)
    return disk.write(videos, root, every)


def table(videos: Videos) -> list[dict]:
    """Table 2.1, counted from what `videos` generates: one row a subset that has sequences.

    subset (as printed), sequences, frames, areas and conditions (the letters of those that occur, in the printed order),
    seconds (shortest, longest), and for each of pedestrian, cyclist, car and wheelchair: `p_<class>` the spawning
    probability asked for, `places_<class>` the predefined places where it might have started, `spawned_<class>` where it
    did. Highways and nights have places for cars only.
    """
    check_ordered(videos)
    rows = []
    for name, subset in TABLE.items():
        some = [video for video in videos.train + videos.test if video.subset == name]
        if not some:
            continue
        seconds = [video.length / video.preset.fps for video in some]
        row = {
            "subset": subset.title,
            "sequences": len(some),
            "frames": sum(video.length for video in some),
            "areas": ",".join(area[0].upper() for area in AREAS if any(video.area == area for video in some)),
            "conditions": ",".join(letter for letter in "SWFRN" if any(video.condition == letter for video in some)),
            "shortest": min(seconds),
            "longest": max(seconds),
        }
        for which, p in zip(SPAWNED, subset.spawn):
            counts = [video.scene.spawned.get(which, (0, 0)) for video in some]
            row |= {f"p_{which}": p}
            row |= {
                f"{what}_{which}": sum(count[k] for count in counts) for k, what in enumerate(("places", "spawned"))
            }
        rows.append(row)
    return rows


def load(name: str, root: Path | None = None) -> Videos:
    """The preset `name`; nothing is drawn yet."""
    if name not in PRESETS:
        raise BadRequest(f"unknown preset {name!r}: there are {', '.join(PRESETS)}")
    return make(PRESETS[name], name)
