"use strict";
// The picture of the grid: loading and voltage moment by moment, congestion, and one branch or node over time.
(window.extras = window.extras || []).push(function gridOf(page) {
  const { options, byId } = page;
  const place = byId("grid-plot"), below = byId("branch-plot");
  if (!place) return;
  const FONT = getComputedStyle(document.body).fontFamily;
  const MODEBAR = { orientation: "v", bgcolor: "rgba(255,255,255,0.5)", color: "#aab4be", activecolor: "#0b4f6c" };
  const CLASSES = [
    [0.5, "#c3ccd4", "below 50 %", 1.4], [0.8, "#56b4e9", "50–80 %", 2.2], [1.0, "#0072b2", "80–100 %", 3],
    [1.2, "#e69f00", "100–120 %, overloaded", 4.2], [99, "#d55e00", "above 120 %", 5.4],
  ];
  const VOLTAGE = [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#dfe5ea"], [0.75, "#998ec3"], [1, "#542788"]];
  page.lazy(place, draw);

  async function draw() {
    if (typeof DecompressionStream === "undefined") {
      place.textContent = "This browser is too old to unpack the picture; a version from 2023 or later shows it.";
      return 0;
    }
    const g = page.read("grid-data"), nBranch = g.ends.length, nNode = g.nodeName.length;
    const bytes = async (packed) => new Uint8Array(await page.unpack(packed.zlib));
    const [c, u, v] = await Promise.all([bytes(g.c), bytes(g.u), bytes(g.v)]);
    const loading = (all, t, b) => { const x = all[t * nBranch + b]; return x === 255 ? NaN : x * g.lStep; };
    const voltage = (t, n) => { const x = v[t * nNode + n]; return x === 255 ? NaN : g.vLow + x * g.vStep; };
    const control = (name) => document.querySelector(`[data-act=${name}]`);
    const state = { t: g.worst, layout: "tree", all: c, branch: g.selected, node: -1, timer: 0 };
    const announced = new Map(), relieved = new Map();
    for (const [t, b] of g.announced) announced.set(t, (announced.get(t) || []).concat(b));
    for (const [t, b] of g.relieved) relieved.set(t, (relieved.get(t) || []).concat(b));
    const small = nNode > 300 ? 3 : 5;
    const size = g.levels.map((_, i) => (i === g.levels.length - 1 ? small : [16, 13, 8, 5][Math.min(i, 3)]));
    const day = (t) => new Date(g.clock[t] + ":00Z").toLocaleString("en-GB", { timeZone: "UTC", weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    const percent = (x) => (Number.isNaN(x) ? "not known" : `${Math.round(100 * x)} %`);

    const middleOf = (b, x, y) => { const [i, j] = g.ends[b], f = g.at[b]; return [x[i] + f * (x[j] - x[i]), y[i] + f * (y[j] - y[i])]; };
    const drawable = (b) => g.ends[b] && g.ends[b][0] >= 0 && g.ends[b][1] >= 0;
    const spots = (branches, x, y) => branches.filter(drawable).map((b) => middleOf(b, x, y));

    function traces() {
      const [x, y] = g[state.layout], out = [];
      const lines = CLASSES.map(() => [[null], [null]]), boxes = CLASSES.map(() => [[], [], [], []]);
      const middle = [[], [], [], []];
      for (let b = 0; b < nBranch; b++) {
        if (!drawable(b)) continue;
        const [i, j] = g.ends[b], share = loading(state.all, state.t, b);
        const k = Number.isNaN(share) ? 0 : CLASSES.findIndex((cl) => share <= cl[0]);
        lines[k][0].push(x[i], x[j], null);
        lines[k][1].push(y[i], y[j], null);
        const [mx, my] = middleOf(b, x, y), text = `${g.branchTitle[b]}<br>loading ${percent(share)}`;
        const into = g.isTransformer[b] ? boxes[k] : middle;
        into[0].push(mx); into[1].push(my); into[2].push(b); into[3].push(text);
      }
      const area = [...new Set((announced.get(state.t) || []).flatMap((b) => g.behind[b] || []))];
      if (g.announced.length) out.push({ x: area.length ? area.map((n) => x[n]) : [null], y: area.length ? area.map((n) => y[n]) : [null], mode: "markers", type: "scatter", name: "congestion area", hoverinfo: "skip", marker: { size: 22, color: "rgba(162,69,122,0.16)", line: { width: 0 } } });
      const nodeText = g.nodeName.map((name, n) => { const p = voltage(state.t, n); return `${name} (${g.levels[g.nodeLevel[n]]})<br>voltage ${Number.isNaN(p) ? (g.failed[state.t] ? "not known" : "none: without supply") : p.toFixed(3) + " × nominal"}`; });
      out.push({
        x, y, mode: "markers", type: "scatter", name: "Node", showlegend: false, text: nodeText, customdata: g.nodeName.map((_, n) => -1 - n), hovertemplate: "%{text}<extra></extra>",
        marker: {
          size: g.nodeLevel.map((l) => size[l]), color: g.nodeName.map((_, n) => voltage(state.t, n)), cmin: 0.9, cmax: 1.1, colorscale: VOLTAGE,
          line: { color: "#44525f", width: 0.6 }, colorbar: { title: { text: "Node voltage<br>(× nominal)", font: { size: 12 } }, thickness: 12, len: 0.55, y: 0.35, tickvals: [0.9, 0.95, 1, 1.05, 1.1] },
        },
      });
      CLASSES.forEach((cl, k) => out.push({ x: lines[k][0], y: lines[k][1], mode: "lines", type: "scatter", name: cl[2], line: { color: cl[1], width: cl[3] }, hoverinfo: "skip", legendgroup: cl[2] }));
      CLASSES.forEach((cl, k) => out.push({ x: boxes[k][0], y: boxes[k][1], customdata: boxes[k][2], text: boxes[k][3], mode: "markers", type: "scatter", showlegend: false, legendgroup: cl[2], hovertemplate: "%{text}<extra></extra>", marker: { symbol: "square", size: 7 + k, color: cl[1], line: { color: "#44525f", width: 0.8 } } }));
      out.push({ x: middle[0], y: middle[1], customdata: middle[2], text: middle[3], mode: "markers", type: "scatter", showlegend: false, hovertemplate: "%{text}<extra></extra>", marker: { size: 10, color: "rgba(0,0,0,0)" } });
      const mark = (name, found, look) => { if (!found.length) found = [[null, null]]; out.push({ x: found.map((p) => p[0]), y: found.map((p) => p[1]), mode: "markers", type: "scatter", name, hoverinfo: "skip", marker: look }); };
      const dark = g.failed[state.t] ? [] : g.nodeName.map((_, n) => n).filter((n) => Number.isNaN(voltage(state.t, n)));
      if (g.hasDark) mark("without supply", dark.map((n) => [x[n], y[n]]), { symbol: "x", size: 9, color: "#1d2733" });
      if (g.announced.length) mark("congestion announced", spots(announced.get(state.t) || [], x, y), { symbol: "diamond-open", size: 17, color: "#a2457a", line: { width: 2.2 } });
      if (g.relieved.length) mark("operator intervened", spots(relieved.get(state.t) || [], x, y), { symbol: "x-thin-open", size: 11, color: "#1d2733", line: { width: 2.4 } });
      mark("chosen", state.node >= 0 ? [[x[state.node], y[state.node]]] : spots([state.branch], x, y), { symbol: "circle-open", size: 22, color: "#1d2733", line: { width: 2.5 } });
      return out;
    }

    function layout() {
      const bare = { visible: false, fixedrange: false };
      const bands = state.layout === "tree" ? g.levels.map((name, l) => { const ys = g.tree[1].filter((_, n) => g.nodeLevel[n] === l); return { xref: "paper", x: 0, y: Math.max(...ys), text: `<b>${name}</b>`, showarrow: false, xanchor: "left", yshift: 16, font: { size: 12 } }; }) : [];
      if (g.failed[state.t]) bands.push({ xref: "paper", yref: "paper", x: 0.5, y: 0.5, text: `<b>No power flow: it ${g.failed[state.t]}</b>`, showarrow: false, bgcolor: "#fdeee6", bordercolor: "#d55e00", borderpad: 6, font: { size: 14, color: "#8a3a00" } });
      const equal = state.layout === "map" ? { scaleanchor: "x", scaleratio: 1 } : {};
      return { height: 560, margin: { l: 8, r: 48, t: 30, b: 8 }, hovermode: "closest", uirevision: state.layout, xaxis: bare, yaxis: { ...bare, ...equal, ...(state.layout === "tree" ? { range: [-25, 1075] } : {}) }, annotations: bands, legend: { orientation: "h", x: 0, y: 1.0, yanchor: "bottom", itemclick: false, itemdoubleclick: false }, font: { family: FONT, size: 13, color: "#1d2733" }, modebar: MODEBAR, paper_bgcolor: "white", plot_bgcolor: "white" };
    }

    function redraw() {
      control("slide").value = state.t;
      control("slide").setAttribute("aria-valuetext", day(state.t));
      document.querySelector("[data-out=clock]").textContent = day(state.t);
      return Plotly.react(place, traces(), layout(), options);
    }

    const LINES = [[c, "as simulated", "#0072b2", "solid"], [u, "uncontrolled", "#5b6570", "dash"]];
    const numbers = (value) => Array.from(g.clock, (_, t) => { const x = value(t); return Number.isNaN(x) ? null : x; });
    const stroke = (name, y, color, dash, template) => ({ x: g.clock, y, name, type: "scatter", mode: "lines", line: { color, dash, width: 1.6, shape: "hv" }, hovertemplate: template });
    const across = (y, color) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color, width: 1.2 } });

    function redrawBelow() {
      control("branch").value = state.branch;
      const isNode = state.node >= 0, n = g.clock.length, dx = g.periodHours * g.step * 3600000;
      const data = isNode
        ? [stroke("voltage as simulated", numbers((t) => voltage(t, state.node)), "#542788", "solid", "%{y:.3f}")]
        : LINES.map(([all, name, color, dash]) => stroke(name, numbers((t) => (loading(all, t, state.branch)) * 100), color, dash, "%{y:.0f} %"));
      const mark = { type: "line", yref: "paper", y0: 0, y1: 1, x0: g.clock[state.t], x1: g.clock[state.t], line: { color: "#1d2733", width: 1, dash: "dot" } };
      const text = isNode ? `Voltage at ${g.nodeName[state.node]} (${g.levels[g.nodeLevel[state.node]]}), phase farthest from nominal` : `Loading of ${g.branchTitle[state.branch]}`;
      const yaxis = isNode ? { title: { text: "Voltage (× nominal)" } } : { title: { text: "Loading (%)" }, rangemode: "tozero" };
      return Plotly.react(below, data, {
        height: 300, margin: { l: 64, r: 48, t: 44, b: 60 }, hovermode: "x unified", title: { text, font: { size: 14 }, x: 0, xanchor: "left" },
        shapes: [mark, ...(isNode ? [0.9, 1.1] : [100]).map((y) => across(y, "#d55e00"))], showlegend: true, legend: { orientation: "h", x: 1, xanchor: "right", y: 1.0, yanchor: "bottom" }, font: { family: FONT, size: 13, color: "#1d2733" }, modebar: MODEBAR,
        yaxis: { ...yaxis, gridcolor: "#e6eaee" }, xaxis: { type: "date", range: state.range, hoverformat: "%a %-d %b, %H:%M", tickformat: n * dx > 3 * 86400000 ? "%a\n%-d %b" : "%H:%M\n%a %-d %b", title: { text: `Local time (${g.zone})`, font: { size: 12 } } },
      }, options);
    }

    function choose(spot) {
      if (spot < 0) state.node = -1 - spot;
      else { state.node = -1; state.branch = spot; }
      redraw();
      return redrawBelow();
    }
    function stop() { clearInterval(state.timer); state.timer = 0; control("play").textContent = "Play"; control("play").setAttribute("aria-pressed", "false"); }
    control("slide").addEventListener("input", (e) => { state.t = Number(e.target.value); redraw(); });
    control("slide").addEventListener("change", redrawBelow);
    control("worst").addEventListener("click", () => { state.t = g.worst; redraw(); redrawBelow(); });
    control("case").addEventListener("change", (e) => { state.all = e.target.value === "u" ? u : c; redraw(); });
    control("layout").addEventListener("change", (e) => { state.layout = e.target.value; redraw(); });
    control("branch").addEventListener("change", (e) => choose(Number(e.target.value)));
    control("play").addEventListener("click", () => {
      if (state.timer) return stop();
      control("play").textContent = "Pause";
      control("play").setAttribute("aria-pressed", "true");
      const slide = control("slide");
      state.timer = setInterval(() => { state.t = state.t >= Number(slide.max) ? Number(slide.min) : state.t + 1; redraw(); }, 250);
    });
    // The days chosen for the whole page also bound the slider and the line below.
    document.addEventListener("selection", (e) => {
      const [from, to] = e.detail || [g.clock[0], "9"], slide = control("slide");
      const inside = g.clock.map((t, i) => (t >= from && t < to ? i : -1)).filter((i) => i >= 0);
      if (!inside.length) return;
      slide.min = inside[0];
      slide.max = inside[inside.length - 1];
      state.range = e.detail || undefined;
      state.t = Math.min(Math.max(state.t, inside[0]), inside[inside.length - 1]);
      redraw();
      redrawBelow();
    });
    await redraw();
    await redrawBelow();
    place.on("plotly_click", (e) => { const hit = e.points.find((p) => p.customdata !== undefined && p.customdata >= 0) || e.points.find((p) => p.customdata !== undefined); if (hit) choose(hit.customdata); });
    return 2;
  }
});
