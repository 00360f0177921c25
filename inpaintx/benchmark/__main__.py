"""``python -m inpaintx.benchmark report RUN.json``: the tables of a benchmark run, in Markdown."""

import argparse
import sys
from pathlib import Path

from inpaintx.benchmark.report import report
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_write


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m inpaintx.benchmark", description=__doc__)
    commands = parser.add_subparsers(required=True)
    reporting = commands.add_parser("report", help="write the tables of a run")
    reporting.add_argument("run", metavar="RUN.json", help="what pytest --benchmark-json wrote")
    reporting.add_argument("-o", "--out", type=Path, help="a Markdown file; default: standard output")
    chosen = parser.parse_args(arguments)
    try:
        text = report(chosen.run)
        if chosen.out is None:
            print(text)
        else:
            with atomic_write(chosen.out) as part:
                part.write_text(text, encoding="utf-8")
    except InpaintxError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
