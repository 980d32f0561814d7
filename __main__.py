"""The command line: the only place that imports all layers."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    return 0


if __name__ == "__main__":
    sys.exit(main())
