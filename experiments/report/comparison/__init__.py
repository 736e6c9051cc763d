"""The comparison of two runs: what differs in the rules, and what follows for grid, drivers, roles and markets."""

from experiments.report.comparison.page import comparison_report, write_comparison

__all__ = ["comparison_report", "write_comparison"]
