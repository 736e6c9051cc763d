"use strict";
// Filters for a whole page: days, segments and a role. Adds up the packed columns of both cases for what is selected,
// fills the table of figures, and lets every chart follow that says in its `meta` what it shows.
(window.extras = window.extras || []).push(async function selection(page) {
  const source = page.byId("selection-data");
  if (!source || typeof DecompressionStream === "undefined") return;
  const d = JSON.parse(source.textContent), bar = page.byId("filters");
  const all = (selector) => Array.from(bar.querySelectorAll(selector)), one = (selector) => bar.querySelector(selector);
  const names = d.segments.map((s) => s[0]), last = d.bins.length;

  const floats = async (packed) => new Float32Array(await page.unpack(packed.f4));
  async function rows(packed, width) {
    if (!packed) return null;
    const flat = packed.n ? new Float64Array(await page.unpack(packed.f8)) : new Float64Array(0);
    return Array.from({ length: width }, (_, k) => flat.subarray(k * packed.n, (k + 1) * packed.n));
  }
  for (const c of d.cases) {
    for (const s of names) c.power[s] = await floats(c.power[s]);
    for (const key of ["loading", "over", "price"]) c[key] = await floats(c[key]);
    c.sessions = await rows(c.sessions, 8);
    c.money = await rows(c.money, 4);
  }
  d.pairs = await rows(d.pairs, 6);

  // ---- what is selected ------------------------------------------------------------------------------------------
  const now = { from: 0, to: last, segments: new Set(names), role: -1 };
  const isWhole = () => now.from === 0 && now.to === last;
  const isEverything = () => isWhole() && now.segments.size === names.length && now.role < 0;
  const inBins = (b) => b >= now.from && (b < now.to || (now.to === last && b >= last));
  const codes = () => new Set(names.map((s, i) => (now.segments.has(s) ? i : -2)));
  const span = (c) => (d.clock ? [now.from * d.per, Math.min(now.to * d.per, c.price.length)] : [0, c.price.length]);
  const moment = (bin) => (bin >= last ? new Date(Date.parse(d.bins[last - 1] + "Z") + d.per * d.hours * 3600000).toISOString().slice(0, 16) : d.bins[bin]);
  const range = () => (isWhole() ? null : [moment(now.from), moment(now.to)]);

  function power(c, segments = now.segments) {
    const out = new Float64Array(c.price.length);
    for (const s of segments) c.power[s].forEach((v, i) => { if (v === v) out[i] += v; });
    return out;
  }
  function thinned(values) {
    if (d.thin === 1) return Array.from(values);
    return Array.from({ length: Math.ceil(values.length / d.thin) }, (_, i) => { const part = values.slice(i * d.thin, (i + 1) * d.thin); return part.reduce((a, b) => a + b, 0) / part.length; });
  }
  function folded(c, values) { // mean day over the selected periods; the last point closes the day
    const sum = new Float64Array(d.slots), n = new Float64Array(d.slots), [from, to] = span(c);
    for (let t = from; t < to; t++) { sum[d.slot[t]] += values[t]; n[d.slot[t]]++; }
    const mean = Array.from(sum, (v, i) => v / Math.max(n[i], 1));
    return [...mean, mean[mean.length - 1]];
  }
  function sessions(c) { // sums by segment: done, served, cost, delivered, missing, CO₂
    const out = names.map(() => new Float64Array(6)), [bin, code] = c.sessions;
    for (let r = 0; r < bin.length; r++) {
      if (code[r] < 0 || !inBins(bin[r]) || !now.segments.has(names[code[r]])) continue;
      for (let k = 0; k < 6; k++) out[code[r]][k] += c.sessions[k + 2][r];
    }
    return out;
  }
  function receipts(c, column, wanted) { // net receipts by role (column 1) or reason (column 2)
    const out = new Map();
    if (!c.money) return out;
    const [bin, , , eur] = c.money;
    for (let r = 0; r < bin.length; r++) if (inBins(bin[r]) && wanted(r)) out.set(c.money[column][r], (out.get(c.money[column][r]) || 0) + eur[r]);
    return out;
  }
  const receiptsShown = (c) => (now.role < 0 ? receipts(c, 1, () => true) : receipts(c, 2, (r) => c.money[1][r] === now.role));

  // ---- figures of the selection ----------------------------------------------------------------------------------
  function figures(c) {
    const kw = power(c), [from, to] = span(c);
    let energy = 0, peak = 0, value = 0, price = 0, known = 0, worst = 0, over = 0;
    for (let t = from; t < to; t++) {
      energy += kw[t];
      peak = Math.max(peak, kw[t]);
      worst = Math.max(worst, c.loading[t]);
      over += c.over[t];
      if (c.price[t] === c.price[t]) { price += c.price[t]; known++; value += kw[t] * c.price[t]; }
    }
    const s = sessions(c).reduce((a, b) => a.map((v, k) => v + b[k]), new Float64Array(6));
    const net = now.role < 0 || !c.money ? null : [...receiptsShown(c).values()].reduce((a, b) => a + b, 0);
    return {
      energy: (energy * d.hours) / 1000, peak, price: price / known, paid: value / energy, loading: 100 * worst, over: over * d.hours,
      bill: s[2], cost: s[2] / s[3], served: c.isPlanned ? (100 * s[1]) / s[0] : null, missing: c.isPlanned ? s[4] : null, co2: s[5] / 1000, net,
    };
  }
  const FIGURES = [
    ["energy", "Energy charged", "MWh", "days, chargers", ""], ["peak", "Highest demand of EVs", "kW", "days, chargers", "lower"],
    ["paid", "Day-ahead price when EVs charged", "€/MWh", "days, chargers", "lower"], ["price", "Mean day-ahead price", "€/MWh", "days", ""],
    ["bill", "Drivers' bills", "€", "days, chargers", "lower"], ["cost", "Drivers' cost", "€/kWh", "days, chargers", "lower"],
    ["served", "Sessions served", "%", "days, chargers", "higher"], ["missing", "Missing energy", "kWh", "days, chargers", "lower"],
    ["co2", "CO₂ of charging", "t", "days, chargers", "lower"], ["loading", "Highest loading of an element", "%", "days", "lower"],
    ["over", "Overload, element-hours", "h", "days", "lower"], ["net", "Net receipts", "€", "days, role", "higher"],
  ];
  function text(v, unit = "", sign = false) {
    if (v === null || v === undefined || !Number.isFinite(v)) return "–";
    const size = Math.abs(v), digits = size >= 100 || size === 0 ? 0 : Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(size))));
    const body = size.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const mark = Number(body.replaceAll(",", "")) === 0 ? "" : v < 0 ? "−" : sign ? "+" : "";
    return unit === "€" ? `${mark}€${body}` : `${mark}${body}${unit ? " " + unit : ""}`;
  }

  function fill() {
    const table = page.byId("selection-table"), [a, b] = d.cases.map(figures);
    if (!table) return;
    const body = FIGURES.filter(([key]) => b[key] !== null && Number.isFinite(b[key])).map(([key, name, unit, follows, better]) => {
      const change = a[key] === null ? null : b[key] - a[key], isNothing = change !== null && Math.abs(change) <= 1e-6 * Math.max(Math.abs(a[key]), Math.abs(b[key]), 1e-9);
      const good = !better || change === null || Math.abs(change) < 1e-3 * Math.abs(a[key]) ? "" : (change < 0) === (better === "lower") ? " better" : " worse";
      const tr = document.createElement("tr"), label = key === "net" ? `${name} of ${d.roles[now.role]}` : name;
      const share = change === null || !a[key] ? "–" : isNothing ? "0 %" : text((100 * change) / Math.abs(a[key]), "%", true);
      const points = unit === "%" ? "points" : unit;
      [label, text(a[key], unit), text(b[key], unit), isNothing ? "no change" : text(change, points, true) + good, share, follows].forEach((v, k) => {
        const td = document.createElement("td");
        td.textContent = v;
        if (k > 0 && k < 5) td.className = "n" + (k === 3 ? good : "");
        tr.append(td);
      });
      tr.dataset.figure = key;
      return tr;
    });
    table.tBodies[0].replaceChildren(...body);
  }

  function tell() {
    const days = isWhole() ? "" : `${moment(now.from).replace("T", " ")} to ${moment(now.to).replace("T", " ")}`;
    const chargers = now.segments.size === names.length ? "" : now.segments.size ? d.segments.filter((s) => now.segments.has(s[0])).map((s) => s[1]).join(", ") : "no EVs";
    const role = now.role < 0 ? "" : `money of ${d.roles[now.role]}`;
    one("[data-out=selection]").textContent = [days, chargers, role].filter(Boolean).join(" · ") || "everything";
    bar.classList.toggle("on", !isEverything());
  }

  // ---- charts that follow ----------------------------------------------------------------------------------------
  const first = new WeakMap(); // place -> the axis as it was drawn
  let isApplying = false;

  const lengths = (found) => found.map(([, v]) => v);
  const colours = (values) => values.map((v) => (v >= 0 ? "#0072B2" : "#D55E00"));

  function bars(meta) { // [name, value] by segment, role or reason
    const [a, b] = d.cases;
    if (meta.bars === "money") {
      const one = receiptsShown(b), before = meta.change ? receiptsShown(a) : new Map();
      const list = now.role < 0 ? d.roles : d.reasons;
      const keys = [...new Set([...one.keys(), ...before.keys()])];
      const kept = now.role < 0 && meta.roles ? keys.filter((k) => meta.roles.includes(list[k])) : keys;
      const found = kept.map((k) => [list[k], (one.get(k) || 0) - (before.get(k) || 0)]).filter(([, v]) => Math.abs(v) >= 0.005);
      return found.sort((x, y) => Math.abs(y[1]) - Math.abs(x[1])).slice(0, 14).reverse();
    }
    const [sa, sb] = d.cases.map(sessions);
    const of = { served: (i) => (100 * sb[i][1]) / sb[i][0], gain: (i) => sa[i][2] - sb[i][2] }[meta.bars];
    return names.map((s, i) => [d.segments[i][1], of(i), s]).filter(([, v, s]) => now.segments.has(s) && Number.isFinite(v));
  }

  function bills(column) { // mean change of a session's bill with its half width, by segment (1) or group (2)
    const sums = new Map(), on = codes();
    for (let r = 0; r < d.pairs[0].length; r++) {
      if (!inBins(d.pairs[0][r]) || !on.has(d.pairs[1][r])) continue;
      const s = sums.get(d.pairs[column][r]) || [0, 0, 0];
      for (let k = 0; k < 3; k++) s[k] += d.pairs[k + 3][r];
      sums.set(d.pairs[column][r], s);
    }
    const list = column === 1 ? d.segments.map((s) => s[1]) : d.groups;
    return [...sums].sort((x, y) => x[0] - y[0]).map(([k, [n, sum, squares]]) => {
      const mean = sum / n, spread = n > 1 ? Math.sqrt(Math.max(0, (squares - n * mean * mean) / (n - 1)) / n) : 0;
      return [list[k], mean, 1.96 * spread, n];
    });
  }

  function changes(trace) { // new values of one trace, or null
    const m = trace.meta;
    if (!m || typeof m !== "object") return null;
    if (m.bars) {
      const found = bars(m), values = lengths(found);
      const look = { "marker.color": [m.bars === "served" ? found.map(([, , s]) => d.segments[names.indexOf(s)][2]) : colours(values)] };
      const shown = m.bars === "served" ? values.map((v) => `${v.toFixed(1)} %`) : values.map((v) => text(v, "€", true));
      return { x: [values], y: [found.map(([n]) => n)], text: [shown], ...look };
    }
    if (m.bills && d.pairs) {
      const found = bills(m.bills === "segment" ? 1 : 2);
      return { x: [lengths(found)], y: [found.map(([n]) => n)], "error_x.array": [found.map(([, , h]) => h)], "marker.color": [found.map(([, v]) => (v > 0 ? "#D55E00" : "#0072B2"))] };
    }
    if (m.sum !== undefined) {
      const c = d.cases[m.sum], kw = power(c);
      return { y: [m.fold ? folded(c, kw) : thinned(kw)] };
    }
    if (!m.segment) return null;
    const out = { visible: now.segments.has(m.segment) };
    if (m.fold) {
      const c = d.cases[1], own = c.power[m.segment].map((v) => (v === v ? v : 0));
      out.y = [folded(c, own).map((v) => (v * m.fold > 0 ? v : 0))];
    }
    return out;
  }

  async function apply(place) {
    if (!place.data) return;
    if (!first.has(place)) {
      const axis = place.layout.xaxis || {};
      first.set(place, axis.range && axis.autorange !== true ? { "xaxis.range": axis.range.slice(), "xaxis.autorange": false } : { "xaxis.autorange": true });
      if (isEverything()) return;
    }
    for (let i = 0; i < place.data.length; i++) {
      const found = changes(place.data[i]);
      if (found) await Plotly.restyle(place, found, [i]);
    }
    const meta = place.layout.meta || {}, chosen = range();
    if (meta.time && d.clock) await Plotly.relayout(place, chosen ? { "xaxis.range": chosen, "xaxis.autorange": false } : first.get(place));
    else if (meta.fit) await Plotly.relayout(place, { "xaxis.autorange": true });
  }

  async function update() {
    tell();
    fill();
    document.dispatchEvent(new CustomEvent("selection", { detail: range() }));
    isApplying = true;
    try { for (const place of document.querySelectorAll(".plot[data-figure]")) await apply(place); } finally { isApplying = false; }
    document.documentElement.dataset.selected = one("[data-out=selection]").textContent;
  }

  function listen(place) { // dragging over a chart with a time axis chooses those hours on all
    if (!d.clock || !(place.layout.meta || {}).time) return;
    place.on("plotly_relayout", (e) => {
      if (isApplying) return;
      const from = e["xaxis.range[0]"] || (e["xaxis.range"] || [])[0], to = e["xaxis.range[1]"] || (e["xaxis.range"] || [])[1];
      if (from !== undefined && to !== undefined) {
        const a = String(from).replace(" ", "T").slice(0, 16), b = String(to).replace(" ", "T").slice(0, 16);
        const start = d.bins.findLastIndex((t) => t <= a), end = d.bins.findIndex((t) => t >= b);
        now.from = Math.max(0, start);
        now.to = end < 0 ? last : Math.max(end, now.from + 1);
      } else if (e["xaxis.autorange"]) [now.from, now.to] = [0, last];
      else return;
      show();
      update();
    });
  }

  function show() { // the controls follow a dragged range
    if (!d.clock) return;
    const from = d.days.findIndex((x) => now.from < x[2]), to = d.days.findIndex((x) => now.to <= x[2]);
    one("[data-day=from]").value = Math.max(0, from);
    one("[data-day=to]").value = to < 0 ? d.days.length - 1 : to;
  }

  d.slot = d.cases[0].price.length ? slots() : [];
  function slots() {
    const n = Math.max(...d.cases.map((c) => c.price.length)), out = new Int32Array(n);
    for (let b = 0; b < Math.ceil(n / d.per); b++) {
      const start = d.bins[Math.min(b, last - 1)], minutes = Number(start.slice(11, 13)) * 60 + Number(start.slice(14, 16));
      for (let k = 0; k < d.per && b * d.per + k < n; k++) out[b * d.per + k] = Math.floor((minutes / 60 + k * d.hours) / d.hours) % d.slots;
    }
    return out;
  }

  all("[data-day]").forEach((e) => e.addEventListener("change", () => {
    let [from, to] = ["from", "to"].map((w) => Number(one(`[data-day=${w}]`).value));
    if (to < from) [from, to] = e.dataset.day === "from" ? [from, from] : [to, to];
    now.from = d.days[from][1];
    now.to = d.days[to][2];
    show();
    update();
  }));
  all("[data-segment]").forEach((e) => e.addEventListener("change", () => { now.segments[e.checked ? "add" : "delete"](e.dataset.segment); update(); }));
  one("[data-role]").addEventListener("change", (e) => { now.role = Number(e.target.value); update(); });
  one("[data-act=everything]").addEventListener("click", () => {
    Object.assign(now, { from: 0, to: last, segments: new Set(names), role: -1 });
    all("[data-segment]").forEach((box) => { box.checked = true; });
    one("[data-role]").value = "-1";
    show();
    update();
  });
  show();
  fill();
  page.listen(async (place) => { await apply(place); listen(place); });
});
