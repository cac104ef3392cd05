"use strict";
// Ticks of log axes whose labels never touch, whatever the range and the width of the page: Plotly's own run into
// one another where an axis has less than two decades, or is narrow. Report and app keep them up to date.
window.bnslTicks = (() => {
  const MOST = 9, GAP = 10, FONT = 13, MANTISSAS = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
  const canvas = document.createElement("canvas").getContext("2d");
  const round = (value) => Number(value.toPrecision(9));

  const sizeOf = (value) => Math.floor(Math.log10(value) + 1e-9);
  const isShort = (value) => sizeOf(value) >= -3 && sizeOf(value) <= 4;
  function label(value, plain) {
    const size = sizeOf(value);
    if (plain) return String(round(value));
    const lead = round(value / 10 ** size);
    const power = `10<sup>${String(size).replace("-", "\u2212")}</sup>`;
    return lead === 1 ? power : `${lead}\u00d7${power}`;
  }
  function width(text, font) {
    canvas.font = font;
    return canvas.measureText(text.replace(/<[^>]*>/g, "")).width;
  }
  // Sets of values to choose from, the finest last within each kind: multiples of powers of ten, and even steps.
  function* candidates(low, high) {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    for (const lead of MANTISSAS) {
      const values = [];
      for (let n = first; n <= last; n++) for (const m of lead) values.push(round(m * 10 ** n));
      yield values;
    }
    for (let every = 2; every <= last - first + 1; every++) {
      const values = [];
      for (let n = Math.ceil(first / every) * every; n <= last; n += every) values.push(round(10 ** n));
      yield values;
    }
    if (high / low > 30) return;
    for (let n = Math.floor(Math.log10(high - low)) - 1; n <= last; n++)
      for (const m of [1, 2, 2.5, 5]) {
        const step = m * 10 ** n, values = [];
        if ((high - low) / step > 12) continue;
        for (let k = Math.ceil(low / step); k * step <= high; k++) values.push(round(k * step));
        yield values;
      }
  }
  // The values of one axis: log10 ends of its range, its length in pixels, whether it is upright.
  function ticks([a, b], length, upright, font) {
    const low = 10 ** Math.min(a, b), high = 10 ** Math.max(a, b), scale = length / Math.abs(b - a);
    let best = null;
    for (const set of candidates(low, high)) {
      const values = set.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9) && value > 0);
      if (values.length === 0 || values.length > MOST) continue;
      const plain = values.every(isShort);  // one style for all of an axis
      const texts = values.map((value) => label(value, plain));
      const sizes = texts.map((text) => (upright ? FONT + 4 : width(text, font) + GAP));
      const free = values.every((value, i) =>
        i === 0 || scale * Math.log10(value / values[i - 1]) >= 0.5 * (sizes[i] + sizes[i - 1]));
      if (free && (best === null || values.length > best.values.length)) best = { values, texts };
    }
    return best;
  }
  function update(plot) {
    const full = plot._fullLayout, change = {};
    for (const [name, upright] of [["xaxis", false], ["yaxis", true]]) {
      const axis = full[name], given = plot.layout[name] ?? {};
      if (!axis || axis.visible === false) continue;
      const found = axis.type === "log" ? ticks(axis.range, axis._length, upright, `${FONT}px ${full.font.family}`) : null;
      if (found === null) {
        if (given.tickmode === "array") Object.assign(change, { [`${name}.tickmode`]: "auto", [`${name}.tickvals`]: null });
      } else if (JSON.stringify(found.values) !== JSON.stringify(given.tickvals) || given.tickmode !== "array") {
        Object.assign(change, { [`${name}.tickmode`]: "array", [`${name}.tickvals`]: found.values });
        Object.assign(change, { [`${name}.ticktext`]: found.texts, [`${name}.tickangle`]: 0 });
      }
    }
    if (Object.keys(change).length) window.Plotly.relayout(plot, change);
  }
  // Keep the ticks of a figure up to date from now on.
  function follow(plot) {
    if (plot.dataset.ticks) return;
    plot.dataset.ticks = "on";
    plot.on("plotly_afterplot", () => update(plot));
    update(plot);
  }
  return { follow, ticks };
})();
