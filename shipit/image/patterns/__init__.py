"""Patterns matched in linear time: those of COPY and ADD, of .dockerignore, and of shell variable expansion.

May import nothing else of shipit.
"""
