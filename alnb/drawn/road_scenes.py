"""Pictures of videos for thesis chapter 2: frames with boxes, conditions, consecutive frames, and Table 2.1 counted."""

from __future__ import annotations

from alnb import figures
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing

NO_VIDEOS = "its videos are not here"
LOOKALIKE = "no object"  # what looks like one: a reflection, there for one frame, or a thing that stands there


def picture(ax, rgb, title: str) -> None:
    ax.imshow(rgb, interpolation="nearest", extent=(0, rgb.shape[1], rgb.shape[0], 0))
    ax.set_title(title, fontsize=8)
    ax.axis("off")


def box(ax, place, colour, **how) -> None:
    ax.add_patch(rectangle(place, colour, **{"lw": 1.4} | how))


def rectangle(place, colour, fill="none", **how):
    from matplotlib.patches import Rectangle

    return Rectangle((place[0], place[1]), place[2] - place[0], place[3] - place[1], ec=colour, fc=fill, **how)


def legend(fig, keys) -> None:
    """Right of all axes. keys: name -> (colour, line)."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, lw=2, ls=line, label=name) for name, (colour, line) in keys.items()]
    fig.legend(handles=handles, loc="outside right center", fontsize=9, frameon=False)


def _about(world):
    """What a picture of `world` rests on."""
    import pandas

    return pandas.DataFrame([{"dataset": world.name, "world": not world.info.real, "key": None}])


def _grid(count: int, wide: int, width: float, height: float):
    """(figure, `count` axes) in rows of `wide`."""
    high = -(-count // wide)
    fig, axes = figures.subplots(high, wide, figsize=(width * wide, height * high + 0.2), squeeze=False)
    for ax in axes.ravel()[count:]:
        ax.axis("off")
    return fig, axes.ravel()[:count]


def _frames(world, chosen, wide: int, size=(2.35, 1.9)):
    """(figure, rows): the frames (video, time, title) of `chosen` with a box around each object, in the colour of its class, and,
    where a world tells them, a dotted one around what looks like an object and is none (class LOOKALIKE)."""
    import pandas

    fig, axes = _grid(len(chosen), wide, *size)
    rows = []
    for ax, (video, t, title) in zip(axes, chosen):
        frame = video.frame(t)
        picture(ax, frame.rgb, title)
        for place, kind in zip(frame.boxes, frame.classes):
            box(ax, place, PALETTE[1 + int(kind)])
            rows.append({"video": video.name, "time": t, "class": world.class_names[int(kind)]})
        for place in video.decoys(t)[0] if hasattr(video, "decoys") else ():
            box(ax, place, "white", ls=":", lw=1.2)
            rows.append({"video": video.name, "time": t, "class": LOOKALIKE})
    keys = {name: (PALETTE[1 + i], "-") for i, name in enumerate(world.class_names)}
    if any(row["class"] == LOOKALIKE for row in rows):
        keys[LOOKALIKE] = ("0.6", ":")
    legend(fig, keys)
    return fig, pandas.DataFrame(rows or [{"video": video.name, "time": t} for video, t, _ in chosen])


def counted(rows) -> str:
    """ "3 car, 1 pedestrian", or nothing; then "2 that only look like one, dotted"."""
    kinds = rows["class"].value_counts() if "class" in rows else {}
    told = ", ".join(f"{n} {kind}" for kind, n in kinds.items() if kind != LOOKALIKE) or "nothing"
    return told + (f", {kinds[LOOKALIKE]} that only look like an object, dotted" if LOOKALIKE in kinds else "")


def data_2(world, shown: int = 8) -> Drawing | None:
    """A frame from the middle of some training videos, evenly chosen, with what is visible of each object in its box."""
    if world is None:
        return standard.left_out("roads", NO_VIDEOS)
    videos = [world.train[i * len(world.train) // shown] for i in range(min(shown, len(world.train)))]
    fig, data = _frames(world, [(one, one.length // 2, one.name) for one in videos], -(-len(videos) // 2))
    below = f"The middle frame of {len(videos)} of {len(world.train)} training videos."
    dotted = "class" in data and LOOKALIKE in set(data["class"])
    figures.note(fig, below + " Dotted: looks like an object and is none; of very small objects no box is drawn." * dotted)
    said = f"{len(videos)} frames of road scenes from {world.name}, with boxes around {counted(data)}."
    return Drawing(fig, data, said, _about(world))


def fig_1_3(world, shown: int = 8) -> Drawing | None:
    """Fig. 1.3: consecutive frames of one video, the training video with most objects in its middle frame."""
    import numpy as np

    if world is None:
        return standard.left_out("Fig. 1.3", NO_VIDEOS)
    long = [video for video in world.train if video.length >= shown][:: max(1, len(world.train) // 12)]
    if not long:
        return standard.left_out("Fig. 1.3", f"no video of {world.name} has {shown} frames")
    video = max(long, key=lambda one: len(one.frame(one.length // 2).boxes))
    first = max(0, min(video.length // 2 - shown // 2, video.length - shown))
    fig, data = _frames(world, [(video, first + i, f"frame {first + i}") for i in range(shown)], 4, (2.0, 1.55))
    tracks = [set() if (one := video.frame(first + i)).tracks is None else set(one.tracks.tolist()) for i in range(shown)]
    everywhere = len(set.intersection(*tracks))
    change = np.mean([np.abs(np.diff([video.frame(first + i + j).rgb.astype(float) for j in (0, 1)], axis=0)).mean()
                      for i in range(shown - 1)])  # fmt: skip
    figures.note(fig, f"{video.name}: {everywhere} objects are in all {shown} frames.")
    said = (
        f"{shown} consecutive frames of {video.name} of {world.name}, with boxes around {counted(data)} in all; {everywhere} "
        f"objects are in every frame; from frame to frame a pixel changes by {change:.1f} grey levels of 255 on average."
    )
    return Drawing(fig, data, said, _about(world))


CONDITIONS = {"S": "day", "F": "fall", "W": "winter", "R": "rain", "N": "night"}


def fig_2_6(world) -> Drawing | None:
    """Fig. 2.6: day, night and rain; city and town; cyclists and cars."""
    wanted = [("S", "city"), ("N", "city"), ("R", "city"), ("S", "town"), ("R", "town"), ("N", "highway")]
    return _conditions(world, "Fig. 2.6", wanted, ("cyclist", "car"))


def fig_2_7(world) -> Drawing | None:
    """Fig. 2.7: sunny and rainy; city and town; pedestrians, wheelchairs and cars."""
    wanted = [("S", "city"), ("R", "city"), ("S", "town"), ("R", "town")]
    return _conditions(world, "Fig. 2.7", wanted, ("wheelchair", "pedestrian", "car"))


def _conditions(world, artefact: str, wanted, kinds) -> Drawing | None:
    """A frame of each (condition, area): of two of each such video, the one with most different `kinds`, the first ones count
    most."""
    if world is None:
        return standard.left_out(artefact, NO_VIDEOS)
    videos = [video for video in world.train + world.test if hasattr(video, "condition")]
    if not videos:
        return standard.left_out(artefact, f"the layout of {world.name} does not say which weather a video has")
    weight = {world.class_names.index(kind): 2.0**-i for i, kind in enumerate(kinds) if kind in world.class_names}
    chosen = []
    for condition, area in wanted:
        some = [video for video in videos if (video.condition, video.area) == (condition, area)]
        shots = [(video, (2 * i + 1) * video.length // 4) for video in some for i in range(2)]
        if shots:
            worth = lambda shot: sum(weight.get(int(c), 0) for c in set(shot[0].frame(shot[1]).classes.tolist()))
            chosen.append((*max(shots, key=worth), f"{CONDITIONS[condition]}, {area}"))
    if not chosen:
        return standard.left_out(artefact, f"no such weather in {world.name}")
    fig, data = _frames(world, chosen, 2 if len(chosen) == 4 else min(3, len(chosen)), (2.9, 2.25))
    figures.note(fig, "One frame of each; boxes as they are annotated.")
    titles = "; ".join(title for *_, title in chosen)
    return Drawing(fig, data, f"Frames of {world.name}: {titles}. With boxes around {counted(data)}.", _about(world))


def table_2_1(printed, world) -> Drawing | None:
    """Table 2.1 as printed, and counted from what `world` (of the roads) generates: sequences, frames, areas, conditions, and of
    the predefined places the share at which something started, per cent."""
    import pandas

    from alnb import published
    from alnb.worlds import roads

    ours = {row["subset"]: row for row in roads.table(world)}
    rows = []
    for line in printed.itertuples():
        setting = published.settings(line.setting)
        one, kind = ours.get(setting["subset"]), setting.get("class")
        if one is None:
            continue
        value = one[line.metric] if kind is None else _share(one, kind)
        rows.append({"subset": setting["subset"], "what": kind or line.metric, "published": line.value, "here": value})
        if line.metric == "sequences":  # its note: "areas C/H; conditions S/W/F/R"
            told = dict(part.split(" ", 1) for part in line.note.split("; "))
            rows += [{"subset": setting["subset"], "what": name, "published": letters.replace("/", ","), "here": one[name]}
                     for name, letters in told.items()]  # fmt: skip
    table = pandas.DataFrame(rows)
    shown = lambda value: value if isinstance(value, str) else f"{value:,.0f}" if value == value else "none"
    wide = table.assign(cell=[f"{shown(p)} / {shown(h)}" for p, h in zip(table["published"], table["here"])])
    wide = wide.pivot(index="subset", columns="what", values="cell").loc[list(ours)]
    wide = wide[["sequences", "frames", "areas", "conditions", "pedestrian", "cyclist", "car", "wheelchair"]]
    fig = figures.table(wide.reset_index())
    below = "Classes: the printed spawning probability, and the share of the predefined places, %, at which one started; none: none"
    figures.note(fig, f"printed / counted here. {below} there. Lengths are random, printed frames are rounded to thousands.")
    frames = table[table["what"] == "frames"]
    parts = [f"{r.subset}: {r.published:,.0f} printed, {r.here:,.0f} here" for r in frames.itertuples()]
    seconds = f"{min(o['shortest'] for o in ours.values()):.1f} to {max(o['longest'] for o in ours.values()):.1f} s"
    letters = table[table["what"].isin(("areas", "conditions"))]
    other = [f"{r.subset} {r.what} {r.published} printed, {r.here} here" for r in letters.itertuples() if r.published != r.here]
    said = f"Table 2.1 as printed beside {world.name}, frames of each subset: {'; '.join(parts)}. Sequences of {seconds}. "
    said += f"Areas and conditions: {'; '.join(other) or 'as printed'}."
    return Drawing(fig, table, said, _about(world))


def _share(row, kind: str) -> float:
    places = row[f"places_{kind}"]
    return 100 * row[f"spawned_{kind}"] / places if places else float("nan")
