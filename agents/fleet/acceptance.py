"""How experience changes a driver's acceptance of smart charging: let down, they leave; having saved, they stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AcceptanceSpec:
    """Sensitivities (assumptions): log-odds of opting out per experience.

    Attributes
    ----------
    base_log_odds : float
        Of opting out before any experience (-3: about 5 %).
    per_missing_share : float
        Added when the whole needed energy was missing (scaled by the share missing).
    per_eur_saved : float
        Taken off per euro saved.
    anxiety_below_share : float
        Departures below this state of charge count as a full letdown: range anxiety.
    memory : float
        Share of an old impression that is left after one more session.
    """

    base_log_odds: float = -3.0
    per_missing_share: float = 6.0
    per_eur_saved: float = 0.5
    anxiety_below_share: float = 0.15
    memory: float = 0.8


def impression(
    spec: AcceptanceSpec,
    before: np.ndarray,
    missing_kwh: np.ndarray,
    needed_kwh: np.ndarray,
    departure_soc_share: np.ndarray,
    saved_eur: np.ndarray,
) -> np.ndarray:
    """Impression after one more session, in log-odds of opting out added to the base; arrays per driver."""
    share = np.clip(missing_kwh / np.maximum(needed_kwh, 1.0), 0.0, 1.0)
    letdown = np.where(departure_soc_share < spec.anxiety_below_share, 1.0, share)
    return spec.memory * before + spec.per_missing_share * letdown - spec.per_eur_saved * saved_eur


def opts_out(spec: AcceptanceSpec, impression_log_odds: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Whether each driver opts out; ``u`` is the driver's own fixed uniform draw, so choices move with experience."""
    odds = spec.base_log_odds + impression_log_odds
    return u < 1.0 / (1.0 + np.exp(-odds))
