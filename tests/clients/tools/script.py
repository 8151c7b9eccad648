"""Scripts of tools' commands and of what Apache Kafka makes them print; see README.md."""

import dataclasses
import re
import shlex


@dataclasses.dataclass
class Step:
    line: str = ""  # "$ command" or "@ action"
    before: list = dataclasses.field(default_factory=list)  # comments and options, as they stand
    output: list = dataclasses.field(default_factory=list)  # "| stdout", "! stderr", "= exit code"

    @property
    def options(self):
        return [line[2:].strip() for line in self.before if line.startswith(": ")]

    def command(self):
        """Tool, arguments and what it reads on stdin."""
        text, stdin = self.line[2:], ""
        match = re.match(r"printf '([^']*)' \| (.*)", text)
        if match:
            text, stdin = match[2], match[1].encode().decode("unicode_escape")
        tool, *args = shlex.split(text)
        return tool, args, stdin


def parse(text):
    """The steps of a script; what stands behind the last of them is a step without a line."""
    steps, step = [], Step()
    for line in text.splitlines():
        if line[:2] in ("$ ", "@ "):
            step.line = line
            steps.append(step)
            step = Step()
        elif re.match(r"[|!=]( |$)", line):
            steps[-1].output.append(line)
        else:
            step.before.append(line)
    return steps + ([step] if step.before else [])


def options_of_all(steps):
    """Options of the whole script: lines that start with `:: `."""
    return [line[3:].strip() for step in steps for line in step.before if line.startswith(":: ")]


def unparse(steps):
    lines = []
    for step in steps:
        lines += step.before + ([step.line] if step.line else []) + step.output
    return "".join(line + "\n" for line in lines)


# ---- Normalising ---------------------------------------------------------------------------------

PATTERNS = [
    (r"(?m)^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] (?=[A-Z]+ )", ""),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"(\d *\t)[\w-]{22}(?= *\t)", r"\1ID"),
    (r'("topicId":")[\w-]{22}', r"\1ID"),
    (r"((?:TopicId|Cluster ID|ClusterId|DirectoryId|Topic Id): *\t?)[\w-]{22}", r"\1ID"),
    (r"\b(adminclient|consumer|producer|console-consumer)-[\w-]*\d+\b", r"\1-N"),
    (r"\bconsole-consumer-\d+", "console-consumer-N"),
    (r"\bperf-consumer-\d+", "perf-consumer-N"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,:.]\d{3}", "TIME"),
    (r"\b17\d{11}\b", "TIME"),
    (r"correlation id \d+", "correlation id N"),
    (r" {2,}", " "),
]

# Lines that tell about the place in the tool's code, or about threads.
DROPPED = re.compile(r"\s+at [\w.$/<>-]+[($]|\s+\.\.\. \d+ more|\s*$|The consumer rebalance protocol ")


def normalise(text, places, options):
    for place, name in places:
        text = text.replace(place, name)
    if "objects" in options:  # formatters that print one JSON object after the other
        text = re.sub(r'\}(?=\{"key")', "}\n", text)
    for pattern, to in PATTERNS:
        text = re.sub(pattern, to, text)
    lines = [line.rstrip() for line in text.splitlines() if not DROPPED.match(line)]
    if "numbers" in options:
        lines = [re.sub(r"-?\d+(\.\d+)?(E-?\d+)?", "N", line) for line in lines]
    for i, line in enumerate(lines):
        if re.match(r"Option (\(\* = required\))? *Description|usage: ", line):
            lines[i:] = ["(usage)"]
            break
    if "sorted" in options:
        lines.sort()
    if "once" in options:
        lines = sorted(set(lines))
    return lines


def record(exit_code, stdout, stderr, places, options):
    """What a tool did, as the lines of a script."""
    lines = [f"| {line}" for line in normalise(stdout, places, options)]
    lines += [f"! {line}" for line in normalise(stderr, places, options)]
    if exit_code != 0:
        lines.append(f"= {exit_code}")
    return lines


OWN_WORDS = re.compile(
    r"((?:errors|common)\.\w+Exception|Error while executing topic command ): .*"
)


def agreed(lines, options, *kinds):
    """Without what is known to differ. `but PATTERN => TEXT (reason)`: an empty text drops the line;
    `own-words`: the broker's sentences behind the names of errors. kinds: words that stand for `but`,
    where it is not `but` alone."""
    kinds = "|".join(kinds or ["but"])
    if "own-words" in options:
        lines = [OWN_WORDS.sub(r"\1: ...", line) for line in lines]
    for option in options:
        match = re.fullmatch(rf"(?:{kinds}) (.*?) => (.*?) *\((.*)\)", option)
        if match:
            pattern = re.compile(match[1])
            lines = [pattern.sub(match[2], line) for line in lines]
            lines = [line for line in lines if line.strip() not in ("", "|", "!")]
    return lines
