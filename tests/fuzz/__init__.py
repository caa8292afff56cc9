"""Fuzz campaign on everything that is read: seeded cases by class, each in a worker with limits on memory and time.

    python -m tests.fuzz --cases 5000

prints a table of the cases tried, and of those that ended in a foreign exception, a crash or a hang; none should.
A case is repeated by its class and number: ``--only coco --first 17 --cases 1``. CI runs a small fixed share.
"""
