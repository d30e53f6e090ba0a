"""The files that a run of the grid leaves, and what it says at the end."""

import csv
import statistics
import sys

import grid_judge

WORST = 20
CHART_POINTS = 60
FIGURES = ("cycles_per_second", "waited_share", "reset_ns", "faults_per_cycle", "system_ns_per_cycle",
           "resident_bytes", "process_bytes", "bystander_per_second", "bystander_median_ns",
           "bystander_hundredth_ns", "bystander_thousandth_ns", "bystander_slowest_ns", "served")


def write_rows(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def median_of(rows, strategy, figure):
    values = [row[figure] for row in rows if row["strategy"] == strategy and row[figure] != ""]
    return statistics.median(values) if values else ""


def point_rows(found):
    """A row for each point and strategy: medians, and for keepwarm's the verdict."""
    for point, rows, verdict in found:
        for strategy in dict.fromkeys(row["strategy"] for row in sorted(rows, key=lambda row: row["strategy"])):
            ours = verdict.get(strategy, {})
            yield {"point": point.name, **point._asdict(), "strategy": strategy,
                   **{figure: median_of(rows, strategy, figure) for figure in FIGURES},
                   **{key: ours.get(key, "") for key in ("best", "to_best", "to_best_low", "to_best_high", "best_reset",
                                                         "reset_to_best", "to_real", "over_real_ns")}}


def summary_of(found, ours):
    """Lines about one of keepwarm's strategies over all points."""
    to_best = [verdict[ours]["to_best"] for _, _, verdict in found]
    resets = [verdict[ours]["reset_to_best"] for _, _, verdict in found]
    behind_real = [(point, verdict) for point, _, verdict in found
                   if not grid_judge.holds_against_real(verdict, ours)]
    yield ""
    yield f"{ours}: whole cycles, against the best rival of each point"
    yield (f"  {sum(value >= 0.95 for value in to_best)} of {len(to_best)} points at 0.95 or more; geometric mean "
           f"{grid_judge.geometric_mean(to_best):.3f}; resets alone: "
           f"{sum(value >= 0.95 for value in resets)} points, {grid_judge.geometric_mean(resets):.3f}")
    yield f"  the worst {WORST}:"
    for point, _, verdict in sorted(found, key=lambda item: item[2][ours]["to_best"])[:WORST]:
        yield (f"    {verdict[ours]['to_best']:6.3f} ({verdict[ours]['to_best_low']:.3f} to "
               f"{verdict[ours]['to_best_high']:.3f}) of {verdict[ours]['best']:<7} "
               f"(reset alone {verdict[ours]['reset_to_best']:6.3f} of {verdict[ours]['best_reset']:<7})  {point.name}")
    yield (f"  against the real call: {len(found) - len(behind_real)} of {len(found)} points hold (0.97, or 100 ns "
           f"where its cycle takes under 2 us); {'the others' if behind_real else 'no others'}:")
    for point, verdict in sorted(behind_real, key=lambda item: item[1][ours]["to_real"])[:WORST]:
        yield (f"    {verdict[ours]['to_real']:6.3f} of real, {verdict[ours]['over_real_ns']:+8.0f} ns  {point.name} "
               f"({verdict['real_ns']:.0f} ns)")


def table(found):
    """All points, a line each: keepwarm's ratios, and what the cycles of the real call and the best rival take."""
    yield ""
    yield "cache/best check/best cache/real  real ns    best       point"
    for point, _, verdict in found:
        cache, check = verdict["keepwarm-cache"], verdict["keepwarm-check"]
        yield (f"{cache['to_best']:10.3f} {check['to_best']:10.3f} {cache['to_real']:10.3f} {verdict['real_ns']:8.0f}"
               f"    {cache['best']:<10} {point.name}")


def bystanders(found):
    """What a bystander gets done, over what it gets done beside real calls."""
    beside = [(point, rows) for point, rows, _ in found if point.bystander != "none"]
    if beside:
        yield ""
        yield "a thread beside the resets, its speed over that beside real calls:"
    for point, rows in beside:
        speeds = grid_judge.by_strategy(rows, "bystander_per_second")
        rounds = sorted(speeds["real"])
        words = [f"{name} {grid_judge.ratio(speeds, name, 'real', rounds):.2f}" for name in speeds if name != "real"]
        yield f"  {point.name}: {', '.join(sorted(words))}"


def promise_lines(promises):
    if promises:
        yield ""
        yield "what is promised by name:"
    for line in promises:
        wanted = f"{line.relation} {line.limit:g}" if line.met else ""
        yield f"  {line.value:9.3f} {line.unit:<2} {wanted:<8} {line.met:<3}  {line.what}"


def draw(folder, found):
    """Drawings of the ratios at all points, with quartiles. Without matplotlib: a line that says so."""
    try:
        from keepwarm_command import plots
    except ImportError as error:
        print(f"no plots: {error}", file=sys.stderr)
        return
    for first in range(0, len(found), CHART_POINTS):
        some = found[first:first + CHART_POINTS]
        series = {f"{ours} over the best rival": [
            tuple(verdict[ours][key] for key in ("to_best", "to_best_low", "to_best_high")) for _, _, verdict in some]
            for ours in ("keepwarm-cache", "keepwarm-check")}
        drawing = plots.ratio_points("grid", "Speed of keepwarm over that of the best rival",
                                     [point.label for point, *_ in some], series, size=(9, 1 + 0.3 * len(some)))
        (folder / f"points-{first // CHART_POINTS + 1}.svg").write_text(plots.standalone(drawing), encoding="utf-8")


def write(folder, heading, rounds, found, promises):
    """Writes all files into a folder, which is made, and prints the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    if rounds:
        write_rows(folder / "rounds.csv", rounds)
    lines = [heading]
    if found:
        write_rows(folder / "points.csv", list(point_rows(found)))
        lines += table(found)
        for ours in [name for name in found[0][2] if name.startswith("keepwarm")]:
            lines += summary_of(found, ours)
        lines += bystanders(found)
        draw(folder, found)
    lines += promise_lines(promises)
    text = "\n".join(lines) + "\n"
    (folder / "summary.txt").write_text(text, encoding="utf-8")
    print(text + f"\nwritten to {folder}")
