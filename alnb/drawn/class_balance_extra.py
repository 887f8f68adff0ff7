"""What stands beside the figures of thesis chapter 4: balance in the loss, what k-center costs, how good the choices were."""

from __future__ import annotations

from alnb import figures
from alnb.acquisition.cost import LARGE, extrapolated
from alnb.drawn import standard
from alnb.figures import PALETTE, Drawing

WEIGHTED = "(class_weights='balanced')"
LOSS = ("random", f"random{WEIGHTED}", "entropy", f"entropy{WEIGHTED}", "entropy_cb")


def loss_4(results, race: str = "few") -> Drawing | None:
    """Entropy and Random, each with the plain loss and with one that weighs the classes, beside Entropy-CB."""
    if not any(arm.endswith(WEIGHTED) for arm in standard.ran(standard.in_race(results, race), LOSS)):
        return standard.left_out(race, "no arm with a loss that weighs the classes ran at this profile")
    return standard.race(results, race, arms=LOSS)


def cost_4(rows) -> Drawing:
    """Seconds and memory of the greedy k-center choice against the pool (acquisition.cost), and what follows for a pool of LARGE
    samples if both go on as they grew."""
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    fig, axes = figures.subplots(1, 2, figsize=(8.4, 3.3))
    for ax, column, name in zip(axes, ("seconds", "memory"), ("CPU seconds, one thread", "MiB above the features")):
        ax.plot(rows["pool"], rows[column], **figures.looks(["k_center"])["k_center"], label="k-center, greedy")
        ax.set(xlabel="unlabelled samples", ylabel=name, xscale="log", yscale="log")
        ax.set_xticks(rows["pool"], [f"{n:,}" for n in rows["pool"]])
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        ax.minorticks_off()
    axes[1].plot(rows["pool"], rows["matrix"], color=PALETTE[1], marker="s", ls="--", label="all distances, fp32")
    axes[1].legend(fontsize=8)
    last, whole = next(rows.tail(1).itertuples()), (LARGE * 10 / 9) ** 2 * 4 / 2**30
    said = f"Made-up features: {last.pool:,} samples of {last.features}, {last.asked:,} asked for: {last.seconds:.2g} s"
    said += f", {last.memory:.0f} MiB" * bool(last.memory > 0) + f"; all distances would hold {last.matrix:,.0f} MiB."
    if grown := extrapolated(rows, "seconds", LARGE):
        slope, seconds = grown
        said += f" Seconds grow as N^{slope:.1f}: {LARGE:,} samples would take {seconds:,.0f} s a choice"
        said += f", and all their distances {whole:,.0f} GiB."
    figures.note(fig, said)
    return Drawing(fig, rows, f"What k-center costs against the pool. {said}")


def programme_4(results) -> Drawing | None:
    """How good the choices of eq. 4.8 were: objective less the bound of the relaxation, in nats and as a share of the
    objective; a row a race and arm."""
    import pandas

    rows = results[results["kind"] == "programme"]
    if rows.empty:
        return standard.left_out("programme", "no arm of eq. 4.8 ran at this profile")
    found = []
    for (race, arm), part in rows.groupby(["race", "method"], sort=False):
        share = 100 * part["gap"] / part["objective"].abs()
        found.append({"race": race, "arm": arm, "choices": len(part), "mean gap": part["gap"].mean(),
                      "largest gap": part["gap"].max(), "of the objective, %": share.max()})  # fmt: skip
    table = pandas.DataFrame(found)
    fig = figures.table(table, decimals=3)
    figures.note(fig, "gap: what a better choice could gain at most, in nats (the objective's unit).")
    parts = [f"{r['race']}, {r['arm']}: {r['choices']} choices, gap up to {r['largest gap']:.3f}" for r in found]
    return Drawing(fig, table, f"Choices of eq. 4.8 and their bounds. {'; '.join(parts)}.", rows)
