"use strict";
// Filters, linked brushing and the table of a sweep's points.
(window.extras = window.extras || []).push(async function explore(page) {
  const source = document.getElementById("explore-data");
  if (!source) return;
  const { options, save } = page;
  const d = JSON.parse(source.textContent), n = d.names.length;
  const columns = [...d.figures, ...d.factors];
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const one = (selector) => document.querySelector(selector);
  const places = { a: one("#explore-a"), b: one("#explore-b") };
  const FONT = getComputedStyle(document.body).fontFamily;
  let brushed = null; // set of rows, null = no brush

  const axis = (name) => columns[Number(one(`[data-axis=${name}]`).value)];
  const near = (v, digits = 4) => (v === null || v === undefined ? "–" : typeof v === "number" ? String(Number(v.toPrecision(digits))) : v);

  function filtered() {
    const tests = d.factors.map((f, k) => {
      const low = one(`[data-low="${k}"]`), high = one(`[data-high="${k}"]`);
      if (low) {
        const a = Number(low.value), b = Number(high.value), slack = 1e-9 * Math.abs(b - a) + Number(low.step) / 100;
        return (v) => v === null || (v >= a - slack && v <= b + slack);
      }
      const on = new Set(all(`[data-filter="${k}"]`).filter((box) => box.checked).map((box) => f.choices[Number(box.value)]));
      return (v) => on.has(v);
    });
    const rows = [];
    for (let i = 0; i < n; i++) if (tests.every((test, k) => test(d.factors[k].values[i]))) rows.push(i);
    return rows;
  }

  const selected = () => filtered().filter((i) => !brushed || brushed.has(i));

  function draw(name, rows) {
    const x = axis(name + "x"), y = axis(name + "y"), on = new Set(rows);
    const groups = [
      [(i) => !on.has(i), { size: 8, color: "#aab4be", symbol: "circle-open" }, "not selected"],
      [(i) => on.has(i) && d.policy[i] !== d.base, { size: 9, color: "#0072B2", opacity: 0.75 }, "selected"],
      [(i) => on.has(i) && d.policy[i] === d.base, { size: 13, color: "#D55E00", symbol: "star" }, "base"],
    ];
    const traces = groups.map(([test, marker, label]) => {
      const index = [];
      for (let i = 0; i < n; i++) if (test(i)) index.push(i);
      return { x: index.map((i) => x.values[i]), y: index.map((i) => y.values[i]), customdata: index, text: index.map((i) => d.names[i]), mode: "markers", type: "scatter", name: label, marker, hovertemplate: "%{text}<br>%{x}, %{y}<extra></extra>" };
    });
    const side = (column) => ({ title: { text: column.title }, gridcolor: "#e6eaee", zerolinecolor: "#aab4be", automargin: true });
    return Plotly.react(places[name], traces, { height: 360, margin: { l: 60, r: 16, t: 8, b: 48 }, dragmode: "select", hovermode: "closest", showlegend: false, selectdirection: "any", font: { family: FONT, size: 13, color: "#1d2733" }, xaxis: side(x), yaxis: side(y), paper_bgcolor: "white", plot_bgcolor: "white", uirevision: one(`[data-axis=${name}x]`).value + one(`[data-axis=${name}y]`).value, selections: [] }, { ...options, displayModeBar: false });
  }

  const heads = ["Policy", "State", ...columns.map((c) => c.title)];
  const line = (i) => [d.names[i], d.states[i], ...columns.map((c) => c.values[i])];

  function fill(rows) {
    const table = one("#explore-table"), row = (cells, tag) => {
      const tr = document.createElement("tr");
      cells.forEach((c, k) => { const e = document.createElement(tag); e.textContent = typeof c === "number" ? near(c) : c === null ? "–" : c; if (tag === "th") e.scope = "col"; if (k > 0) e.className = "n"; tr.append(e); });
      return tr;
    };
    table.tHead.replaceChildren(row(heads, "th"));
    table.tBodies[0].replaceChildren(...rows.slice(0, 15).map((i) => row(line(i), "td")));
  }

  function mean(values, rows) {
    const known = rows.map((i) => values[i]).filter((v) => v !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
  }

  async function update() {
    const rows = selected(), everyone = d.names.map((_, i) => i);
    const told = d.figures.slice(0, 2).map((f) => `mean ${f.title}: ${near(mean(f.values, rows))} (all: ${near(mean(f.values, everyone))})`);
    one("[data-out=shown]").textContent = `${rows.length} of ${n} points selected · ${told.join(" · ")}`;
    d.factors.forEach((_, k) => {
      const out = one(`[data-range="${k}"]`);
      if (out) out.textContent = `${near(Number(one(`[data-low="${k}"]`).value))} to ${near(Number(one(`[data-high="${k}"]`).value))}`;
    });
    fill(rows);
    await Promise.all([draw("a", rows), draw("b", rows)]);
  }

  page.lazy(places.a, async () => {
    await update();
    for (const name of ["a", "b"]) {
      places[name].on("plotly_selected", (event) => {
        if (!event || !event.points) return;
        brushed = new Set(event.points.map((p) => p.customdata));
        update();
      });
      places[name].on("plotly_deselect", () => { brushed = null; update(); });
    }
    all("[data-filter], [data-low], [data-high]").forEach((e) => e.addEventListener("input", update));
    all("[data-axis]").forEach((e) => e.addEventListener("change", update));
    one("[data-act=reset]").addEventListener("click", () => {
      all("[data-filter]").forEach((box) => { box.checked = true; });
      all("[data-low]").forEach((e) => { e.value = e.min; });
      all("[data-high]").forEach((e) => { e.value = e.max; });
      brushed = null;
      update();
    });
    one("[data-act=download]").addEventListener("click", () => save("Selected points", [heads, ...selected().map(line)]));
    return 2;
  });
});
