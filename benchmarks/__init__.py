"""Measurements: medians of several runs, each beside the program it is compared with, in the same minute."""
