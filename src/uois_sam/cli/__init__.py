"""Command line `uois-sam`: one module per subcommand, each a frozen dataclass of options with a ``run`` method.

These modules import nothing heavy at their top, so that ``--help`` answers at once.
"""
