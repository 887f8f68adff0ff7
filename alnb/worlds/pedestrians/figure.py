"""People, painted part by part."""

from __future__ import annotations

import numpy as np

from alnb.worlds.pedestrians.cameras import spread
from alnb.worlds.pedestrians.people import BEANIE, CAP, CARRIED, SKIRT, TROUSERS, columns


class Figure:
    """People, painted from back to front into `images` (n, 3, H, W) float32; `seen` (n, 2, H, W): how far they, and
    what they carry, cover each pixel.

    Lengths are in statures: x from the middle of the body, y from the crown down. Yaw 0 faces the camera, pi / 2 walks
    to the right. A shape is (first y, last y, distance): how far inside of it the points of some people and rows are.
    """

    def __init__(self, images, people, stature, dx, dy, tilt, yaw, phase):
        self.images, (n, _, height, width) = images, images.shape
        self.seen = np.zeros((n, 2, height, width), np.float32)
        self.none, self.person = np.zeros(n, np.float32), columns(people)
        self.tall = (stature * self.person["tall"]).astype(np.float32)
        self.crown = (0.5 + dy - self.tall / 2).astype(np.float32)
        self.px = spread(self.tall * height)
        down, across = ((np.arange(side, dtype=np.float32) + 0.5) / side for side in (height, width))
        self.y = (down[None, :, None] - spread(self.crown)) / spread(self.tall)
        self.x = (across - spread(0.5 + dx)) / spread(self.tall * height / width) + spread(tilt) * (self.y - 0.5)
        self.cos, self.sin = np.cos(yaw).astype(np.float32), np.sin(yaw).astype(np.float32)
        self.swing = np.sin(phase).astype(np.float32)
        wide = self.person["wide"]
        self.shoulder, self.waist, self.hip = (self._across(wide * a, wide * b) for a, b in (
            (0.125, 0.075), (0.1, 0.075), (0.105, 0.08)))  # fmt: skip
        self._draw()

    def _across(self, width, depth):
        """Half of what is seen of a body's width."""
        return np.sqrt((width * self.cos) ** 2 + (depth * self.sin) ** 2)

    # Shapes

    def _full(self, *values):
        return [(np.asarray(value, np.float32) + self.none)[:, None, None] for value in values]

    def _ellipse(self, cx, cy, rx, ry):
        cx, cy, rx, ry = self._full(cx, cy, rx, ry)

        def distance(who, x, y):
            u, v = (x - cx[who]) / rx[who], (y - cy[who]) / ry[who]
            return (1 - np.sqrt(u * u + v * v)) * np.minimum(rx, ry)[who]

        return cy - ry, cy + ry, distance

    def _limb(self, ax, ay, bx, by, ra, rb):
        """From (ax, ay), ra thick, to (bx, by), rb thick, b below a."""
        ax, ay, ux, uy, ra, dr = self._full(ax, ay, bx - ax, by - ay, ra, rb - ra)
        length = ux * ux + uy * uy

        def distance(who, x, y):
            dx, dy = x - ax[who], y - ay[who]
            t = np.clip((dx * ux[who] + dy * uy[who]) / length[who], 0, 1)
            dx, dy = dx - t * ux[who], dy - t * uy[who]
            return ra[who] + t * dr[who] - np.sqrt(dx * dx + dy * dy)

        return ay - ra, ay + uy + ra + dr, distance

    def _body(self, *points):
        """Symmetric; points (y, half of the width) from above."""
        ys, widths = ([*self._full(*each)] for each in zip(*points))

        def distance(who, x, y):
            half = widths[0][who]
            for i in range(1, len(ys)):
                slope = (widths[i] - widths[i - 1]) / (ys[i] - ys[i - 1])
                half = half + slope[who] * np.clip(y - ys[i - 1][who], 0, (ys[i] - ys[i - 1])[who])
            return np.minimum(half - np.abs(x), np.minimum(y - ys[0][who], ys[-1][who] - y))

        return ys[0], ys[-1], distance

    def _box(self, cx, cy, rx, ry, corner):
        cx, cy, rx, ry, corner = self._full(cx, cy, rx, ry, corner)

        def distance(who, x, y):
            qx = np.abs(x - cx[who]) - (rx - corner)[who]
            qy = np.abs(y - cy[who]) - (ry - corner)[who]
            outside = np.sqrt(np.square(np.maximum(qx, 0)) + np.square(np.maximum(qy, 0)))
            return corner[who] - outside - np.minimum(np.maximum(qx, qy), 0)

        return cy - ry, cy + ry, distance

    def _paint(self, shape, colour, when=None, accessory=False):
        """Lay colour (n, 3), or one that is a function of people and rows, over a shape of the people `when` (n,)."""
        first, last, distance = shape
        height, crown, tall = self.images.shape[2], spread(self.crown), spread(self.tall)
        who = slice(None)
        if when is not None:
            who = np.flatnonzero(when)
            if not len(who):
                return
        top = int(np.floor(((first * tall + crown)[who] * height).min())) - 1
        end = int(np.ceil(((last * tall + crown)[who] * height).max())) + 1
        rows = slice(max(top, 0), min(end, height))
        if rows.start >= rows.stop:
            return
        coverage = distance(who, self.x[who, rows], self.y[who, rows])
        coverage = np.clip(coverage * self.px[who] + np.float32(0.5), 0, 1)
        over = colour(who, rows) if callable(colour) else colour.astype(np.float32)[who][:, :, None, None]
        part = self.images[who, :, rows]
        self.images[who, :, rows] = part + coverage[:, None] * (over - part)
        self.seen[who, 0, rows] = np.maximum(self.seen[who, 0, rows], coverage)
        carried = self.seen[who, 1, rows]
        self.seen[who, 1, rows] = np.maximum(carried, coverage) if accessory else carried * (1 - coverage)

    # The parts of a person

    def _draw(self):
        p, sin, cos = self.person, self.sin, self.cos
        back, far = cos < 0, np.where(sin > 0, -1, 1).astype(np.float32)
        carries = {name: p["carried"] == number for number, name in enumerate(CARRIED)}
        pack = self._box(-0.125 * sin, 0.3, 0.055 + 0.035 * np.abs(cos), 0.115, 0.03)
        self._shadow()
        self._paint(pack, p["bag"], carries["backpack"] & ~back, True)
        self._arm(far, carries["handbag"], 0.82)
        self._leg(far, 0.82)
        self._leg(-far, 1.0)
        skirt = self._body((0.46, self.hip), (0.52, self.hip), (0.68, self.hip * 1.35))
        self._paint(skirt, p["bottom"], p["legs"] == SKIRT)
        self._paint(self._body((0.46, self.hip), (0.56, self.hip * 0.95)), p["bottom"])
        self._paint(self._ellipse(0.005 * sin, 0.15, 0.035, 0.04), p["skin"])
        end = np.where(p["coat"] > 0, 0.67, 0.5)
        chest = (0.155, self.shoulder * 0.55), (0.185, self.shoulder), (0.35, self.waist), (end, self.hip * 1.05)
        self._paint(self._body(*chest), self._cloth)
        self._paint(self._box(0.07 * sin + 0.045 * cos, 0.25, 0.04 * np.maximum(np.abs(cos), 0.3), 0.036, 0.008),
                    p["logo_colour"], (p["logo"] > 0) & (cos > 0.25), True)  # fmt: skip
        for side in (-1, 1):
            line = side * 0.065 * np.abs(cos) * p["wide"] + 0.02 * sin
            self._paint(self._limb(line, 0.175, line, 0.36, 0.018, 0.018), p["bag"], carries["backpack"] & ~back, True)
        to = np.sign(cos)
        strap = self._limb(-0.6 * to * self.shoulder, 0.175, to * self.hip, 0.46, 0.018, 0.018)
        self._paint(strap, p["bag"], carries["cross-strap"], True)
        self._paint(self._box(to * self.hip, 0.49, 0.052, 0.046, 0.012), p["bag"], carries["cross-strap"], True)
        self._paint(pack, p["bag"], carries["backpack"] & back, True)
        self._arm(-far, carries["handbag"], 1.0)
        self._head(back)

    def _shadow(self):
        """On the ground: part of no mask."""
        _, _, distance = self._ellipse(0, 0.985, 0.17, 0.03)
        rows = slice(self.images.shape[2] * 2 // 3, None)
        shade = np.clip(distance(slice(None), self.x[:, rows], self.y[:, rows]) * self.px + np.float32(0.5), 0, 1)
        self.images[:, :, rows] *= 1 - np.float32(0.35) * shade[:, None]

    def _arm(self, side, handbag, light):
        p = self.person
        shoulder = side * (self.shoulder - 0.02) * np.where(np.abs(self.cos) < 0.25, 0.3, 1)
        reach = -0.09 * side * self.swing * self.sin
        elbow, hand = (
            shoulder + reach / 2 + 0.03 * side * np.abs(self.cos),
            shoulder + reach + 0.035 * side * np.abs(self.cos),
        )
        sleeve = np.where(p["long_sleeves"][:, None] > 0, p["top"], p["skin"]) * light
        self._paint(self._limb(elbow, 0.335, hand, 0.455, 0.028, 0.022), sleeve)
        self._paint(self._limb(shoulder, 0.2, elbow, 0.335, 0.036 * p["wide"], 0.03), p["top"] * light)
        self._paint(self._ellipse(hand, 0.475, 0.022, 0.025), p["skin"] * light)
        held = handbag & (side > 0)
        self._paint(self._limb(hand, 0.46, hand, 0.52, 0.012, 0.012), p["bag"], held, True)
        self._paint(self._box(hand, 0.55, 0.065, 0.058, 0.015), p["bag"], held, True)

    def _leg(self, side, light):
        p = self.person
        hip = 0.048 * side * self.cos * p["wide"]
        foot = hip + 0.13 * side * self.swing * self.sin
        knee = (hip + foot) / 2 + 0.015 * self.sin
        sole = 0.965 - 0.015 * (side * self.swing * np.sign(self.cos) > 0.3) * np.abs(self.cos)
        shin, thigh = (
            self._limb(knee, 0.72, foot, sole - 0.025, 0.034, 0.026),
            self._limb(hip, 0.5, knee, 0.72, 0.05, 0.038),
        )
        self._paint(shin, np.where(p["legs"][:, None] > TROUSERS, p["skin"], p["bottom"]) * light)
        self._paint(thigh, np.where(p["legs"][:, None] == SKIRT, p["skin"], p["bottom"]) * light)
        self._paint(self._ellipse(foot + 0.025 * self.sin, sole, 0.03 + 0.03 * np.abs(self.sin), 0.022), p["shoes"])

    def _cloth(self, who, rows):
        """Colours (n, 3, h, W) of the top: its pattern, what an open jacket shows, the round of the body."""
        p = {key: self.person[key][who] for key in ("top", "second", "pattern", "period", "open")}
        x, y, cos, sin = self.x[who, rows], self.y[who, rows], spread(self.cos[who]), spread(self.sin[who])
        u, pattern = x / spread(self.shoulder[who]), spread(p["pattern"])
        down = np.sin(y * (2 * np.pi / spread(p["period"])))
        along = np.sin(u * (2 * np.pi * np.float32(1.4)))
        second = np.select([pattern == 1, pattern == 2, pattern == 3, pattern == 4],
                           [np.broadcast_to(down > 0, u.shape), along > 0.2, down * along > 0, np.broadcast_to(y > 0.33, u.shape)],
                           False)  # fmt: skip
        shows = np.abs(x - 0.05 * sin) < 0.03 * np.clip(4 * cos + 0.5, 0, 1)
        second = (second | (shows & (spread(p["open"]) > 0)))[:, None]
        colours = np.where(second, p["second"][:, :, None, None], p["top"][:, :, None, None])
        return colours * (1 - np.float32(0.18) * np.clip(u * u, 0, 1))[:, None]

    def _head(self, back):
        p, sin, cos = self.person, self.sin, self.cos
        long = p["long_hair"] > 0
        self._paint(self._ellipse(0, 0.165, 0.055, 0.025), p["scarf_colour"], p["scarf"] > 0, True)
        self._paint(self._ellipse(-0.015 * sin, 0.12, 0.056, 0.1), p["hair"], long & back)
        self._paint(self._ellipse(0, 0.077, 0.053, 0.073), p["hair"])
        self._paint(self._ellipse(-0.03 * sin, 0.12, 0.045, 0.075), p["hair"], long & ~back)
        turned = np.clip((cos + 0.45) / 0.7, 1e-3, 1)
        self._paint(self._ellipse(0.022 * sin, 0.095, 0.042 * turned, 0.052 * turned), p["skin"], turned > 0.1)
        first, _, round_ = self._ellipse(0, 0.06, 0.06, 0.062)
        cap = lambda who, x, y: np.minimum(round_(who, x, y), np.float32(0.065) - y)
        self._paint((first, np.full_like(first, 0.065), cap), p["hat_colour"], p["hat"] <= BEANIE, True)
        brim = self._ellipse(0.06 * sin, 0.062, 0.045, 0.012)
        self._paint(brim, p["hat_colour"], (p["hat"] == CAP) & ~back, True)
