"""``python -m uois_sam``: the same as the command ``uois-sam``."""

from uois_sam.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
