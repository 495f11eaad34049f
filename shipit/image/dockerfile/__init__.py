"""The Dockerfile language: lines, instructions, words, here-documents, stages and ONBUILD. Pure.

May import image/patterns, image/options and the nouns.
"""
