"""Frozen values and rules. Pure: no I/O, no clock, no logging."""
