"""The top of a sweep's page: sentences and tiles computed from its numbers."""

from __future__ import annotations

from experiments.analysis.intervals import FEW_REPLICATIONS
from experiments.analysis.summary import index_rows
from experiments.report.naming import interval_text, is_better, name_of, value_text
from experiments.report.summary import Tile
from experiments.report.sweeps import discovery, gains, robustness, tradeoffs
from experiments.report.sweeps.levers import level_text
from experiments.report.sweeps.sensitivity import drivers
from experiments.report.sweeps.view import SweepView
from experiments.report.wording import count, inside, listing, plural

MOST_FIGURES = 4


def sentences(view: SweepView) -> list[str]:
    """The summary, one finding a sentence."""
    if view.observations.is_empty():
        return ["No run of this sweep has a result yet, so nothing can be said.", *_trust(view)]
    parts = [_what(view), *_effects(view), *_indices(view), *_best(view), _tradeoff(view), _robust(view)]
    return [p for p in [*parts, _wrong(view), *_gains(view), *_trust(view)] if p]


def _what(view: SweepView) -> str:
    low, high = view.replications
    each = plural(low, "replication") if low == high else f"{low} to {high} replications"
    if view.is_joint:
        what = f"{count(view.points.height)} combinations of {plural(len(view.factors), 'factor')}"
    else:
        what = plural(len(view.policies), "policy", "policies")
        if view.n_states > 1:
            what += (
                f", each in {view.n_states} states of {plural(len(view.uncertainties), 'uncertainty', 'uncertainties')}"
            )
    base = (
        f"; the base is “{view.policies[view.base]}”" if view.base >= 0 and view.policies[view.base] != "base" else ""
    )
    return f"This sweep compares {what}, with {each} of each{base}."


def _effects(view: SweepView) -> list[str]:
    """What levers do, strongest first, one sentence a figure."""
    if view.is_joint or view.head["design"] == "list":
        return []
    out: list[str] = []
    silent: list[str] = []
    for kpi in view.kpis:
        sure = [e for e in view.effects[kpi] if e.factor in view.levers and e.strongest is not None]
        if not view.effects[kpi]:
            continue
        if not sure:
            silent.append(inside(name_of(kpi)))
            continue
        if len(out) == MOST_FIGURES:
            continue
        effect = sure[0]
        assert effect.strongest is not None
        change = effect.strongest.change
        good = {True: " (better)", False: " (worse)", None: ""}[is_better(kpi, change.mean)]
        from_to = f"from {level_text(effect, effect.levels[0].label)} to {level_text(effect, effect.strongest.label)}"
        out.append(
            f"{name_of(kpi)} moves by {interval_text(kpi, change, is_change=True)}{good} when "
            f"{inside(name_of(effect.factor))} goes {from_to}."
        )
    out += _luck(view)
    if silent:
        out.append(f"No lever moves {listing(silent)} by more than noise.")
    return out


def _luck(view: SweepView) -> list[str]:
    """What nobody chooses but moves a figure more than every lever does."""
    out = []
    for kpi in view.kpis[:MOST_FIGURES]:
        found = view.effects[kpi]
        if found and found[0].factor in view.uncertainties and found[0].strongest is not None:
            change = interval_text(kpi, found[0].strongest.change, is_change=True)
            out.append(f"{inside(name_of(kpi))} (by {change} through {inside(name_of(found[0].factor))})")
    return [f"What nobody chooses moves these more than any lever: {listing(out)}."] if out else []


def _indices(view: SweepView) -> list[str]:
    if not view.is_joint or view.head["design"] != "sobol":
        return []
    rows = index_rows(view.results, view.kpis)
    found = [[r for r in rows if r["kpi"] == k and r["factor"]] for k in view.kpis]
    return [drivers(r[0]["kpi"], r) for r in found if r][:MOST_FIGURES]


def _best(view: SweepView) -> list[str]:
    """For named policies: the best one of each figure."""
    if view.base < 0 or view.head["design"] != "list":
        return []
    out = []
    for kpi in tradeoffs.directed(view)[:MOST_FIGURES]:
        good = [
            p for p in range(len(view.policies)) if view.is_sure(p, kpi) and is_better(kpi, view.change(p, kpi).mean)
        ]
        if good:
            best = max(good, key=lambda p: abs(view.change(p, kpi).mean))
            change = interval_text(kpi, view.change(best, kpi), is_change=True)
            out.append(f"{name_of(kpi)}: “{view.policies[best]}” does best, {change} against the base.")
        else:
            out.append(f"{name_of(kpi)}: no policy is surely better than the base.")
    return out


