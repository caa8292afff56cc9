"""Grasping what was found, in simulation: a planner on masks and depth, a floating hand, and tables to clear.

Sec. IV-D of the paper grasps with a real arm. Here everyone can run it: scenes by :mod:`uois_sam.synth`, physics by
MuJoCo, and success rates by the protocol of VGN (arXiv 2101.01132), so that what masks are worth can be measured.
"""
