"""Planted truth: features whose shortcut is known, and what the probes make of them."""

from causalgrok.planted.cases import CASES

__all__ = ["CASES"]
