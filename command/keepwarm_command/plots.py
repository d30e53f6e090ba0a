"""Plots as SVG, drawn by matplotlib and coloured by CSS variables, so that one drawing fits a light and a dark page.

Importing this module raises ImportError where matplotlib is missing: callers go on without plots."""

import contextlib
import io
import logging
import re
import textwrap
import warnings

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from keepwarm_command import figures
from keepwarm_command.markup import Markup, join, legible
from keepwarm_command.palette import PALETTE, light, theme

SERIES = (("b", "o"), ("a", "s"), ("c", "^"), ("d", "D"))
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "keepwarm", "text.parse_math": False, "font.size": 12,
         "text.color": light("ink"), "axes.labelcolor": light("ink"), "axes.edgecolor": light("muted"),
         "axes.titlesize": 12, "xtick.color": light("muted"), "ytick.color": light("muted"),
         "axes.grid": True, "axes.axisbelow": True, "grid.color": light("line"), "grid.linewidth": 0.6,
         "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "legend.fontsize": 11,
         "lines.markersize": 5.5}
MOST_RUNS = 20
MOST_SAMPLES = 100


@contextlib.contextmanager
def own_style():
    """matplotlib with our settings, whatever the user's are, and without its remarks on stderr."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def themed(text, name, description):
    """matplotlib's SVG document as an element: ids of its own, colours by variable, described in words."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg"):], flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    for variable, (value, _) in PALETTE.items():
        text = text.replace(value, f"var(--{variable})")
    text = re.sub(r"(font: [\d.]+px) [^;\"]*", r"\1 system-ui, sans-serif", text)
    text = re.sub(r'(<svg [^>]*?)width="[^"]*pt"', r"\1", text.replace("\n", " "), count=1)
    text = re.sub(r'(<svg [^>]*?)height="[^"]*pt"', r"\1", text, count=1)
    return Markup(text.replace("<svg ", f'<svg role="img" aria-label="{join(description)}" ', 1))


def drawing(name, description, *draws, size=(4.9, 3.4), title=None):
    """SVG of panels side by side, one for each function in draws, which gets its axes.

    name: unique on the page; description: for those who do not see it; size: inches, of a panel."""
    with own_style():
        figure = Figure(figsize=(size[0] * len(draws), size[1]), layout="constrained")
        for draw, axes in zip(draws, figure.subplots(1, len(draws), squeeze=False)[0]):
            draw(axes)
        figure.suptitle(title)
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True)
    return themed(buffer.getvalue(), name, description)


def standalone(svg):
    """A drawing as a file of its own, for an <img>: it carries its size, the colours, and the ground it lies on."""
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    style = f"<style>{theme()}svg{{background:var(--ground)}}</style>"
    return re.sub(r"<svg ([^>]*)>", rf'<svg width="{width}pt" height="{height}pt" \1>{style}', svg, count=1) + "\n"


def short(label, width=16):
    """A label that a plot has room for."""
    return textwrap.fill(textwrap.shorten(legible(label), 3 * width, placeholder=" …"), width, max_lines=3)


def ratio_axis(axis, ratios):
    """Ratios on a linear axis, or on a logarithmic one where they lie far apart."""
    if max(ratios) > 10 * min(ratios):
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))


def draw_pairs(axes, report):
    """The ratio of every pair in the order they ran, the verdict's median and interval, and the line of no change."""
    orders = {"ab": ("o", "baseline first"), "ba": ("D", "candidate first")}
    points = [(place, figures.pair_ratio(report, pair), pair["order"]) for place, pair in enumerate(report["pairs"], 1)]
    points = [point for point in points if point[1] is not None]
    for order, (marker, label) in orders.items():
        chosen = [point for point in points if point[2] == order]
        axes.plot([x for x, _, _ in chosen], [y for _, y, _ in chosen], marker, color=light("b"), label=label,
                  markerfacecolor=light("b") if order == "ab" else light("ground"))
    shown = [1, *(y for _, y, _ in points)]
    verdict = report.get("verdict")
    if figures.has_interval(verdict):
        shown += [verdict["low"], verdict["high"]]
        axes.axhspan(verdict["low"], verdict["high"], color=light("b"), alpha=0.15, linewidth=0, label="interval")
        axes.axhline(verdict["ratio"], color=light("b"), linewidth=1.2, label="median")
    axes.axhline(1, color=light("muted"), linestyle="--", linewidth=1, label="no change")
    axes.set_xlabel("pair")
    axes.set_ylabel(f"times {figures.quality(report)}")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    ratio_axis(axes.yaxis, shown)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.22), ncols=3, columnspacing=1, handletextpad=0.4,
                fontsize=10)


