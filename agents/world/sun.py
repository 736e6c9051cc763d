"""Sun and photovoltaics: position (pvlib), clear-sky and clouded irradiance, output of tilted panels.

Irradiance follows Haurwitz (1945) for the clear sky, Kasten & Czeplak (1980) for clouds and Erbs et al. (1982) for
the diffuse part; the tilted plane uses an isotropic sky. Panels lose 0.35 %/K above 25 °C (data sheets).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np

LATITUDE_DEG = 52.1
LONGITUDE_DEG = 5.18
# Losses of inverter, wiring, shade, dirt and availability together (assumption; tuned so that the fleet's mix of
# orientations yields about 950 kWh/kWp in a normal year, market-rules section 8).
PERFORMANCE_SHARE = 0.845
ALBEDO_SHARE = 0.2
ORIENTATIONS: tuple[tuple[str, float, float], ...] = (
    ("east", 20.0, 95.0),
    ("south", 33.0, 185.0),
    ("west", 20.0, 265.0),
)
FLEET_WEIGHTS = (0.22, 0.56, 0.22)


@dataclass(frozen=True)
class SunPosition:
    """Where the sun stands, arrays of shape (n_periods,): cosine of the zenith (0 below the horizon) and angles."""

    cos_zenith: np.ndarray
    zenith_rad: np.ndarray
    azimuth_rad: np.ndarray
    day_of_year: np.ndarray


def sun_position(
    start_utc: np.ndarray,
    *,
    period_min: int = 15,
    latitude_deg: float = LATITUDE_DEG,
    longitude_deg: float = LONGITUDE_DEG,
) -> SunPosition:
    """Sun position in the middle of every period (NREL's solar position algorithm through pvlib).

    Parameters
    ----------
    start_utc : array of datetime64[s], shape (n_periods,)
        Starts of the periods in UTC.
    period_min : int
        Length of a period.
    latitude_deg, longitude_deg : float
        Place; the default is De Bilt, near the middle of the country.
    """
    spa = _solar_position_algorithm()
    unix_s = start_utc.astype("datetime64[s]").astype(np.int64) + period_min * 30.0
    columns = spa.solar_position(unix_s, latitude_deg, longitude_deg, 0.0, 1013.0, 10.0, 69.2, 0.5667, numthreads=1)
    zenith = np.radians(columns[0])
    days = start_utc.astype("datetime64[D]")
    day_of_year = (days - start_utc.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1
    return SunPosition(np.maximum(np.cos(zenith), 0.0), zenith, np.radians(columns[4]), day_of_year)


@cache
def _solar_position_algorithm() -> ModuleType:
    """Load pvlib's numpy-only module without the package around it, whose import of pandas takes over a second."""
    package = find_spec("pvlib")
    folders = [] if package is None else list(package.submodule_search_locations or [])
    for path in (Path(folder) / "spa.py" for folder in folders):
        spec = spec_from_file_location("_pvlib_spa", path) if path.exists() else None
        if spec is not None and spec.loader is not None:
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    return import_module("pvlib.spa")


def clear_sky_w_per_m2(cos_zenith: np.ndarray) -> np.ndarray:
    """Global horizontal irradiance of a clear sky (Haurwitz 1945), W/m2."""
    up = np.maximum(cos_zenith, 1e-3)
    return np.where(cos_zenith > 0.0, 1098.0 * cos_zenith * np.exp(-0.059 / up), 0.0)


def clouded_share(cloud: np.ndarray) -> np.ndarray:
    """Share of the clear-sky irradiance that passes a cloud cover of 0 to 1 (Kasten & Czeplak 1980)."""
    return 1.0 - 0.75 * cloud**3.4


def diffuse_share(ghi_w_per_m2: np.ndarray, sun: SunPosition) -> np.ndarray:
    """Diffuse part of the horizontal irradiance from the clearness index (Erbs, Klein & Duffie 1982)."""
    outside = 1361.0 * (1.0 + 0.033 * np.cos(2.0 * np.pi * sun.day_of_year / 365.0)) * sun.cos_zenith
    clear = np.clip(ghi_w_per_m2 / np.maximum(outside, 1.0), 0.0, 1.0)
    middle = 0.9511 - 0.1604 * clear + 4.388 * clear**2 - 16.638 * clear**3 + 12.336 * clear**4
    return np.where(clear <= 0.22, 1.0 - 0.09 * clear, np.where(clear <= 0.8, middle, 0.165))


def panel_share(
    ghi_w_per_m2: np.ndarray, sun: SunPosition, temperature_c: np.ndarray, tilt_deg: float, azimuth_deg: float
) -> np.ndarray:
    """Output of panels as a share of their rated power, shape (n_periods,).

    Parameters
    ----------
    ghi_w_per_m2, temperature_c : array of float, shape (n_periods,)
        Horizontal irradiance and air temperature.
    sun : SunPosition
        For the same periods.
    tilt_deg, azimuth_deg : float
        Plane of the panels; azimuth clockwise from north.
    """
    tilt = np.radians(tilt_deg)
    turn = sun.azimuth_rad - np.radians(azimuth_deg)
    facing = sun.cos_zenith * np.cos(tilt) + np.sin(sun.zenith_rad) * np.sin(tilt) * np.cos(turn)
    diffuse = ghi_w_per_m2 * diffuse_share(ghi_w_per_m2, sun)
    # below 5 degrees of elevation the ratio to the horizontal plane has no meaning, so it is capped there
    beam = (ghi_w_per_m2 - diffuse) * np.maximum(facing, 0.0) / np.maximum(sun.cos_zenith, 0.087)
    sky, ground = (1.0 + np.cos(tilt)) / 2.0, (1.0 - np.cos(tilt)) / 2.0
    plane = beam + diffuse * sky + ALBEDO_SHARE * ghi_w_per_m2 * ground
    cell_c = temperature_c + 0.028 * plane
    share = plane / 1000.0 * (1.0 - 0.0035 * (cell_c - 25.0)) * PERFORMANCE_SHARE
    return np.clip(np.where(sun.cos_zenith > 0.0, share, 0.0), 0.0, 1.0)
