"""Our figures beside the papers', in the READMEs of the plugins: ``python docs/beside.py``; docs/results.py calls it.

A README's table stands behind ``<!-- ours: GROUP: HEADING, ... -->``; the last cells of its rows ``| ours, `METHOD` |``
are those of docs/results/table.md, "not measured" where it has no such row.
"""

import re
from pathlib import Path

DOCS = Path(__file__).parent
MARK = re.compile(r"<!-- ours: (.+): (.+?) -->")
ROW = re.compile(r"\| ours, `(\w+)`[^|]*\|")


def measured(group: str) -> dict[str, dict[str, str]]:
    """The means of docs/results/table.md for one kind of hole, by method and heading."""
    text = (DOCS / "results" / "table.md").read_text()
    _, found, rest = text.partition(f"\n## {group}\n")
    if not found:
        return {}
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip().partition(" [")[0] for cell in line.strip("|").split("|")] for line in lines]
    headings = [re.sub(" (↑|↓|→1)$", "", cell) for cell in cells[0][1:]]
    return {row[0]: dict(zip(headings, row[1:], strict=True)) for row in cells[2:]}


def updated(readme: str) -> str:
    """A README with the figures of today."""
    figures: dict[str, dict[str, str]] = {}
    headings: list[str] = []
    lines = []
    for line in readme.splitlines():
        if mark := MARK.fullmatch(line):
            figures, headings = measured(mark[1]), mark[2].split(", ")
        elif row := ROW.match(line):
            own = figures.get(row[1], {})
            cells = [own.get(heading, "not measured") for heading in headings]
            line = f"{row[0]} {' | '.join(cells)} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def update() -> None:
    """Write the READMEs of all plugins that hold such a table."""
    for path in sorted(DOCS.parent.glob("plugins/*/README.md")):
        path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    update()
