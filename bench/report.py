"""Tables of a run: as text for the terminal, as Markdown for bench/RESULTS.md."""

import cells as catalogue
import stats
from cells import BARNABAS, BARNABAS_PC, FLOOR, KAFKA

TITLES = {
    KAFKA: "Kafka",
    BARNABAS: "Barnabas",
    BARNABAS_PC: "Barnabas, page-cache",
    FLOOR: "floor",
}


def value_of(result, metric):
    """The metric in a result of barnabasctl bench; None where it has none."""
    value = result
    for key in metric.path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return None
    return value * metric.scale


def by_round(data, cell, system, metric):
    """{round: value} of the measurements that count."""
    values = {}
    for m in data["measurements"]:
        if m["cell"] == cell.name and m["system"] == system:
            value = value_of(m["result"], metric)
            if m["result"]["valid"] and m["disturbed"] is None and value is not None:
                values[m["round"]] = value
    return values


def number(value):
    """Three significant digits, without an exponent."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def median_text(values):
    s = stats.summary(list(values.values()))
    return "" if s is None else f"{number(s['median'])} ({number(s['min'])}-{number(s['max'])})"


def ratio_text(ratios):
    s = stats.summary(ratios)
    if s is None:
        return ""
    return f"{number(s['median'])} [{number(s['low'])}-{number(s['high'])}]"


def compared_rows(data, cells):
    """One row for each cell and metric that was measured for more than Barnabas alone."""
    rows = []
    for cell in cells:
        for metric in cell.metrics:
            values = {s: by_round(data, cell, s, metric) for s in TITLES}
            if not any(values.values()):
                continue
            kafka, ours, cached, floor = (values[s] if metric.compared else {} for s in TITLES)
            rows.append(
                {
                    "cell": cell,
                    "metric": metric,
                    "pairs": max(len(v) for v in values.values()),
                    "values": values,
                    "kafka/ours": stats.paired_ratios(kafka, ours),
                    "kafka/cached": stats.paired_ratios(kafka, cached),
                    "cached/floor": stats.paired_ratios(cached or ours, floor),
                    "ours/floor": stats.paired_ratios(ours, floor),
                }
            )
    return rows


HEADER = [
    "Cell", "Measure", "n", "Kafka", "Barnabas", "Barnabas, page-cache", "floor",
    "Kafka / Barnabas", "Kafka / page-cache", "page-cache / floor",
]  # fmt: skip


def cells_of_row(row):
    metric = row["metric"]
    return [
        row["cell"].name, f"{metric.label}, {metric.unit}", str(row["pairs"]),
        *(median_text(row["values"][s]) for s in TITLES),
        ratio_text(row["kafka/ours"]), ratio_text(row["kafka/cached"]),
        ratio_text(row["cached/floor"]),
    ]  # fmt: skip


def text_table(header, rows):
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip() for r in [header, *rows]]
    return "\n".join(lines)


def markdown_table(header, rows):
    lines = ["| " + " | ".join(r) + " |" for r in [header, ["---"] * len(header), *rows]]
    return "\n".join(lines)


# ---- Goals ---------------------------------------------------------------------------------------

# name, cell, metric's path, what is compared, the goal and in which direction.
GOALS = [
    ("CPU per unbatched produce request, Kafka to Barnabas", "request", "broker.us_per_request",
     "kafka", ">=", 10),
    ("the same when busy", "request-busy", "broker.us_per_request", "kafka", ">=", 10),
    ("CPU per GB in 64 KiB batches, Kafka to Barnabas", "batch-64k", "broker.s_per_gb",
     "kafka", ">=", 5),
    ("CPU per million 100-byte records, Kafka to Barnabas", "small-4k",
     "broker.s_per_million_records", "kafka", ">=", 6),
    ("CPU per request to the floor", "request", "broker.us_per_request", "floor", "<=", 4),
    ("the same when busy", "request-busy", "broker.us_per_request", "floor", "<=", 4),
    ("CPU per GB to the floor", "batch-64k", "broker.s_per_gb", "floor", "<=", 2),
    ("end-to-end p99, Kafka to Barnabas", "latency", "e2e_ms.p99", "kafka", ">=", 2),
    ("resident memory at 50 MB/s, MiB", "batch-64k", "broker.rss_max", "value", "<=", 32),
    ("idle CPU with 100 consumers, % of a CPU", "idle", "broker.cpu_share", "value", "<=", 0.3),
]  # fmt: skip


def goal_values(data, cell, metric, against, system):
    values = by_round(data, cell, system, metric)
    if against == "value":
        return list(values.values())
    if against == "floor":
        return stats.paired_ratios(values, by_round(data, cell, FLOOR, metric))
    return stats.paired_ratios(by_round(data, cell, KAFKA, metric), values)


def goal_rows(data):
    rows = []
    cells = {c.name: c for c in catalogue.CELLS}
    for title, name, path, against, sign, goal in GOALS:
        cell = cells[name]
        metric = next(m for m in cell.metrics if m.path == path)
        row = [title, f"{sign} {goal}"]
        for system in (BARNABAS, BARNABAS_PC):
            s = stats.summary(goal_values(data, cell, metric, against, system))
            if s is None:
                row.append("")
                continue
            met = s["median"] >= goal if sign == ">=" else s["median"] <= goal
            row.append(f"{number(s['median'])} {'met' if met else '**missed**'}")
        if any(row[2:]):
            rows.append(row)
    return rows


# ---- Scaling, losses, noise ----------------------------------------------------------------------


def scaling_series(data):
    """{(what, system): [(x, median)]} of the scaling cells."""
    series = {}
    for cell in catalogue.SCALING:
        for system in cell.systems:
            values = by_round(data, cell, system, cell.metrics[0])
            s = stats.summary(list(values.values()))
            if s is not None:
                key = (cell.name.split("-")[1], system)
                series.setdefault(key, []).append((cell.x, s["median"]))
    return series


def scaling_rows(data):
    rows = []
    for (what, system), points in scaling_series(data).items():
        shown = ", ".join(f"{x:,}: {number(y)}" for x, y in points)
        values = [y for _, y in points]
        goal = "<= 1.3" if system == BARNABAS_PC else ""
        rows.append([what, TITLES[system], shown, number(max(values) / min(values)), goal])
    return rows


def losses(data):
    """Cells in which Kafka's median is below ours."""
    found = []
    for row in compared_rows(data, catalogue.PRIMARY + catalogue.SECONDARY):
        for key, system in (("kafka/ours", BARNABAS), ("kafka/cached", BARNABAS_PC)):
            s = stats.summary(row[key])
            if s is not None and s["median"] < 1:
                found.append(
                    f"{row['cell'].name} ({row['metric'].label}), {TITLES[system]}: Kafka needs "
                    f"{number(s['median'])} of it [{number(s['low'])}-{number(s['high'])}]"
                )
    return found


