"""The page of `keepwarm ab --html`: one file, readable without a network and without JavaScript."""

import pathlib
import shlex
import statistics
import sys

from keepwarm_command import counters, figures, palette
from keepwarm_command.markup import Markup, join, legible, table, tag, void
from keepwarm_command.reasons import REASONS

try:
    from keepwarm_command import plots
except ImportError as missing:
    plots = None
    NO_PLOTS = f"no plots: {sys.executable} has no matplotlib ({missing})"

# Nothing is loaded and nothing runs, whatever the report's texts may hold.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
CSS = pathlib.Path(__file__).with_name("page.css")
RUN_FIGURES = (("cpu_seconds", "CPU time", "s"), ("peak_rss_bytes", "peak resident memory", "B"),
               ("page_faults", "page faults", ""))


def figure_of(value, text):
    """A figure as people read it, with the exact one for programs."""
    return tag("data", text, value=repr(value)) if figures.measured(value) else join(text)


def reading(value, unit=""):
    return figure_of(value, figures.number(value, unit))


def interval_of(row):
    """'4.61 (4.42 to 4.90)' of a row with ratio, low and high; a dash where it has none."""
    if not figures.has_interval(row):
        return join("–")
    ratio, low, high = (figure_of(row[key], text) for key, text in
                        zip(("ratio", "low", "high"), figures.times(row["ratio"], row["low"], row["high"])))
    return join(ratio, " ", tag("small", "(", low, " to ", high, ")"))


def label(report, arm):
    return tag("span", report[arm]["label"], class_=arm)


def header(report):
    """The answer, in words."""
    kind, words = figures.headline(report)
    metric = report["metric"]
    judged = ("wall time" if metric["name"] == "seconds"
              else join("the number that ", tag("code", metric["name"]), " finds in the output"))
    return tag("header", tag("p", "keepwarm A/B: ", label(report, "b"), " against ", label(report, "a"),
                             class_="muted"),
               tag("h1", words), tag("p", figures.sentence(report), class_="lead"),
               tag("p", "Judged by ", judged, f", {metric['better']} is better.", class_="muted"), class_=kind)


def warning(report):
    """What makes the headline worthless."""
    if not figures.nothing_served(report):
        return None
    return tag("section", tag("strong", "Nothing was served."), " keepwarm answered no call here, so the program was "
               "compared with itself. Where the calls went, below, says why.", class_="warning", role="note")


def summary(report):
    """The medians of both arms, and the ratios."""
    metric = report["metric"]
    judged = ("value", "wall time" if metric["name"] == "seconds" else metric["name"], metric["unit"])
    lines = []
    for key, name, unit in (judged, *RUN_FIGURES):
        medians = [statistics.median(found) if (found := figures.column(report, arm, key)) else None for arm in "ab"]
        ratio = interval_of(report.get("verdict") if key == "value" else (report.get("also") or {}).get(key))
        lines.append([name, *(reading(median, unit) for median in medians), ratio])
    caption = "Medians of all runs, and ratios with their intervals. In the first row above 1 is better for the " \
              "candidate; in the others the ratio is plainly candidate by baseline."
    return tag("section", tag("h2", "In figures"),
               table(caption, ["what", label(report, "a"), label(report, "b"), "ratio"], lines))


def plot(caption, drawn):
    return tag("figure", drawn, tag("figcaption", caption))


def pairs_description(report):
    ratios = [ratio for pair in report["pairs"] if (ratio := figures.pair_ratio(report, pair))]
    if not ratios:
        return "No pair has a ratio."
    low, high = figures.times(min(ratios), max(ratios))
    return f"The ratio of each of {len(ratios)} pairs: from {low} to {high}. The table of all pairs has every figure."


def distributions_description(report):
    unit = report["metric"]["unit"]
    texts = [f"{report[arm]['label']} from {figures.number(min(values), unit)} to {figures.number(max(values), unit)}"
             for arm in "ab" if (values := figures.column(report, arm))]
    return "The values of both arms: " + "; ".join(texts) + "."


def timeline_plots(report):
    """Memory and faults over time, or a line where the runs were too short to be sampled."""
    if not any(pair[arm].get("timeline") for pair in report["pairs"] for arm in "ab"):
        return tag("p", "No samples over time: the runs were too short, or the report has none.", class_="muted")
    told = "A line for each run. Dashed: {}; solid: {}.".format(*(report[arm]["label"] for arm in "ab"))
    return [plot(f"{title} over time. {told}", plots.drawing(
                name, f"{title} over time for both arms; their medians are in the first table.",
                lambda axes, key=key: plots.draw_timelines(axes, report, key)))
            for name, title, key in (("rss", "Resident memory", "rss_bytes"), ("faults", "Page faults", "faults"))]


def plots_section(report):
    """All plots; without matplotlib a line that says so."""
    if not plots:
        return tag("section", tag("p", f"This page has {NO_PLOTS}. All figures are in the tables."))
    if not report["pairs"]:
        return None
    return tag("section", tag("h2", "In pictures"), tag(
        "div",
        plot("Every pair of runs: a point is one run of the candidate against its baseline.",
             plots.drawing("pairs", pairs_description(report), lambda axes: plots.draw_pairs(axes, report))),
        plot("Every run of both arms; the box spans the middle half, the line in it is the median.",
             plots.drawing("values", distributions_description(report),
                           lambda axes: plots.draw_distributions(axes, report))),
        timeline_plots(report), class_="plots"))


