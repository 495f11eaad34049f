"""The health of objects, a module for each kind: from objects, pods and events to verdicts. Pure.

May import the values of this target (live, observed, pods, objects, pulls, one_line) and shipit.release; judge.py imports it.
"""
