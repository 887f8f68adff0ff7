"""The pre-training of chapter 5, drawn: what it is shown, and how it goes (see alnb/drawn/self_supervision.py)."""

from __future__ import annotations

from alnb import figures
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing
from alnb.methods.simsiam import COLLAPSED, SIMSIAM

# --- views ------------------------------------------------------------------------------------------------------------


def views_5(data, samples, policy) -> Drawing | None:
    """Fig. 1.6 with the chapter's own augmentations: a row a sample of the pool, a column a distortion alone, drawn as
    strong as it may come, then the two views that training pulls together. In words: mean difference of a pixel, 0 to 255."""
    import pandas
    import torch

    from alnb.learning import views
    from alnb.runs import torch_stream

    if data is None or not len(samples):
        return standard.left_out("pretraining", "the images are not here" if data is None else "no image is asked for")
    images = torch.from_numpy(data.train_images[list(samples)])
    drawn = views.draw(len(images), *images.shape[2:], policy, torch_stream(0, "views shown"))
    still = {name: torch.zeros_like(value) for name, value in drawn.items()}
    whole = torch.tensor([0, 0, *images.shape[2:]]).expand(len(images), 4)
    still |= {"box": whole, "order": drawn["order"], "factors": drawn["factors"], "sigma": drawn["sigma"]}
    every = torch.ones(len(images), dtype=torch.bool)
    shown = {"original": still, "crop": still | {"box": drawn["box"]}}
    shown |= {"flip": still | {"mirrored": every}} if policy.flip else {}
    shown |= {"colour": still | {"jittered": every}, "grey": still | {"grey": every}}
    shown |= {"blur": still | {"blurred": every}} if policy.blur_chance else {}
    for name in ("view 1", "view 2"):
        shown[name] = views.draw(len(images), *images.shape[2:], policy, torch_stream(0, name))
    pixels = {name: views.view(images, how) for name, how in shown.items()}
    fig, axes = figures.subplots(
        len(images), len(shown), figsize=(1.05 * len(shown), 1.05 * len(images) + 0.5), squeeze=False
    )
    rows, parts = [], []
    for line, sample in zip(range(len(images)), samples):
        for ax, (name, x) in zip(axes[line], pixels.items()):
            ax.imshow(x[line].permute(1, 2, 0).numpy(), interpolation="nearest", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.set_title(name if line == 0 else "", fontsize=9)
            off = 255 * float((x[line] - pixels["original"][line]).abs().mean())
            rows.append({"dataset": data.name, "world": not data.info.real, "key": None, "sample": int(sample),
                         "view": name, "difference": off})  # fmt: skip
        far = ", ".join(f"{r['view']} {r['difference']:.0f}" for r in rows[-len(shown) + 1 :])
        parts.append(f"sample {sample}, {data.class_names[int(data.train_targets[sample])]}: {far}")
    table = pandas.DataFrame(rows)
    said = f"Augmented views of {data.name}, with their mean pixel difference to the original. {'; '.join(parts)}."
    return Drawing(fig, table, said, table)


# --- the pre-training, watched ----------------------------------------------------------------------------------------


def simsiam_5(results) -> Drawing | None:
    """Loss, k-NN accuracy and spread of the codes after each epoch: a line an arm, and a dataset where there are several. A
    spread of 0 is collapse; that of the plain arm's first seed, which heads stand on, is said in a line of its own."""
    rows = results[results["race"] == "pretraining"] if len(results) else results
    rows = rows[rows["kind"] == "pretraining"] if len(rows) else rows
    if rows.empty:
        return standard.left_out("pretraining", "no runs at this profile")
    if rows["dataset"].nunique() > 1:
        rows = rows.assign(method=rows["method"].astype(object) + ", " + rows["dataset"].astype(object))
    again = rows.drop_duplicates("key").groupby(["method", "seed"]).cumcount()  # one arm and seed on another pool
    more = rows["key"].map(dict(zip(rows.loc[again.index, "key"], again)))
    rows = rows.assign(method=rows["method"].where(more == 0, rows["method"].astype(object) + ", another pool"))
    panels = {"loss": "loss, eq. 5.1", "knn": "k-NN accuracy, %", "spread": "spread of the codes"}
    fig, axes = figures.subplots(1, 3, figsize=(10.2, 3.3))
    arms = list(rows["method"].unique())
    for ax, (column, name) in zip(axes, panels.items()):
        for place, arm in enumerate(arms):
            line = rows[rows["method"] == arm].groupby("epoch")[column].mean().dropna()
            style = {"color": PALETTE[place % len(PALETTE)], "ls": ("-", "--", ":")[place % 3]}
            ax.plot(line.index, line.values, lw=1.5, label=arm, marker="o" if len(line) < 2 else "", **style)
        ax.set(xlabel="epoch", ylabel=name)
    axes[0].set_ylim(-1.05, 0.05)
    axes[2].set_ylim(0, max(1.1, float(rows["spread"].max()) * 1.05))
    axes[0].legend(fontsize=8, loc="best")
    ends = rows.sort_values("epoch").groupby("method", sort=False).last()
    first = rows[rows["epoch"] == 0].groupby("method")["knn"].mean()
    parts = [
        (f"{arm}: after {ends.loc[arm, 'epoch']:.0f} epochs loss {ends.loc[arm, 'loss']:.2f}, k-NN {first[arm]:.1f} to "
         if ends.loc[arm, "epoch"] else f"{arm}: not trained, k-NN ")
        + f"{ends.loc[arm, 'knn']:.1f} %, spread {ends.loc[arm, 'spread']:.2f}"
        + ", collapsed"
        * bool(ends.loc[arm, "spread"] < COLLAPSED)
        for arm in arms
    ]
    lost = _collapsed(rows)
    for words in lost:
        print(f"pretraining: {words}: heads on it see the same of every image")
    figures.note(fig, "k-NN uses every label, to watch: it chooses nothing. Spread: 1 over the sphere, 0 collapsed."
                      + f" Collapsed: {'; '.join(lost)}." * bool(lost))  # fmt: skip
    said = f"Lines against epochs of pre-training on {standard.datasets_of(rows)}. {'; '.join([*parts, *lost])}."
    return Drawing(fig, rows, said, rows)


def _collapsed(rows) -> list[str]:
    """The encoders of heads whose codes are one, in words."""
    plain = rows[rows["method"].str.partition(",")[0] == SIMSIAM]
    lost = []
    for (dataset, _), part in plain[plain["seed"] == plain["seed"].min()].groupby(["dataset", "key"], sort=False):
        end = part.sort_values("epoch")["spread"].iloc[-1]
        lost += [f"the encoder of the heads on {dataset} has collapsed, spread {end:.2f}"] * bool(end < COLLAPSED)
    return lost