def share_bar(total):
    """Served calls as a share of all, as a bar."""
    share = total["served"] / total["calls"] if total["calls"] else 0
    return tag("div", tag("span", style=f"width:{share:.2%}"), class_="share", role="img",
               aria_label=f"{share:.1%} of the calls were served")


def calls_of(report, arm):
    """Where one arm's calls went."""
    total = figures.statistics_of(report, arm)
    why = "given to the kernel, for these reasons:" if total["forwarded"] else "given to the kernel"
    rows = [["served", reading(total["served"]), "answered by a reset"], ["forwarded", reading(total["forwarded"]), why]]
    declined = sorted((total.get("declined") or {}).items(), key=lambda item: -item[1])
    rows += [[reason, reading(count), REASONS.get(reason, "")] for reason, count in declined if count]
    return [tag("h3", label(report, arm)), tag("p", counters.line(total)), share_bar(total),
            tag("div", table("Calls of all runs", ["outcome", "calls", "why"], rows), class_="words"),
            rules_of(total)]


def rules_of(total):
    rows = [[tag("code", row["rule"]), *(reading(row.get(key)) for key in ("matched", "served", "forwarded"))]
            for row in total.get("rules") or []]
    head = ["rule", "matched", "served", "forwarded"]
    return table("By rule; a call may match several", head, rows) if rows else None


def calls_section(report):
    """Where the calls went, for each arm that had the library."""
    arms = [arm for arm in "ba" if figures.statistics_of(report, arm) is not None]
    told = [calls_of(report, arm) for arm in arms] or tag("p", "The report holds no counters of keepwarm.")
    return tag("section", tag("h2", "Where the calls went"), told)


def by_hand(report, arm):
    """A line for a shell that runs one arm once."""
    variables = [f"{name}={shlex.quote(str(value))}"
                 for name, value in ((report.get("environment") or {}).get(arm) or {}).items()]
    command = shlex.join(report["command"])
    return " ".join(["env", *variables, command]) if variables else command


def shell_line(title, line):
    return [tag("h3", title), tag("pre", line, tabindex="0")] if line else None


def repeat_section(report):
    server = report.get("server") or {}
    arms = [shell_line(join("The server of " if server else "One run of ", label(report, arm)), by_hand(report, arm))
            for arm in "ab"]
    return tag("section", tag("h2", "Do it again"), shell_line("The whole comparison", report.get("reproduce")), arms,
               shell_line("The server is ready at", server.get("ready")), shell_line("Its load", server.get("load")),
               shell_line("The check of every run", report.get("check")))


def machine_section(report):
    machine = report.get("machine") or {}
    memory = machine.get("memory_bytes")
    rows = [["kernel", machine.get("kernel")], ["CPU", machine.get("cpu")], ["CPUs", machine.get("cpus")],
            ["memory", figures.number(memory, "B") if memory else None], ["transparent huge pages", machine.get("thp")],
            ["keepwarm", report.get("version")], ["date", report.get("date")], ["seed", report.get("seed")],
            ["pairs before those that count", report.get("warmup")]]
    rows = [row for row in rows if row[1] is not None]
    return tag("section", tag("h2", "Where it was measured"),
               tag("div", table("Machine and settings", ["what", "value"], rows), class_="words"))


def pairs_section(report):
    """Every figure of every pair, folded away."""
    names = {"ab": "baseline", "ba": "candidate"}
    unit = report["metric"]["unit"]
    head = ["pair", "first", *(join(name, " ", label(report, arm)) for name in ("value", "CPU", "memory", "faults")
                               for arm in "ab"), "ratio"]
    rows = []
    for place, pair in enumerate(report["pairs"], 1):
        ratio = figures.pair_ratio(report, pair)
        cells = [reading(pair[arm].get(key), kind) for key, kind in
                 (("value", unit), *((key, kind) for key, _, kind in RUN_FIGURES)) for arm in "ab"]
        rows.append([str(place), names[pair["order"]], *cells,
                     figure_of(ratio, figures.times(ratio)[0]) if ratio else "–"])
    return tag("section", tag("details", tag("summary", f"All {len(rows)} pairs"),
                              table("Every pair in the order it ran", head, rows), id="pairs"))


def render(report):
    """The page of a report (schema keepwarm-ab/1) as text."""
    _, words = figures.headline(report)
    sections = (header(report), warning(report), summary(report), plots_section(report), calls_section(report),
                repeat_section(report), machine_section(report), pairs_section(report))
    head = tag("head", void("meta", charset="utf-8"),
               void("meta", name="viewport", content="width=device-width, initial-scale=1"),
               void("meta", http_equiv="Content-Security-Policy", content=POLICY),
               void("link", rel="icon", href="data:,"),
               tag("title", f"keepwarm A/B: {words}"), tag("style", Markup(palette.theme() + CSS.read_text())))
    footer = tag("footer", tag("p", "Ratios are medians of the pairs' ratios; intervals are distribution-free, from "
                               "order statistics, which is why the confidence is not a round figure."))
    return "<!DOCTYPE html>\n" + tag("html", head, tag("body", tag("main", sections), footer), lang="en") + "\n"


def write(report, path):
    """Writes the page of a report (schema keepwarm-ab/1) to path; any OSError is the caller's.

    Without matplotlib the page has no plots, and one line on stderr says so."""
    if not plots:
        print(f"keepwarm ab: {NO_PLOTS}", file=sys.stderr)
    pathlib.Path(path).write_text(render(report), encoding="utf-8")
