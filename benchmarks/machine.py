"""Print what a measurement ran on and with, as every result records it (:mod:`uois_sam.runtime.provenance`)."""

from __future__ import annotations

import json

from uois_sam.runtime.provenance import describe_machine

if __name__ == "__main__":
    print(json.dumps(describe_machine(), indent=2))
