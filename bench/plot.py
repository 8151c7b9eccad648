"""Plots of a run as SVG, written by hand: no library, and they diff."""

import html
import math

import cells as catalogue
import report
import stats
from cells import BARNABAS, BARNABAS_PC, FLOOR, KAFKA

COLOURS = {KAFKA: "#b0413e", BARNABAS: "#1f5a96", BARNABAS_PC: "#5b9bd5", FLOOR: "#7a7a7a"}
WIDTH = 900
LEFT = 330
RIGHT = 40
ROW = 26
TOP = 56


class Canvas:
    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
        ]
        self.text(12, 22, title, size=15, weight="bold")

    def text(self, x, y, text, anchor="start", size=12, weight="normal", fill="#222"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}" fill="{fill}">{html.escape(text)}</text>'
        )

    def line(self, x1, y1, x2, y2, colour="#ccc", width=1):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>'
        )

    def dot(self, x, y, colour, radius=4):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>')

    def write(self, path):
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n")
        return path


class LogAxis:
    """Positions on a logarithmic axis over whole powers of ten."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self.start, self.end = start, end

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        return [10.0**e for e in range(self.low, self.high + 1)]


def tick_text(value):
    return f"{value:g}" if value < 10000 else f"{value:,.0f}"


def ratios(data, path):
    """How many times of Barnabas' cost Kafka needs, cell by cell, with intervals."""
    rows = []
    for row in report.compared_rows(data, catalogue.PRIMARY + catalogue.SECONDARY):
        for key, system in (("kafka/ours", BARNABAS), ("kafka/cached", BARNABAS_PC)):
            summary = stats.summary(row[key])
            if summary is not None:
                rows.append((f"{row['cell'].name}: {row['metric'].label}", system, summary))
    if not rows:
        return None
    height = TOP + ROW * len(rows) + 40
    canvas = Canvas(WIDTH, height, "Kafka's cost as a multiple of Barnabas' (median, 95% interval)")
    axis = LogAxis([v for _, _, s in rows for v in (s["low"], s["high"], 1)], LEFT, WIDTH - RIGHT)
    for tick in axis.ticks():
        canvas.line(axis.at(tick), TOP - 10, axis.at(tick), height - 28)
        canvas.text(axis.at(tick), height - 12, f"{tick_text(tick)}x", "middle")
    canvas.line(axis.at(1), TOP - 10, axis.at(1), height - 28, "#222")
    previous = None
    for i, (label, system, s) in enumerate(rows):
        y = TOP + ROW * i + 8
        if label != previous:
            canvas.text(LEFT - 12, y + 4, label, "end")
        previous = label
        canvas.line(axis.at(s["low"]), y, axis.at(s["high"]), y, COLOURS[system], 3)
        canvas.dot(axis.at(s["median"]), y, COLOURS[system], 5)
    for i, system in enumerate((BARNABAS, BARNABAS_PC)):
        canvas.dot(LEFT + 200 * i, 40, COLOURS[system])
        canvas.text(LEFT + 10 + 200 * i, 44, report.TITLES[system])
    return canvas.write(path)


def costs(data, path):
    """What each system needs, every round a dot, each metric on an axis of its own."""
    rows = [r for r in report.compared_rows(data, catalogue.PRIMARY) if any(r["values"].values())]
    if not rows:
        return None
    row_height = 96
    height = TOP + row_height * len(rows) + 10
    canvas = Canvas(WIDTH, height, "What each system needs (every measurement; bar: median)")
    for i, row in enumerate(rows):
        top = TOP + row_height * i
        everything = [v for values in row["values"].values() for v in values.values()]
        axis = LogAxis([max(v, 1e-6) for v in everything], LEFT, WIDTH - RIGHT)
        canvas.text(12, top + 30, row["cell"].name, weight="bold")
        canvas.text(12, top + 46, f"{row['metric'].label}, {row['metric'].unit}")
        for tick in axis.ticks():
            canvas.line(axis.at(tick), top, axis.at(tick), top + row_height - 24)
            canvas.text(axis.at(tick), top + row_height - 10, tick_text(tick), "middle", 10)
        for k, (system, values) in enumerate(row["values"].items()):
            y = top + 10 + 17 * k
            canvas.text(LEFT - 12, y + 4, report.TITLES[system], "end", 11, fill=COLOURS[system])
            for value in values.values():
                canvas.dot(axis.at(max(value, 1e-6)), y, COLOURS[system], 3)
            s = stats.summary(list(values.values()))
            if s is not None:
                x = axis.at(max(s["median"], 1e-6))
                canvas.line(x, y - 7, x, y + 7, COLOURS[system], 3)
    return canvas.write(path)


def scaling(data, path):
    """CPU per request over partitions, connections and shards, one panel each."""
    series = {k: v for k, v in report.scaling_series(data).items() if len(v) > 1}
    panels = list(dict.fromkeys(what for what, _ in series))
    if not panels:
        return None
    width, height = 300, 260
    canvas = Canvas(width * len(panels) + 20, height + 60, "CPU per request, us")
    y_max = 1.25 * max(y for points in series.values() for _, y in points)

    def y_at(value):
        return 70 + (height - 70) * (1 - value / y_max)

    for what, system in series:
        points = series[what, system]
        left, right = width * panels.index(what) + 50, width * (panels.index(what) + 1)
        axis = LogAxis([x for x, _ in points], left, right)
        if system == BARNABAS_PC:
            for tick in range(5):
                value = y_max * tick / 4
                canvas.line(left, y_at(value), right, y_at(value))
                canvas.text(left - 6, y_at(value) + 4, report.number(value), "end", 10)
            for x, _ in points:
                canvas.text(axis.at(x), height + 18, f"{x:,}", "middle", 10)
            canvas.text((left + right) / 2, height + 40, what, "middle", weight="bold")
        for (x1, y1), (x2, y2) in zip(points, points[1:]):
            canvas.line(axis.at(x1), y_at(y1), axis.at(x2), y_at(y2), COLOURS[system], 2)
        for x, y in points:
            canvas.dot(axis.at(x), y_at(y), COLOURS[system])
    for i, system in enumerate((BARNABAS_PC, FLOOR)):
        canvas.dot(60 + 180 * i, 44, COLOURS[system])
        canvas.text(70 + 180 * i, 48, report.TITLES[system])
    return canvas.write(path)


def write_all(data, results_path):
    """Writes the plots beside the results; their paths."""
    stem = results_path.with_suffix("")
    made = [
        draw(data, stem.with_name(f"{stem.name}-{name}.svg"))
        for name, draw in (("ratios", ratios), ("costs", costs), ("scaling", scaling))
    ]
    return [p for p in made if p is not None]