def _tradeoff(view: SweepView) -> str:
    judged = tradeoffs.directed(view)
    if view.is_joint or len(view.policies) < 3 or len(judged) < 2:
        return ""
    front = tradeoffs.front(view, judged)
    if len(front) == 1:
        return f"“{view.policies[front[0]]}” is at least as good as every other policy in all figures shown."
    names = [f"“{view.policies[p]}”" for p in front]
    told = listing(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    rest = "choosing among them trades one figure for another."
    if tradeoffs.are_alike(view, front, judged):
        rest = "but these differ by no more than noise, so this sweep does not tell which is best."
    return f"{len(front)} of {len(view.policies)} policies are not beaten in every figure at once ({told}); {rest}"


def _robust(view: SweepView) -> str:
    everyone = list(range(len(view.policies)))
    judged = [k for k in tradeoffs.directed(view) if view.n_states > 1 and not tradeoffs.are_alike(view, everyone, [k])]
    if view.is_joint or not judged or len(view.policies) < 2:
        return ""
    found = {k: robustness.best(view, k) for k in judged[:3]}
    if len({b[0] for b in found.values() if b}) == 1 and all(found.values()):
        best = next(b for b in found.values() if b)
        names = listing([inside(name_of(k)) for k in found])
        return (
            f"Most robust over the states of the uncertainties, for {names}: “{view.policies[best[0]]}”."
            if best
            else ""
        )
    told = [
        f"“{view.policies[b[0]]}” for {inside(name_of(k))} (at worst {value_text(k, b[1], is_change=True)} behind)"
        for k, b in found.items()
        if b
    ]
    return f"Most robust over the states of the uncertainties: {listing(told)}." if told else ""


def _wrong(view: SweepView) -> str:
    """The first box of scenario discovery, in words."""
    for part in discovery.section(view).blocks:
        if not isinstance(part, str):
            return part.finding
    return ""


def _gains(view: SweepView) -> list[str]:
    if view.is_joint or view.base < 0 or len(view.policies) < 2 or not gains.parties(view):
        return []
    out = []
    for policy in gains.ranked(view)[:2]:
        up, down = gains.winners(view, policy)
        if up or down:
            won = f"better off are {listing(up[:3])}" if up else "nobody is surely better off"
            lost = f"worse off are {listing(down[:3])}" if down else "nobody is surely worse off"
            out.append(f"Under “{view.policies[policy]}”, against the base and per run, {won}; {lost}.")
    return out or ["No policy surely moves money between the roles or groups of drivers."]


def _trust(view: SweepView) -> list[str]:
    out = []
    low, _ = view.replications
    if 0 < low < FEW_REPLICATIONS and not view.is_joint:
        out.append(f"Caution: with {plural(low, 'replication')} intervals of skewed figures are rougher than they say.")
    if view.n_failed:
        out.append(f"Caution: {plural(view.n_failed, 'run')} of {count(view.runs.height)} failed and are left out.")
    missing = int(view.manifest["n_jobs"]) - view.runs.height
    if missing > 0 and "stop" not in view.manifest["sweep"]:
        out.append(f"Caution: {plural(missing, 'run')} of the plan were not made; flexpolder resume makes them.")
    if view.silent:
        out.append(f"No run has a value of {listing([inside(name_of(k)) for k in view.silent])}.")
    return out


def tiles(view: SweepView) -> list[Tile]:
    """Sizes of the sweep and the levels of its first figures."""
    runs = Tile("Runs", count(view.runs.height), f"{plural(view.n_failed, 'failure')}")
    what = Tile("Points", count(view.points.height), view.head["design"].replace("_", " "))
    if not view.is_joint:
        states = plural(view.n_states, "state")
        what = Tile("Policies", count(len(view.policies)), f"in {states} of the world")
    out = [what, runs]
    for kpi in view.kpis[:4]:
        if view.base >= 0:
            out.append(
                Tile(f"{name_of(kpi)}, base", value_text(kpi, view.level(view.base, kpi).mean), _range(view, kpi))
            )
        else:
            values = view.observations[kpi].cast(float).drop_nulls().drop_nans()
            out.append(Tile(f"{name_of(kpi)}, mean", value_text(kpi, float(values.mean())), _range(view, kpi)))  # type: ignore[arg-type]
    return out


def _range(view: SweepView, kpi: str) -> str:
    means = [m for p in range(len(view.policies)) if (m := view.level(p, kpi).mean) == m]
    if not means:
        return ""
    low, high = value_text(kpi, min(means)), value_text(kpi, max(means))
    return f"{low} to {high} over all" if low != high else "hardly differs between all"
