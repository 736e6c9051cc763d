"use strict";
// Draws the figures, runs the picture of the grid and makes the downloads. Everything comes from this page.
(function () {
  const options = JSON.parse(document.getElementById("plot-options").textContent);
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  let drawn = 0;

  async function drawAll() {
    for (const place of document.querySelectorAll(".plot[data-figure]")) {
      const figure = read(place.dataset.figure);
      await Plotly.newPlot(place, figure.data, figure.layout, options);
      root.dataset.drawn = ++drawn;
      await new Promise((next) => setTimeout(next, 0));
    }
    if (byId("grid-data")) await gridPicture();
    for (const extra of window.extras || []) root.dataset.drawn = drawn += await extra(options, save);
    root.dataset.ready = "yes";
  }

  // ---- downloads -------------------------------------------------------------------------------------------------
  const cell = (v) => (v === null || v === undefined ? "" : /[",\n]/.test(String(v)) ? `"${String(v).replaceAll('"', '""')}"` : String(v));

  function save(name, rows) {
    const text = rows.map((r) => r.map(cell).join(",")).join("\r\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" }));
    link.download = name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    root.dataset.saved = `${link.download}:${rows.length}`;
  }

  const tableRows = (table) => Array.from(table.rows, (row) => Array.from(row.cells, (c) => c.textContent));

  function figureRows(place) {
    const rows = [["series", "x", "y", "value"]];
    for (const t of place._fullData || []) {
      const full = place.data[t.index] || {};
      if (t.type === "sankey") {
        const n = t.node.label, l = t.link;
        for (let i = 0; i < l.value.length; i++) rows.push([l.label[i], n[l.source[i]], n[l.target[i]], l.value[i]]);
      } else if (t.type === "heatmap") {
        t.z.forEach((line, r) => Array.from(line).forEach((v, c) => rows.push([t.name || "", xAt(t, full, c), t.y ? t.y[r] : r, t.text && t.text[r] ? t.text[r][c] : v])));
      } else if (t.type === "box") {
        ["lowerfence", "q1", "median", "q3", "upperfence"].forEach((k) => rows.push([t.name, t.y[0], k, t[k][0]]));
      } else {
        const y = t.y || [];
        for (let i = 0; i < y.length; i++) rows.push([t.name, xAt(t, full, i), y[i], ""]);
      }
    }
    return rows;
  }

  function xAt(trace, given, i) {
    if (trace.x && trace.x.length) return trace.x[i];
    if (trace.x0 === undefined) return i;
    if (typeof given.x0 === "string") return localTime(Date.parse(given.x0 + "Z") + i * given.dx);
    return Number(trace.x0) + i * trace.dx;
  }

  const localTime = (ms) => new Date(ms).toISOString().slice(0, 16);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.csv");
    if (!button) return;
    if (button.dataset.from === "table") {
      const table = button.parentElement.querySelector("table");
      save(table.dataset.name, tableRows(table));
    } else save(button.dataset.name, figureRows(button.parentElement.querySelector(".plot")));
  });

  // ---- the picture of the grid -----------------------------------------------------------------------------------
  async function unpack(packed) {
    const raw = Uint8Array.from(atob(packed.zlib), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  const FONT = getComputedStyle(document.body).fontFamily;
  const MODEBAR = { orientation: "v", bgcolor: "rgba(255,255,255,0.5)", color: "#aab4be", activecolor: "#0b4f6c" };
  const CLASSES = [
    [0.5, "#c3ccd4", "below 50 %", 1.4], [0.8, "#56b4e9", "50–80 %", 2.2], [1.0, "#0072b2", "80–100 %", 3],
    [1.2, "#e69f00", "100–120 %, overloaded", 4.2], [99, "#d55e00", "above 120 %", 5.4],
  ];
  const VOLTAGE = [[0, "#b35806"], [0.25, "#f1a340"], [0.5, "#dfe5ea"], [0.75, "#998ec3"], [1, "#542788"]];

  async function gridPicture() {
    const place = byId("grid-plot"), below = byId("branch-plot"), g = read("grid-data");
    if (typeof DecompressionStream === "undefined") {
      place.textContent = "This browser is too old to unpack the picture; a version from 2023 or later shows it.";
      return;
    }
    const nBranch = g.ends.length, nNode = g.nodeName.length;
    const [c, u, v] = await Promise.all([unpack(g.c), unpack(g.u), unpack(g.v)]);
    const loading = (all, t, b) => { const x = all[t * nBranch + b]; return x === 255 ? NaN : x * g.lStep; };
    const voltage = (t, n) => { const x = v[t * nNode + n]; return x === 255 ? NaN : g.vLow + x * g.vStep; };
    const control = (name) => document.querySelector(`[data-act=${name}]`);
    const state = { t: g.worst, layout: "tree", all: c, branch: g.selected, timer: 0 };
    const small = nNode > 300 ? 3 : 5;
    const size = g.levels.map((_, i) => (i === g.levels.length - 1 ? small : [16, 13, 8, 5][Math.min(i, 3)]));
    const day = (t) => new Date(g.clock[t] + ":00Z").toLocaleString("en-GB", { timeZone: "UTC", weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
    const percent = (x) => (Number.isNaN(x) ? "not known" : `${Math.round(100 * x)} %`);

    const middleOf = (b, x, y) => { const [i, j] = g.ends[b], f = g.at[b]; return [x[i] + f * (x[j] - x[i]), y[i] + f * (y[j] - y[i])]; };

    function traces() {
      const [x, y] = g[state.layout], out = [];
      const lines = CLASSES.map(() => [[], []]), boxes = CLASSES.map(() => [[], [], [], []]);
      const middle = [[], [], [], []];
      for (let b = 0; b < nBranch; b++) {
        const [i, j] = g.ends[b];
        if (i < 0 || j < 0) continue;
        const share = loading(state.all, state.t, b);
        const k = Number.isNaN(share) ? 0 : CLASSES.findIndex((cl) => share <= cl[0]);
        lines[k][0].push(x[i], x[j], null);
        lines[k][1].push(y[i], y[j], null);
        const [mx, my] = middleOf(b, x, y), text = `${g.branchTitle[b]}<br>loading ${percent(share)}`;
        const into = g.isTransformer[b] ? boxes[k] : middle;
        into[0].push(mx); into[1].push(my); into[2].push(b); into[3].push(text);
      }
      const nodeText = g.nodeName.map((name, n) => { const p = voltage(state.t, n); return `${name} (${g.levels[g.nodeLevel[n]]})<br>voltage ${Number.isNaN(p) ? "not known" : p.toFixed(3) + " × nominal"}`; });
      out.push({
        x, y, mode: "markers", type: "scatter", name: "Node", showlegend: false, text: nodeText, hovertemplate: "%{text}<extra></extra>",
        marker: {
          size: g.nodeLevel.map((l) => size[l]), color: g.nodeName.map((_, n) => voltage(state.t, n)), cmin: 0.9, cmax: 1.1, colorscale: VOLTAGE,
          line: { color: "#44525f", width: 0.6 }, colorbar: { title: { text: "Node voltage<br>(× nominal)", font: { size: 12 } }, thickness: 12, len: 0.55, y: 0.35, tickvals: [0.9, 0.95, 1, 1.05, 1.1] },
        },
      });
      CLASSES.forEach((cl, k) => out.push({ x: lines[k][0], y: lines[k][1], mode: "lines", type: "scatter", name: cl[2], line: { color: cl[1], width: cl[3] }, hoverinfo: "skip", legendgroup: cl[2] }));
      CLASSES.forEach((cl, k) => out.push({ x: boxes[k][0], y: boxes[k][1], customdata: boxes[k][2], text: boxes[k][3], mode: "markers", type: "scatter", showlegend: false, legendgroup: cl[2], hovertemplate: "%{text}<extra></extra>", marker: { symbol: "square", size: 7 + k, color: cl[1], line: { color: "#44525f", width: 0.8 } } }));
      out.push({ x: middle[0], y: middle[1], customdata: middle[2], text: middle[3], mode: "markers", type: "scatter", showlegend: false, hovertemplate: "%{text}<extra></extra>", marker: { size: 10, color: "rgba(0,0,0,0)" } });
      const [i, j] = g.ends[state.branch] || [-1, -1];
      if (i >= 0 && j >= 0) out.push({ x: [middleOf(state.branch, x, y)[0]], y: [middleOf(state.branch, x, y)[1]], mode: "markers", type: "scatter", name: "chosen", hoverinfo: "skip", marker: { symbol: "circle-open", size: 22, color: "#1d2733", line: { width: 2.5 } } });
      return out;
    }

    function layout() {
      const bare = { visible: false, fixedrange: false };
      const bands = state.layout === "tree" ? g.levels.map((name, l) => { const ys = g.tree[1].filter((_, n) => g.nodeLevel[n] === l); return { xref: "paper", x: 0, y: Math.max(...ys), text: `<b>${name}</b>`, showarrow: false, xanchor: "left", yshift: 16, font: { size: 12 } }; }) : [];
      const equal = state.layout === "map" ? { scaleanchor: "x", scaleratio: 1 } : {};
      return { height: 560, margin: { l: 8, r: 48, t: 30, b: 8 }, hovermode: "closest", uirevision: state.layout, xaxis: bare, yaxis: { ...bare, ...equal }, annotations: bands, legend: { orientation: "h", x: 0, y: 1.0, yanchor: "bottom", itemclick: false, itemdoubleclick: false }, font: { family: FONT, size: 13, color: "#1d2733" }, modebar: MODEBAR, paper_bgcolor: "white", plot_bgcolor: "white" };
    }

    function redraw() {
      control("slide").value = state.t;
      control("slide").setAttribute("aria-valuetext", day(state.t));
      document.querySelector("[data-out=clock]").textContent = day(state.t);
      return Plotly.react(place, traces(), layout(), options);
    }

    const LINES = [[c, "as simulated", "#0072b2", "solid"], [u, "uncontrolled", "#5b6570", "dash"]];
    function redrawBranch() {
      control("branch").value = state.branch;
      const n = g.clock.length, dx = g.periodHours * g.step * 3600000;
      const data = LINES.map(([all, name, color, dash]) => ({ x: g.clock, y: Array.from({ length: n }, (_, t) => { const x = loading(all, t, state.branch); return Number.isNaN(x) ? null : 100 * x; }), name, type: "scatter", mode: "lines", line: { color, dash, width: 1.6, shape: "hv" }, hovertemplate: "%{y:.0f} %" }));
      const mark = { type: "line", yref: "paper", y0: 0, y1: 1, x0: g.clock[state.t], x1: g.clock[state.t], line: { color: "#1d2733", width: 1, dash: "dot" } };
      const limit = { type: "line", xref: "paper", x0: 0, x1: 1, y0: 100, y1: 100, line: { color: "#d55e00", width: 1.2 } };
      return Plotly.react(below, data, {
        height: 300, margin: { l: 64, r: 48, t: 44, b: 60 }, hovermode: "x unified", title: { text: `Loading of ${g.branchTitle[state.branch]}`, font: { size: 14 }, x: 0, xanchor: "left" },
        shapes: [mark, limit], legend: { orientation: "h", x: 1, xanchor: "right", y: 1.0, yanchor: "bottom" }, font: { family: FONT, size: 13, color: "#1d2733" }, modebar: MODEBAR,
        yaxis: { title: { text: "Loading (%)" }, rangemode: "tozero", gridcolor: "#e6eaee" }, xaxis: { type: "date", hoverformat: "%a %-d %b, %H:%M", tickformat: n * dx > 3 * 86400000 ? "%a\n%-d %b" : "%H:%M\n%a %-d %b", title: { text: `Local time (${g.zone})`, font: { size: 12 } } },
      }, options);
    }

    function choose(branch) { state.branch = branch; redraw(); return redrawBranch(); }
    function stop() { clearInterval(state.timer); state.timer = 0; control("play").textContent = "Play"; control("play").setAttribute("aria-pressed", "false"); }
    control("slide").addEventListener("input", (e) => { state.t = Number(e.target.value); redraw(); });
    control("slide").addEventListener("change", redrawBranch);
    control("worst").addEventListener("click", () => { state.t = g.worst; redraw(); redrawBranch(); });
    control("case").addEventListener("change", (e) => { state.all = e.target.value === "u" ? u : c; redraw(); });
    control("layout").addEventListener("change", (e) => { state.layout = e.target.value; redraw(); });
    control("branch").addEventListener("change", (e) => choose(Number(e.target.value)));
    control("play").addEventListener("click", () => {
      if (state.timer) return stop();
      control("play").textContent = "Pause";
      control("play").setAttribute("aria-pressed", "true");
      state.timer = setInterval(() => { state.t = (state.t + 1) % g.clock.length; redraw(); }, 250);
    });
    await redraw();
    await redrawBranch();
    root.dataset.drawn = drawn += 2;
    place.on("plotly_click", (e) => { const hit = e.points.find((p) => p.customdata !== undefined); if (hit) choose(hit.customdata); });
  }

  // ---- contents, folds, print ------------------------------------------------------------------------------------
  const links = new Map(Array.from(document.querySelectorAll("nav li a"), (a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      links.forEach((a) => { a.classList.remove("here"); a.removeAttribute("aria-current"); });
      const link = links.get(entry.target.id);
      if (link) { link.classList.add("here"); link.setAttribute("aria-current", "true"); }
    }
  }, { rootMargin: "-10% 0px -75% 0px" });
  document.querySelectorAll("main > section").forEach((s) => seen.observe(s));

  const fit = () => document.querySelectorAll(".js-plotly-plot").forEach((p) => Plotly.Plots.resize(p));
  window.addEventListener("beforeprint", fit);
  window.addEventListener("afterprint", fit);

  drawAll().catch((error) => { root.dataset.error = String(error); console.error(error); });
})();
