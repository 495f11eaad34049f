"""The flow from a project to a verdict: observe, build, plan, publish, apply, judge, tag.

May import targets/base.py (and no kind), registry, image, config, http and the nouns.
"""
