"""The page of the claims: what the source report says, what was measured, and the verdict."""

from experiments.report.claims.page import claims_report, write_claims_report

__all__ = ["claims_report", "write_claims_report"]