def draw_distributions(axes, report):
    """Every run's value, and the quartiles of each arm, baseline above."""
    for place, arm in enumerate("ba"):
        values = figures.column(report, arm)
        colour, marker = light(arm), dict(SERIES)[arm]
        if not values:
            continue
        lines = {"color": colour, "linewidth": 1.4}
        axes.boxplot([values], positions=[place], vert=False, widths=0.55, showfliers=False, medianprops=lines,
                     boxprops=lines, whiskerprops=lines, capprops=lines)
        # Spread by the golden ratio: neighbours in time do not hide each other, and every drawing is the same.
        heights = [place + 0.36 * ((0.5 + 0.618034 * turn) % 1 - 0.5) for turn in range(len(values))]
        axes.plot(values, heights, marker, color=colour, alpha=0.55, markeredgewidth=0)
    axes.set_yticks([0, 1], [short(report[arm]["label"], 12) for arm in "ba"], color=light("ink"))
    axes.set_ylim(-0.6, 1.6)
    axes.grid(axis="y", visible=False)
    metric = report["metric"]
    axes.set_xlabel(short(f"{metric['name']}, {metric['better']} is better", 44))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: figures.number(value, metric["unit"])))


def draw_timelines(axes, report, key):
    """One of the samples' numbers over time, a line for each run."""
    unit = 2**20 if key == "rss_bytes" else 1
    for arm, dashes in (("a", "--"), ("b", "-")):
        runs = [pair[arm]["timeline"] for pair in report["pairs"] if pair[arm].get("timeline")]
        for turn, run in enumerate(figures.thinned(runs, MOST_RUNS)):
            samples = figures.thinned(run, MOST_SAMPLES)
            axes.plot([sample["t"] for sample in samples], [sample[key] / unit for sample in samples],
                      color=light(arm), linewidth=1, alpha=0.7, linestyle=dashes,
                      marker="." if len(samples) < 3 else None,
                      label=None if turn else short(report[arm]["label"], 30))
    axes.set_xlabel("seconds since the run's start")
    axes.set_ylabel("resident memory, MiB" if key == "rss_bytes" else "page faults so far")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(EngFormatter(sep="") if key == "faults" else "{x:g}")
    axes.legend(loc="best")


def picture(report):
    """A report as one standalone SVG: both arms' runs, and every pair."""
    title = f"{figures.headline(report)[1]}\n{figures.sentence(report)}"
    return standalone(drawing("ab", title, lambda axes: draw_distributions(axes, report),
                              lambda axes: draw_pairs(axes, report), size=(4.9, 3.8), title=title))


def ratio_points(name, description, categories, series, label="times as fast", size=None):
    """SVG of ratios with their intervals by category, one colour and mark for each series.

    name: of the drawing, unique on its page; categories: labels, top to bottom; series: {label: [(ratio, low, high)
    or None for each category]}, at most four; label: of the axis; size: inches, by default as high as it must be."""
    size = size or (6.6, 1.3 + len(categories) * (0.2 + 0.15 * len(series)))

    def draw(axes):
        count = len(series)
        for turn, ((title, row), (colour, marker)) in enumerate(zip(series.items(), SERIES)):
            known = [(place + 0.7 * ((turn + 0.5) / count - 0.5), point) for place, point in enumerate(row) if point]
            ratios = [point[0] for _, point in known]
            around = [[point[0] - point[1] for _, point in known], [point[2] - point[0] for _, point in known]]
            axes.errorbar(ratios, [place for place, _ in known], xerr=around, fmt=marker, color=light(colour),
                          capsize=3, linewidth=1.2, label=short(title, 30))
        axes.axvline(1, color=light("muted"), linestyle="--", linewidth=1)
        axes.set_yticks(range(len(categories)), [short(category, 28) for category in categories], color=light("ink"))
        axes.set_ylim(len(categories) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(label)
        ratio_axis(axes.xaxis, [1, *(bound for row in series.values() for point in row if point for bound in point)])
        if count > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=count)
    return drawing(name, description, draw, size=size)
