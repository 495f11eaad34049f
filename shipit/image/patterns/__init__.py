"""Patterns matched in linear time: of COPY and ADD, of .dockerignore, and of shell expansions.

Imports nothing else of shipit.
"""
