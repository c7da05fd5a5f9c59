"""Tests: per package, plus sim, torture, interop and bench."""