def excluded(data):
    failed = [m for m in data["measurements"] if not m["result"]["valid"]]
    noisy = [m for m in data["measurements"] if m["disturbed"] is not None]
    lines = [f"{len(data['measurements'])} measurements; {len(noisy)} were disturbed or did not reach "
             f"their rate and are left out, {len(failed)} failed"]  # fmt: skip
    for m in noisy:
        lines.append(f"{m['cell']}, {TITLES[m['system']]}, round {m['round']}: {m['disturbed']}")
    for m in failed:
        lines.append(f"{m['cell']}, {TITLES[m['system']]}, round {m['round']}: "
                     f"{m['result']['verdict']}")  # fmt: skip
    return lines


# ---- All of it -----------------------------------------------------------------------------------


def sections(data):
    """(title, header, rows) for tables and (title, None, lines) for lists."""
    compared = catalogue.PRIMARY + catalogue.SECONDARY
    return [
        ("Goals", ["Goal", "", "Barnabas", "Barnabas, page-cache"], goal_rows(data)),
        ("Comparison", HEADER, [cells_of_row(r) for r in compared_rows(data, compared)]),
        ("Scaling", ["CPU per request over", "System", "us at each", "largest / smallest", "goal"],
         scaling_rows(data)),
        ("Cases we lose", None, losses(data) or ["none in this run"]),
        ("Left out", None, excluded(data)),
    ]  # fmt: skip


def tables(data):
    text, markdown = [], []
    for title, header, rows in sections(data):
        if not rows:
            continue
        text.append(title)
        markdown.append(f"## {title}\n")
        if header is None:
            text += [f"  {line}" for line in rows]
            markdown.append("\n".join(f"- {line}" for line in rows))
        else:
            text.append(text_table(header, [[c.replace("**", "") for c in r] for r in rows]))
            markdown.append(markdown_table(header, rows))
        text.append("")
        markdown.append("")
    return "\n".join(text), "\n".join(markdown)


def document(results, markdown, plots):
    facts = results.data["machine"]
    loads = "\n".join(
        f"- `{c.name}`: {c.title}" + (f"; `barnabasctl bench {' '.join(c.args)}`" if c.args else "")
        for c in catalogue.CELLS
    )
    pictures = "\n".join(f"![{p.stem}](results/{p.name})" for p in plots)
    return f"""# What Barnabas costs, beside Apache Kafka and the physical floor

<!-- Generated: bench/run --report bench/results/{results.path.name} -->

One run on one machine, of `{facts['command']}`, begun {facts['date']}. How it is measured, and what the
figures cannot say, stands in [README.md](README.md); every measurement is in
[results/{results.path.name}](results/{results.path.name}).

| | |
|---|---|
| CPU | {facts['cpus']} x {facts['cpu']} |
| memory | {facts['memory_gib']} GiB |
| kernel, system | {facts['kernel']}, {facts['system']} |
| files | {facts['file_system']} |
| Barnabas | {facts['barnabas']}, commit {facts['commit']}, {facts['compiler']}, {facts['build']} |
| Kafka | {facts['kafka']}, {facts['java']}, `{facts['kafka_jvm']}` |

Figures are medians with (smallest-largest) over n rounds; ratios are medians over the rounds of the
ratio within each round, with the [95% interval] of that median (bootstrap). "Barnabas" is the default:
acknowledged means synced. "page-cache" is `durability=page-cache`, which is what Kafka does.

{markdown}
{pictures}

## The cells

{loads}
"""
