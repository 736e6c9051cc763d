"""What the information layer did in a run, as result tables."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from agents.information.degradation import Accuracy, DataQuality
from agents.information.integrity import MeterChecks
from agents.information.protocols import protocol_of
from agents.links import Links
from agents.messages import MESSAGES

Columns = dict[str, Any]


def tables_of(links: Links, checks: MeterChecks) -> dict[str, Columns]:
    """Flows, refusals and meter checks of a run."""
    return {"messages": _messages(links), "refusals": _refusals(links), "meter_checks": _checks(checks)}


def _messages(links: Links) -> Columns:
    refused: dict[str, int] = defaultdict(int)
    for (name, _), n in links.gate.refused.items():
        refused[name] += n
    quality = next((s for s in links.screens if isinstance(s, DataQuality)), None)
    rows: Columns = defaultdict(list)
    for name, kind in MESSAGES.items():
        traffic = links.traffic.get(kind)
        if traffic is None or not traffic.count:
            continue
        protocol = protocol_of(kind.protocol)
        wire_mb = (traffic.bytes * protocol.spread + traffic.envelopes * protocol.wrapping_bytes) / 1e6
        told = max(traffic.items, 1)
        accuracy = Accuracy() if quality is None else quality.accuracy.get(kind, Accuracy())
        values = {
            "message": name,
            "sender_role": kind.sender,
            "receiver_role": kind.receiver,
            "protocol": kind.protocol,
            "count": traffic.count,
            "items": traffic.items,
            "bytes": traffic.bytes,
            "delay_mean_s": traffic.delay_s / max(traffic.delivered, 1),
            "lost": traffic.lost,
            "withheld": traffic.withheld,
            "waited": traffic.waited,
            "twice": traffic.twice,
            "refused": refused[name],
            "wire_mb": wire_mb,
            "cost_eur": wire_mb * protocol.eur_per_mb,
            "completeness_share": min(traffic.delivered / told, 1.0) if traffic.items else 1.0,
            "timeliness_share": traffic.on_time / max(traffic.delivered, 1),
            "accuracy_share": 1.0 - accuracy.error / accuracy.told if accuracy.told else 1.0,
        }
        for column, value in values.items():
            rows[column].append(value)
    return dict(rows)


def _refusals(links: Links) -> Columns:
    found = sorted(links.gate.refused.items())
    known = [MESSAGES.get(name) for (name, _), _ in found]
    return {
        "message": [name for (name, _), _ in found],
        "sender_role": [kind.sender if kind else "" for kind in known],
        "receiver_role": [kind.receiver if kind else "" for kind in known],
        "reason": [reason for (_, reason), _ in found],
        "count": [n for _, n in found],
    }


def _checks(checks: MeterChecks) -> Columns:
    names = ("session_row", "mid_kwh", "car_kwh", "settled_kwh", "rule")
    return {name: list(getattr(checks, name)) for name in names}
