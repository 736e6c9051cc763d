"""Numbers and names as people read them: units, signs, plain labels and HTML tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, isfinite, log10

LABELS = {
    "home": "Home chargers",
    "public_ac": "Public AC chargers",
    "office": "Offices",
    "depot": "Depots",
    "shared": "Shared cars",
    "dc_site": "Fast-charging sites",
    "household": "Households",
    "pv": "Solar panels",
    "site": "Other buildings on site",
    "driver": "EV drivers",
    "drivers": "EV drivers",
    "ev": "EVs",
    "ev_driver": "EV drivers",
    "cpo": "Charge point operator",
    "emsp": "Mobility service provider",
    "aggregator": "Aggregator",
    "csp": "Congestion service provider",
    "bsp": "Balancing service provider",
    "brp": "Balance responsible party",
    "supplier": "Supplier",
    "producer": "Producer",
    "dso": "Distribution operator (DSO)",
    "tso": "Transmission operator (TSO)",
    "fleet_operator": "Fleet operator",
    "energy_manager": "Energy manager",
    "vehicle_maker": "Vehicle maker",
    "weather_service": "Weather service",
    "charging_point": "Charging point",
    "households": "Households",
    "state": "Tax office",
    "government": "Tax office",
    "exchange": "Power exchange",
    "market": "Power market",
    "day_ahead": "Day-ahead market",
    "intraday": "Intraday market",
    "forward": "Forward market",
    "ida1": "Intraday auction 1",
    "ida2": "Intraday auction 2",
    "ida3": "Intraday auction 3",
    "fcr": "Frequency containment (FCR)",
    "afrr_up": "aFRR up",
    "afrr_down": "aFRR down",
    "afrr": "aFRR",
    "capacity_call": "Capacity call",
    "absolute_signal": "Absolute signal",
    "via_csp": "through CSP and aggregator",
    "direct": "direct to the charger",
    "ocpp": "OCPP",
    "ocpi": "OCPI",
    "uftp": "UFTP",
    "openadr": "OpenADR",
    "afrr_capacity": "aFRR capacity",
    "vat": "VAT",
    "brp_imbalance": "Imbalance",
    "twin towns": "Twin towns of the simulated one",
    "Border": "Neighbouring countries",
    "non_firm": "Non-firm",
    "tdtr85": "Off-peak right (85 %)",
    "cable": "Cable",
    "line": "Cable or line",
    "link": "Link",
    "ehv": "380/220 kV",
    "hv": "150/110 kV",
    "mv": "10 kV",
    "lv": "0.4 kV",
    "less_load": "Less load",
    "less_infeed": "Less feed-in",
    "transformer": "Transformer",
}


def label(name: str | None) -> str:
    """Plain name of a code word such as ``public_ac``; unknown ones lose their underscores."""
    if not name:
        return "not stated"
    if name in LABELS:
        return LABELS[name]
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


SHORT = {
    "brp": "BRP",
    "csp": "CSP",
    "bsp": "BSP",
    "cpo": "CPO",
    "emsp": "EMSP",
    "dso": "DSO",
    "tso": "TSO",
}


def roles_label(roles: str) -> str:
    """Plain name of comma-separated roles: in full for one, abbreviations for the usual ones of several."""
    names = [r.strip() for r in roles.split(",") if r.strip()]
    if len(names) == 1:
        return label(names[0])
    return ", ".join(SHORT.get(r) or (label(r) if i == 0 else inside(label(r))) for i, r in enumerate(names))


def inside(text: str) -> str:
    """A label within a sentence: its first letter small unless it begins an abbreviation."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """A number with ``digits`` significant digits, thousands separators and, on request, always a sign."""
    if value is None or not isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    text = f"{abs(value):,.{min(decimals, 6)}f}"
    if float(text.replace(",", "")) == 0:
        return "0"
    mark = "−" if value < 0 else "+" if sign else ""
    return mark + text


def count(value: float | None) -> str:
    """A whole number with thousands separators."""
    return "–" if value is None or not isfinite(value) else f"{round(value):,}".replace("-", "−")


def percent(share: float | None, decimals: int = 0, sign: bool = False) -> str:
    """A share as per cent."""
    if share is None or not isfinite(share):
        return "–"
    text = f"{abs(share) * 100:,.{decimals}f} %"
    is_zero = float(text[:-2].replace(",", "")) == 0
    mark = "" if is_zero else "−" if share < 0 else "+" if sign else ""
    return mark + text


def euro(value: float | None, sign: bool = False) -> str:
    """An amount in whole euros from 100 on, cents below, millions from ten million on."""
    if value is None or not isfinite(value):
        return "–"
    size = abs(value)
    text = f"€{size / 1e6:,.1f} million" if size >= 1e7 else f"€{size:,.0f}" if size >= 100 else f"€{size:,.2f}"
    is_zero = size < 0.005
    mark = "" if is_zero else "−" if value < 0 else "+" if sign else ""
    return mark + text


def energy(kwh: float | None) -> str:
    """An energy in kWh or, from 10,000 kWh on, MWh."""
    if kwh is None or not isfinite(kwh):
        return "–"
    return f"{number(kwh / 1000)} MWh" if abs(kwh) >= 1e4 else f"{number(kwh)} kWh"


def power(kw: float | None) -> str:
    """A power in kW or, from 10,000 kW on, MW."""
    if kw is None or not isfinite(kw):
        return "–"
    return f"{number(kw / 1000)} MW" if abs(kw) >= 1e4 else f"{number(kw)} kW"


def plural(n: float, one: str, many: str | None = None) -> str:
    """``1 session``, ``2 sessions``."""
    return f"{count(n)} {one if round(n) == 1 else many or one + 's'}"


def listing(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], name: str, numeric_from: int = 1) -> str:
    """An HTML table with a download button.

    Parameters
    ----------
    heads : sequence of str
        Column heads, units included.
    rows : sequence of sequences of str
        Cells as text; they are escaped. A cell that starts with ``data-`` is not special: rows carry no markup.
    name : str
        File name (without ending) of the download and caption for screen readers.
    numeric_from : int
        First column that is set flush right.
    """
    if not rows:
        return ""
    side = [' class="n"' if i >= numeric_from else "" for i in range(len(heads))]
    head = "".join(f'<th scope="col"{s}>{escape(h)}</th>' for h, s in zip(heads, side, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{s}>{escape(c)}</td>" for c, s in zip(row, side, strict=True)) + "</tr>" for row in rows
    )
    return (
        f'<div class="table"><table data-name="{escape(name)}"><caption class="quiet">{escape(name)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        '<button type="button" class="csv" data-from="table">Table as CSV</button></div>'
    )
