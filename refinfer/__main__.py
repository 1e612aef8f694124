"""``python -m refinfer``."""

from refinfer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
