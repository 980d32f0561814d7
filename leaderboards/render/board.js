"use strict";
// Sorting, filters and charts of the board. Text only ever goes in by textContent.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const status = document.getElementById("status");
  const say = (text) => { status.textContent = text; };

  // ---------------------------------------------------------------- sorting
  const key = (row, column, numeric) => {
    const text = row.cells[column].dataset.v ?? "";
    if (text === "") return null;
    return numeric ? Number(text) : text.toLowerCase();
  };
  const sort = (button) => {
    const head = button.closest("th");
    const table = head.closest("table");
    const numeric = button.dataset.kind === "number";
    const now = head.getAttribute("aria-sort");
    const order = now === null ? button.dataset.first : now === "ascending" ? "descending" : "ascending";
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row, at) => [key(row, head.cellIndex, numeric), at, row]);
    keyed.sort(([a, i], [b, j]) => {
      if (a === null || b === null) return (a === null) - (b === null) || i - j; // missing ones stay last
      return (a < b ? -sign : a > b ? sign : 0) || i - j;
    });
    const sorted = document.createDocumentFragment();
    for (const [, , row] of keyed) sorted.append(row);
    body.append(sorted);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    say(`sorted by ${button.textContent.trim()}, ${order}`);
  };
  for (const button of all(".sort")) button.addEventListener("click", () => sort(button));

  // ---------------------------------------------------------------- filters
  const search = document.getElementById("search");
  const selects = all("[data-filter]");
  const wanted = () => Object.fromEntries(selects.map((s) => [s.dataset.filter, s.value]));
  const fits = (facts, filter, part) =>
    (!part || facts.model.toLowerCase().includes(part)) &&
    ["family", "licence", "patch"].every((name) => !filter[name] || facts[name] === filter[name]);
  const filterRows = (filter, part) => {
    const shown = new Set(), others = [];
    for (const row of all("tr[data-model]")) {
      if (row.dataset.patch === undefined) {
        others.push(row);
        continue;
      }
      row.hidden = !fits(row.dataset, filter, part);
      if (!row.hidden) shown.add(row.dataset.model);
    }
    for (const row of others) row.hidden = !shown.has(row.dataset.model); // published numbers
    return shown.size;
  };
  const filterColumns = (protocol) => {
    for (const table of all("table.summary")) {
      const off = [...table.tHead.rows[0].cells].map((c) => Boolean(protocol && c.dataset.protocol && c.dataset.protocol !== protocol));
      for (const row of table.rows) for (const [i, cell] of [...row.cells].entries()) cell.hidden = off[i];
    }
  };
  let columnsOf = "";
  const apply = () => {
    const filter = wanted();
    const count = filterRows(filter, search.value.trim().toLowerCase());
    if (filter.protocol !== columnsOf) filterColumns(filter.protocol);
    columnsOf = filter.protocol;
    for (const block of all(".block")) {
      const { dataset, protocol } = block.dataset;
      block.hidden = Boolean((filter.dataset && dataset !== filter.dataset) || (filter.protocol && protocol && protocol !== filter.protocol));
      if (!block.hidden && filter.protocol && filter.dataset && block.tagName === "DETAILS") block.open = true;
    }
    say(`${count} ${count === 1 ? "model" : "models"} shown`);
    draw();
  };
  search.addEventListener("input", apply);
  for (const select of selects) select.addEventListener("change", apply);
  document.getElementById("reset").addEventListener("click", () => {
    search.value = "";
    for (const select of selects) select.value = "";
    apply();
  });

  // A link to a folded table unfolds it.
  const unfold = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.tagName === "DETAILS") target.open = true;
    target?.scrollIntoView();
  };
  addEventListener("hashchange", unfold);

  // ---------------------------------------------------------------- charts
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const choice = document.getElementById("chart-table");
  for (const table of data.tables) choice.add(new Option(table.label, table.id));
  const better = (a, b) => b.points.length - a.points.length || b.clips - a.clips || b.label.startsWith("kmeans-clip") - a.label.startsWith("kmeans-clip");
  const fullest = data.tables.filter((t) => t.points.length).sort(better)[0] ?? null;
  if (fullest) choice.value = fullest.id;
  choice.addEventListener("change", () => draw());
  const COLOURS = 7;
  const families = new Map();
  for (const { family } of data.models) families.set(family, (families.get(family) ?? 0) + 1);
  const coloured = [...families.entries()].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, COLOURS).map(([f]) => f);
  const colour = (family) => `var(--c${coloured.includes(family) ? coloured.indexOf(family) + 1 : 8})`;
  const AXES = [
    { at: 4, title: "parameters", unit: "M", more: false },
    { at: 5, title: "GFLOPs a frame", unit: "", more: false },
    { at: 6, title: "frames a second", unit: "", more: true },
  ];
  const W = 340, H = 250, L = 38, R = 14, T = 26, B = 30;
  const svg = (name, attributes = {}, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) made.setAttribute(k, v);
    if (text) made.textContent = text;
    return made;
  };
  const short = (v) => (v >= 1 ? String(Number(v.toPrecision(3))) : String(Number(v.toPrecision(2))));
  const ticks = (lo, hi) => {
    const step = [1, 2, 5, 10, 20, 25, 50].find((s) => (hi - lo) / s <= 5) ?? 100;
    const found = [];
    for (let v = Math.ceil(lo / step) * step; v <= hi + 1e-9; v += step) found.push(v);
    return found;
  };
  const logTicks = (lo, hi) => {
    const found = [];
    for (let e = Math.floor(Math.log10(lo)) - 1; e <= Math.ceil(Math.log10(hi)); e += 1) {
      for (const m of [1, 2, 5]) found.push(m * 10 ** e);
    }
    const inside = found.filter((v) => v >= lo * 0.999 && v <= hi * 1.001);
    const tens = inside.filter((v) => Math.abs(Math.log10(v) % 1) < 1e-9);
    return inside.length <= 5 ? inside : tens;
  };
  // The best score at every price, from the cheapest on.
  const front = (points, axis, higher) => {
    const better = (a, b) => (higher ? a > b : a < b);
    const order = [...points].sort((p, q) => (axis.more ? q[axis.at] - p[axis.at] : p[axis.at] - q[axis.at]) || (higher ? q[1] - p[1] : p[1] - q[1]));
    const found = [];
    for (const p of order) if (!found.length || better(p[1], found.at(-1)[1])) found.push(p);
    return found;
  };
  const chart = (table, points, axis) => {
    const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
    root.append(svg("text", { x: 0, y: 12, class: "title" }, `${table.metric}, ${table.unit}, by ${axis.title}${axis.unit ? `, ${axis.unit}` : ""}`));
    const known = points.filter((p) => p[axis.at] > 0);
    if (!known.length) {
      root.setAttribute("aria-label", `${axis.title}: not measured for any model`);
      root.append(svg("text", { x: W / 2, y: H / 2, "text-anchor": "middle", class: "empty" }, "not measured for any model"));
      return { root, names: [] };
    }
    const xs = known.map((p) => p[axis.at]), ys = known.flatMap((p) => [p[1], p[2] ?? p[1], p[3] ?? p[1]]);
    const x0 = Math.min(...xs) / 1.5, x1 = Math.max(...xs) * 1.5;
    const grain = table.unit === "percent" ? 5 : 1;
    let y0 = Math.floor(Math.min(...ys) / grain) * grain, y1 = Math.ceil(Math.max(...ys) / grain) * grain;
    if (y0 === y1) y1 += grain;
    const x = (v) => L + ((Math.log(v) - Math.log(x0)) / (Math.log(x1) - Math.log(x0))) * (W - L - R);
    const y = (v) => H - B - ((v - y0) / (y1 - y0)) * (H - B - T);
    for (const v of ticks(y0, y1)) {
      root.append(svg("line", { x1: L, x2: W - R, y1: y(v), y2: y(v), class: "grid" }));
      root.append(svg("text", { x: L - 6, y: y(v) + 4, "text-anchor": "end" }, String(v)));
    }
    for (const v of logTicks(x0, x1)) root.append(svg("text", { x: x(v), y: H - 10, "text-anchor": "middle" }, short(v)));
    const best = front(known, axis, table.higher);
    const line = best.map((p, i) => (i ? `H${x(p[axis.at]).toFixed(1)}V${y(p[1]).toFixed(1)}` : `M${x(p[axis.at]).toFixed(1)},${y(p[1]).toFixed(1)}`)).join("");
    root.append(svg("path", { d: line, class: "front" }));
    if (known.length <= 60) {
      for (const p of known.filter((q) => q[2] !== null)) {
        root.append(svg("line", { x1: x(p[axis.at]), x2: x(p[axis.at]), y1: y(p[2]), y2: y(p[3]), class: "err", style: `stroke:${colour(data.models[p[0]].family)}` }));
      }
    }
    for (const p of known) {
      const model = data.models[p[0]];
      const dot = svg("circle", { cx: x(p[axis.at]), cy: y(p[1]), r: best.includes(p) ? 5 : 3.6, style: `fill:${colour(model.family)}` });
      if (!best.includes(p)) dot.classList.add("off");
      dot.append(svg("title", {}, `${model.name}: ${p[1]} at ${short(p[axis.at])}`));
      root.append(dot);
    }
    const taken = [];
    for (const p of best) {
      const name = data.models[p[0]].name, wide = name.length * 6.4;
      const right = x(p[axis.at]) + wide + 10 < W;
      const left = right ? x(p[axis.at]) + 8 : x(p[axis.at]) - 8 - wide;
      const top = y(p[1]) - 8;
      if (taken.some(([a, b, w]) => Math.abs(b - top) < 12 && left < a + w && a < left + wide)) continue;
      taken.push([left, top, wide]);
      root.append(svg("text", { x: right ? left : left + wide, y: top + 4, class: "name", "text-anchor": right ? "start" : "end" }, name));
    }
    const names = best.map((p) => data.models[p[0]].name);
    root.setAttribute("aria-label", `${table.metric} by ${axis.title}, ${known.length} models; on the line: ${names.join(", ")}`);
    return { root, names };
  };
  function draw() {
    const table = data.tables.find((t) => t.id === choice.value);
    if (!table) return;
    const filter = wanted(), part = search.value.trim().toLowerCase();
    const points = table.points.filter((p) => {
      const { name, family, licence, patch } = data.models[p[0]];
      return fits({ model: name, family, licence, patch: String(patch) }, filter, part);
    });
    const made = AXES.map((axis) => chart(table, points, axis));
    document.getElementById("charts").replaceChildren(...made.map((m) => m.root));
    const seen = new Set(points.map((p) => data.models[p[0]].family));
    const shown = coloured.filter((f) => seen.has(f)).map((f) => [f, colour(f)]);
    if ([...seen].some((f) => !coloured.includes(f))) shown.push(["other families", "var(--c8)"]);
    document.getElementById("legend").replaceChildren(
      ...shown.map(([text, paint]) => {
        const item = document.createElement("li"), dot = document.createElement("i");
        dot.style.background = paint;
        item.append(dot, text);
        return item;
      }),
    );
    document.getElementById("chart-words").textContent = AXES.map((a, i) => [a.title, made[i].names])
      .filter(([, names]) => names.length)
      .map(([title, names]) => `Best by ${title}: ${names.join(", ")}.`)
      .join(" ");
  }
  draw();
  if (location.hash) unfold();
})();
