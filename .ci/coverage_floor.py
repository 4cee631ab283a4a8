"""Fails if the line coverage of modules is below the floor, and names them. Argument: coverage's JSON report."""

import json
import sys
from pathlib import Path

FLOOR = 90


def main() -> None:
    files = json.loads(Path(sys.argv[1]).read_text())["files"]
    covered = {name: file["summary"]["percent_covered"] for name, file in files.items()}
    below = [f"{name}: {percent:.0f} %" for name, percent in sorted(covered.items()) if percent < FLOOR]
    if below:
        sys.exit(f"Covered by less than {FLOOR} %:\n" + "\n".join(below))
    print(f"Each of {len(covered)} modules is covered by {FLOOR} % or more.")


if __name__ == "__main__":
    main()
