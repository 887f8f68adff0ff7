"""What stands and moves along a road: one scene a sequence, everything's place a function of time.

Metres and seconds; x to the right of the road's middle, y up, z along the road. Nothing is drawn here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alnb.worlds.roads.assets import CLOTHES, HAIRS, PAINTS, SKINS, VEHICLES, Vehicle

CLASSES = ("car", "pedestrian", "cyclist", "wheelchair")
SPAWNED = ("pedestrian", "cyclist", "car", "wheelchair")  # Table 2.1's order of P(Pe/Cy/Ca/Wh)
LOOKALIKES = ("pillar", "hydrant", "poster", "bin")
FAR = 90.0  # nothing smaller than a building is drawn beyond
BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION = 2, 3, 4, 5, 6, 7, 8  # Cityscapes' training ids
PERSON, RIDER, CAR, BICYCLE, OTHER = 11, 12, 13, 18, 255


@dataclass(frozen=True)
class Area:
    """The cross-section of a road; the ego vehicle drives in the first lane."""

    half: float  # x of the kerb
    pavement: float  # x where the pavement ends; equal to half: none
    lanes: tuple[tuple[float, int], ...]  # (x, 1 along or -1 against the ego vehicle)
    speed: tuple[float, float]  # of the ego vehicle, m/s
    parking: float = 0.0  # x of the row of parked cars, 0: none
    centre: float = 0.0  # half the width of the strip in the middle


AREAS = {
    "city": Area(5.4, 8.3, ((1.75, 1), (-1.75, -1)), (6.5, 10), parking=4.35),
    "town": Area(3.4, 5.6, ((1.7, 1), (-1.7, -1)), (5.5, 8.5)),
    "highway": Area(
        12.2, 12.2, ((6.6, 1), (3.0, 1), (10.2, 1), (-3.0, -1), (-6.6, -1), (-10.2, -1)), (22, 28), centre=0.9
    ),
}


@dataclass
class Thing:
    """One thing beside or on the road. Place at time t: z + vz t + rides * (the ego vehicle's way), x + dx * s, where s
    goes from 0 to 1 between `begin` and `begin + seconds`."""

    kind: str  # vehicle, a figure of `assets.figure`, or a prop
    x: float
    z: float
    colours: np.ndarray  # (parts, 3) of a figure, (1, 3) of a vehicle
    cls: int = -1  # index into CLASSES, -1: part of the scenery
    vz: float = 0.0
    dx: float = 0.0
    begin: float = 0.0
    seconds: float = 1.0
    sway: float = 0.0
    rides: float = 0.0
    scale: float = 1.0
    vehicle: Vehicle | None = None
    variant: int = 0
    steps: float = 0.0  # phases of a step a second
    back: bool = False  # a parked vehicle that shows its front


@dataclass
class Blocks:
    """Houses, walls, hedges and rails: boxes that begin at x and reach away from the camera."""

    x: np.ndarray  # (B,) signed
    z0: np.ndarray
    z1: np.ndarray
    height: np.ndarray
    roof: np.ndarray  # how much higher the ridge is
    deep: np.ndarray
    colour: np.ndarray  # (B, 3)
    style: np.ndarray  # (B,) 0 flat wall, 1 offices, 2 house, 3 hedge, 4 rail
    semantics: np.ndarray  # (B,) uint8


@dataclass
class Scene:
    """One sequence: `things` in the order of their instance ids (id = place + 1)."""

    area: str
    condition: str  # S spring, F fall, W winter, R rain, N night
    frames: int
    fps: float
    key: tuple[int, ...]  # of its random streams
    speed: float
    wobble: np.ndarray  # (6,) phases and sizes of the ego vehicle's swaying
    things: list[Thing]
    blocks: Blocks
    crossings: np.ndarray  # (K,) z of zebra crossings
    tint: np.ndarray  # (3,) of the camera's colours
    assets: int
    spawned: dict[str, list[int]]  # class -> predefined places at which it might start, those at which it did

    def __post_init__(self):
        names = ("x", "z", "vz", "dx", "begin", "seconds", "sway", "rides")
        self.sizes = np.array([thing.scale if thing.cls < 0 else 99.0 for thing in self.things])
        self.path = {name: np.array([getattr(thing, name) for thing in self.things], np.float64) for name in names}

    def ego(self, t: float) -> tuple[float, float]:
        """(x, z) of the camera at frame t."""
        s, w = t / self.fps, self.wobble
        lane = AREAS[self.area].lanes[0][0]
        x = lane + 0.12 * math.sin(0.5 * s + w[0])
        return float(x), float(self.speed * (s + 0.3 * (math.sin(0.4 * s + w[1]) - math.sin(w[1]))))

    def places(self, t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(x, z, heading) of every thing at frame t; heading in radians, 0 along +z, pi / 2 along +x."""
        p, s = self.path, t / self.fps
        along = np.clip((s - p["begin"]) / p["seconds"], 0, 1)
        moving = (along > 0) & (along < 1)
        x = p["x"] + p["dx"] * along + p["sway"] * np.sin(0.7 * s + p["x"] + p["z"])
        ego = self.ego(t)[1]
        z = p["z"] + p["vz"] * s + p["rides"] * ego
        vx = np.where(moving, p["dx"] / p["seconds"], 0)
        vz = p["vz"] + p["rides"] * self.speed
        return x, z, np.where((vx == 0) & (vz == 0), 0, np.arctan2(vx, vz))


def _pick(rng, table):
    return table[rng.integers(len(table))]


def clothes(rng, assets: int, contrast: float = 1.0) -> np.ndarray:
    """(7, 3) colours of a figure's parts; contrast: 1 as they are, 0 all the same grey."""
    skin, hair, shirt, trousers, metal = (_pick(rng, some) for some in (SKINS, HAIRS, *[CLOTHES[assets]] * 3))
    colours = np.stack([skin, hair, shirt, 0.6 * trousers, (38, 34, 32), metal, (30, 30, 32)])
    return (110 + contrast * (colours - 110)).astype(np.float32)


STEPS = {"pedestrian": 14, "cyclist": 10, "wheelchair": 6}  # phases of a step a second


def participant(rng, kind: str, x: float, z: float, assets: int, contrast: float = 1.0, **path) -> Thing:
    """A random vehicle, pedestrian, cyclist or wheelchair user."""
    if kind == "vehicle":
        paint = 110 + contrast * (_pick(rng, PAINTS[assets]) - 110) + rng.uniform(-12, 12, 3)
        return Thing(kind, x, z, paint[None].astype(np.float32), 0, vehicle=_pick(rng, VEHICLES[assets]), **path)
    return Thing(kind, x, z, clothes(rng, assets, contrast), CLASSES.index(kind), scale=float(rng.uniform(0.9, 1.08)),
                 variant=int(rng.integers(2)), steps=STEPS[kind] * float(rng.uniform(0.8, 1.2)), **path)  # fmt: skip


class _Builder:
    """Fills one scene from its random stream."""

    def __init__(self, rng, area, condition, spawn, seconds, preset):
        self.rng, self.name, self.area, self.condition = rng, area, AREAS[area], condition
        self.spawn = {name: p / 100 for name, p in zip(SPAWNED, spawn)}
        if area == "highway" or condition == "N":  # cars only, as the thesis has it
            self.spawn = {"car": self.spawn["car"]}
        self.spawned = {name: [0, 0] for name in self.spawn}
        self.seconds, self.preset, self.things = seconds, preset, []
        self.speed = rng.uniform(*self.area.speed)
        self.end = self.speed * (seconds + 0.5) + FAR

    def places(self, spacing, start=6.0, end=None):
        """Predefined places, a spacing apart, shifted together."""
        spacing *= self.preset.spacing
        first = start + self.rng.uniform(0, spacing)
        return np.arange(first, self.end if end is None else end, spacing)

    def fires(self, name):
        """Whether one of the class starts at a place; counted."""
        fires = self.rng.random() < self.spawn.get(name, 0)
        if name in self.spawned:
            self.spawned[name][0] += 1
            self.spawned[name][1] += fires
        return fires

    # --- who takes part ---

    def add(self, kind, x, z, **path):
        self.things.append(participant(self.rng, kind, x, z, self.preset.assets, self.preset.contrast, **path))

    def traffic(self):
        rng, area = self.rng, self.area
        fast = self.name == "highway"
        for n, (x, way) in enumerate(area.lanes):
            if way > 0:
                pace = 0.0 if n == 0 else rng.uniform(-0.18, 0.18) * self.speed
                start = 14.0 if n == 0 else min(0.0, -pace * self.seconds) - 10
                end = FAR if n == 0 else FAR + max(0.0, -pace * self.seconds)
                for z in self.places(34 if fast else 26, start, end):
                    if self.fires("car"):  # keeps its distance from the ego vehicle, but for a slow drift
                        self.add(
                            "vehicle", x + rng.normal(0, 0.12), z + rng.uniform(-4, 4), vz=pace, rides=1.0, sway=0.08
                        )
            else:
                pace = self.speed * rng.uniform(0.8, 1.15)
                for z in self.places(60 if fast else 45, 6.0, self.end + pace * self.seconds):
                    if self.fires("car"):
                        self.add("vehicle", x + rng.normal(0, 0.12), z + rng.uniform(-4, 4), vz=-pace, sway=0.08)
        if area.parking:
            for side in (-1, 1):
                for z in self.places(16):
                    if self.fires("car") and rng.random() < 0.6 and all(abs(z - c) > 9 for c in self.crossings):
                        self.add("vehicle", side * area.parking, z, back=side < 0)

    def walkers(self):
        rng, area = self.rng, self.area
        wide = area.pavement - area.half
        for side in (-1, 1):
            for kind, spacing, pace in (("pedestrian", 18, 1.35), ("wheelchair", 24, 1.0)):
                for z in self.places(spacing * self.preset.walkers):
                    if self.fires(kind):
                        way = rng.choice((-1, 1))
                        self.add(kind, side * (area.half + wide * rng.uniform(0.25, 0.8)), z, sway=0.08,
                                    vz=way * pace * rng.uniform(0.7, 1.3))  # fmt: skip
            for z in self.places(28 * self.preset.walkers):
                if self.fires("cyclist"):  # on the right of its own way
                    x = side * (area.half - (0.55 if not area.parking else 2.35))
                    self.add("cyclist", x, z, vz=side * rng.uniform(3.2, 5), sway=0.12)
        for kind in ("pedestrian", "wheelchair", "cyclist"):
            for z in self.crossings:
                for _ in range(3):
                    if self.fires(kind):
                        self.crosses(kind, z + rng.uniform(-1.2, 1.2))

    def crosses(self, kind, z):
        """Someone who waits at a crossing and is over it two seconds before the ego vehicle comes, or starts after it."""
        rng, out = self.rng, self.area.half + 0.6
        pace = {"pedestrian": 1.5, "wheelchair": 1.2, "cyclist": 2.8}[kind] * rng.uniform(0.85, 1.2)
        way, seconds = rng.choice((-1, 1)), 2 * out / pace
        begin = z / self.speed - seconds - rng.uniform(1.5, 4)
        self.add(kind, -way * out, z, dx=way * 2 * out, begin=begin, seconds=seconds)

    # --- what stands there ---

    def prop(self, kind, x, z, colours, scale=1.0, variant=0):
        self.things.append(Thing(kind, x, z, np.array(colours, np.float32), scale=scale, variant=variant))

    def scenery(self):
        rng, area = self.rng, self.area
        kerb = area.half + 0.5
        every = {"city": 22, "town": 14, "highway": 16}[self.name]
        beyond = {"city": kerb + 0.5, "town": area.pavement + 1.2, "highway": area.half + 5}[self.name]
        for side in (-1, 1):
            for z in self.places(every / self.preset.spacing):
                if rng.random() < 0.75:
                    kind = _pick(
                        rng, ("round", "tall") if self.name != "highway" else ("round", "round", "tall", "bush")
                    )
                    far = beyond + (
                        rng.uniform(0, 14) if self.name == "highway" else rng.uniform(0, 1.5) * (self.name == "town")
                    )
                    self.prop(
                        kind, side * far, z, [(84, 66, 50), (0, 0, 0)], rng.uniform(2.0, 3.2), int(rng.integers(3))
                    )
            if self.name != "highway" or self.condition == "N":
                for z in self.places(30 / self.preset.spacing, 10 + 15 * (side > 0)):
                    self.prop(
                        "lamp", side * (kerb - 0.2), z, [(92, 96, 98), (255, 236, 190)], 3.0, variant=int(side > 0)
                    )
            for z in self.places((60 if self.name == "highway" else 34) / self.preset.spacing):
                if rng.random() < 0.6:
                    disc = _pick(rng, ((190, 40, 40), (40, 80, 170), (220, 200, 60)))
                    self.prop("sign", side * kerb, z, [(130, 132, 134), disc, (236, 236, 232)], 1.3)
            if self.name != "highway":
                for z in self.places(15 / self.preset.spacing):
                    if rng.random() < self.preset.lookalikes:
                        self.lookalike(side, z)
        for z in self.crossings if self.name == "city" else ():
            for side in (-1, 1):
                self.prop("signal", side * kerb, z - 3 * side, [(60, 62, 64), (34, 36, 38), (230, 60, 40)], 1.6)

    def lookalike(self, side, z):
        """Something that is none of the classes and looks like one from afar, for as long as it is seen."""
        rng, area = self.rng, self.area
        kind = _pick(rng, LOOKALIKES)
        cloth = _pick(rng, CLOTHES[self.preset.assets])
        colours = {
            "pillar": [cloth, (90, 92, 94), cloth * 0.5 + 60],
            "hydrant": [(170, 50, 40), (200, 180, 60)],
            "poster": [(200, 200, 204), *clothes(rng, self.preset.assets, self.preset.contrast)],
            "bin": [(60, 80, 66), (40, 44, 42)],
        }[kind]
        wide = area.pavement - area.half
        self.prop(kind, side * (area.half + wide * rng.uniform(0.15, 0.9)), z, colours, variant=int(rng.integers(2)))

    def blocks(self):
        rng, area, rows = self.rng, self.area, []
        end = self.end + 60

        def add(x, z0, z1, height, roof, deep, colour, style, semantics):
            rows.append((x, z0, z1, height, roof, deep, colour, style, semantics))

        for side in (-1, 1):
            z = -20.0 + rng.uniform(0, 10)
            while z < end:
                if self.name == "city":
                    long = rng.uniform(10, 22)
                    wall = _pick(
                        rng, ((168, 160, 150), (150, 112, 92), (186, 176, 150), (128, 130, 136), (166, 136, 120))
                    )
                    add(side * (area.pavement + 0.3 + rng.uniform(0, 1.2)), z, z + long, rng.uniform(9, 26), 0, 14,
                        np.array(wall) + rng.uniform(-10, 10, 3), 1, BUILDING)  # fmt: skip
                    z += long + (rng.uniform(7, 12) if rng.random() < 0.18 else 0)
                elif self.name == "town":
                    long = rng.uniform(8, 13)
                    wall = _pick(
                        rng, ((214, 206, 190), (196, 170, 140), (176, 120, 96), (220, 218, 214), (190, 184, 150))
                    )
                    front = area.pavement + rng.uniform(1.5, 4.5)
                    add(side * front, z, z + long, rng.uniform(3.2, 6), rng.uniform(1.8, 3), 9,
                        np.array(wall) + rng.uniform(-8, 8, 3), 2, BUILDING)  # fmt: skip
                    gap = rng.uniform(2, 9)
                    if rng.random() < 0.7:
                        hedge = rng.random() < 0.5
                        look = ((70, 96, 52), 3, VEGETATION) if hedge else ((150, 132, 108), 0, FENCE)
                        add(
                            side * (area.pavement + 0.25),
                            z - 1,
                            z + long + gap - 2,
                            rng.uniform(0.8, 1.3),
                            0,
                            0.6,
                            *look,
                        )
                    z += long + gap
                else:
                    long = rng.uniform(30, 60)
                    if rng.random() < 0.3:
                        add(
                            side * (area.half + 3.5), z, z + long, rng.uniform(2.5, 4), 0, 0.5, (136, 132, 122), 0, WALL
                        )
                    z += long
            if self.name == "highway":
                add(side * (area.half + 0.8), -30, end, 0.75, 0, 0.2, (158, 162, 166), 4, FENCE)
        if area.centre:
            add(area.centre / 2, -30, end, 0.85, 0, 0.2, (158, 160, 160), 4, FENCE)
        x, z0, z1, height, roof, deep, colour, style, semantics = zip(*rows)
        real = [np.array(values, np.float32) for values in (x, z0, z1, height, roof, deep, colour)]
        return Blocks(*real, np.array(style), np.array(semantics, np.uint8))


def build(key: tuple[int, ...], area: str, condition: str, spawn, frames: int, preset) -> Scene:
    """The scene of one sequence. spawn: P(pedestrian, cyclist, car, wheelchair) in per cent at every predefined place;
    `preset`: a `roads.Preset`."""
    rng = np.random.default_rng(key)
    made = _Builder(rng, area, condition, spawn, frames / preset.fps, preset)
    wobble = rng.uniform(0, 2 * np.pi, 6)
    made.crossings = np.zeros(0) if area == "highway" else made.places(38 / preset.spacing, 18.0)
    made.traffic()
    made.walkers()
    made.scenery()
    blocks = made.blocks()
    tint = rng.uniform(0.94, 1.06, 3).astype(np.float32)
    seen = made.things, blocks, made.crossings, tint, preset.assets, made.spawned
    return Scene(area, condition, frames, preset.fps, key, made.speed, wobble, *seen)
