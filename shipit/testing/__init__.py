"""The contract that every kind of target keeps, as tests that the author of a kind runs. Imports no test framework.

May import everything but cli, report and setup.
"""
