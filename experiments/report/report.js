"use strict";
// Draws the figures when they come into view, then the rest while the browser is idle, and makes the downloads.
// Other scripts of the page push functions on window.extras; they get what `page` offers.
(function () {
  const options = JSON.parse(document.getElementById("plot-options").textContent);
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const jobs = new Map(); // element -> { work, promise }
  const listeners = [];
  let drawn = 0;

  function lazy(element, work) { jobs.set(element, { work, promise: null }); }

  function run(element) {
    const job = jobs.get(element);
    job.promise = job.promise || Promise.resolve(job.work()).then((n) => { root.dataset.drawn = drawn += n || 1; });
    return job.promise;
  }

  async function drawFigure(place) {
    const figure = read(place.dataset.figure), isNarrow = place.clientWidth < 560;
    if (isNarrow) narrow(figure);
    await Plotly.newPlot(place, figure.data, figure.layout, isNarrow ? { ...options, displayModeBar: false } : options);
    if (!root.dataset.first) root.dataset.first = Math.round(performance.now());
    for (const listen of listeners) await listen(place);
  }

  const wrap = (text, most) => text.replace(new RegExp(`(.{1,${most}})(?: +|$)`, "g"), "$1<br>").replace(/<br>$/, "");

  // What a figure needs on a telephone: smaller letters, wrapped words, fewer dates, room for the numbers at bars.
  function narrow(figure) {
    const l = figure.layout;
    l.font = { ...l.font, size: 11 };
    if (!figure.data.some((t) => t.type === "sankey")) l.margin = { ...l.margin, l: 48, r: 14 };
    for (const key of Object.keys(l).filter((k) => /^[xy]axis/.test(k))) {
      const axis = l[key];
      if (axis.title && axis.title.text && !axis.title.text.includes("<br>")) axis.title.text = wrap(axis.title.text, 40);
      if (axis.type === "date" && axis.dtick === 86400000) Object.assign(axis, { dtick: 2 * axis.dtick, tickangle: 0 });
    }
    const words = figure.data.flatMap((t) => (Array.isArray(t.y) && typeof t.y[0] === "string" ? t.y : []));
    if (l.yaxis) l.yaxis.labelalias = Object.fromEntries(words.filter((w) => w.length > 16).map((w) => [w, wrap(w, 16)]));
    if (l.yaxis && l.yaxis.ticktext) l.yaxis.ticktext = l.yaxis.ticktext.map((w) => wrap(String(w), 18));
    if (l.legend2) { l.legend2.y = -0.4; l.margin.b = 150; }
    const out = figure.data.filter((t) => t.type === "bar" && t.orientation === "h" && t.textposition === "outside");
    if (out.length && l.xaxis && l.xaxis.range) {
      const [a, b] = l.xaxis.range, room = 0.45 * (b - a);
      l.xaxis.range = [a < 0 ? a - room : a, b > 0 ? b + room : b];
    }
  }

  const pause = () => new Promise((next) => (window.requestIdleCallback ? requestIdleCallback(next, { timeout: 200 }) : setTimeout(next, 0)));

  async function drawAll() {
    const page = { options, save, byId, read, unpack, lazy, listen: (f) => listeners.push(f), run };
    document.querySelectorAll(".plot[data-figure]").forEach((place) => lazy(place, () => drawFigure(place)));
    for (const extra of window.extras || []) await extra(page);
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); run(entry.target).catch(fail); }
    }, { rootMargin: "400px 0px" });
    jobs.forEach((_, element) => near.observe(element));
    await pause();
    for (const element of jobs.keys()) { await run(element); await pause(); }
    root.dataset.ready = "yes";
  }

  function fail(error) { root.dataset.error = String(error); console.error(error); }

  async function unpack(packed) {
    const raw = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
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

  // A number as people read it ("−€1,234", "12.5 %", "3.2 million") as what a spreadsheet reads, and its unit.
  function plain(text) {
    const hit = /^([+−-]?)(€?)([\d,]*\.?\d+(?:e[+−-]?\d+)?)( million)?(?: (\S+))?$/.exec(text.trim().replaceAll("\u00a0", " "));
    if (!hit) return null;
    const size = Number(hit[3].replaceAll(",", "").replace("−", "-")) * (hit[4] ? 1e6 : 1);
    return { value: /[−-]/.test(hit[1]) ? -size : size, unit: hit[2] || hit[5] || "" };
  }

  function tableRows(table) {
    const rows = Array.from(table.rows, (row) => Array.from(row.cells, (c) => c.textContent));
    const isNumber = Array.from(table.rows[0].cells, (c) => c.classList.contains("n"));
    isNumber.forEach((yes, k) => {
      if (!yes) return;
      const found = rows.slice(1).map((r) => plain(r[k])), units = new Set(found.filter(Boolean).map((f) => f.unit));
      const unit = units.size === 1 ? [...units][0] : "";
      rows.slice(1).forEach((r, i) => { if (found[i]) r[k] = units.size <= 1 ? found[i].value : `${found[i].value} ${found[i].unit}`.trim(); });
      if (unit && !rows[0][k].includes(unit)) rows[0][k] += ` (${unit})`;
    });
    return rows;
  }

  const title = (axis, other) => (axis && axis.title && axis.title.text ? axis.title.text.replace(/<[^>]*>/g, " ") : other);

  function figureRows(place) {
    const rows = [["series", title(place.layout.xaxis, "x"), title(place.layout.yaxis, "y"), "value"]];
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
      return;
    }
    const place = button.parentElement.querySelector(".plot");
    const give = () => save(button.dataset.name, figureRows(place));
    if (place._fullData) give();
    else run(place).then(give, fail);
  });

  // ---- wide tables: reachable by keyboard, named for screen readers -----------------------------------------------
  function reach() {
    for (const box of document.querySelectorAll(".table")) {
      const isWide = box.scrollWidth > box.clientWidth + 1, caption = box.querySelector("caption");
      if (!isWide) { box.removeAttribute("tabindex"); box.removeAttribute("role"); box.removeAttribute("aria-label"); continue; }
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", `${caption ? caption.textContent : "Table"}, scrolls sideways`);
    }
  }
  window.addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
  reach();

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
  window.addEventListener("beforeprint", () => { jobs.forEach((_, element) => run(element).catch(fail)); fit(); });
  window.addEventListener("afterprint", fit);

  drawAll().catch(fail);
})();
