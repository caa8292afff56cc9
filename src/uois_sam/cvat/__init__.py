"""Functions for CVAT: ``detection`` and ``interaction`` for cvat-cli and its agents, ``nuclio`` its serverless form.

cvat-cli task auto-annotate 1 --function-module uois_sam.cvat.detection -p model=str:compact
"""
