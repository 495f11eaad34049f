"""Parsers of bytes that others wrote, fed with good samples and mutations of them: tests/fuzz/bounds.py says what must hold."""
