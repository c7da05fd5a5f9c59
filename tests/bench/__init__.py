"""Benches: every published figure is a row that a function here measures."""
