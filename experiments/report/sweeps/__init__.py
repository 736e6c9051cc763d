"""The report of a sweep: what the levers do, how sure that is, who pays and who wins."""

from experiments.report.sweeps.page import sweep_report, write_sweep_report

__all__ = ["sweep_report", "write_sweep_report"]
