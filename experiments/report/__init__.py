"""Report: one self-contained page per run."""

from experiments.report.page import run_report, write_run_report

__all__ = ["run_report", "write_run_report"]
