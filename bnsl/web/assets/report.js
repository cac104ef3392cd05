"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const texts = JSON.parse(document.getElementById("texts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const print = matchMedia("print");
  const coarse = matchMedia("(pointer: coarse)");
  const narrow = matchMedia("(max-width: 40rem)");
  let printing = false;

  // A colour is an object of one for each theme; everything else stays as it is.
  const themed = (value, theme) => {
    if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((part) => themed(part, theme));
    if (value === null || typeof value !== "object") return value;
    if ("light" in value && "dark" in value) return value[theme];
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, themed(part, theme)]));
  };
  const config = {
    displaylogo: false,
    responsive: true,
    modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "toImage"]],
    toImageButtonOptions: { filename: "forecast", scale: 2 },
  };
  const element = (name) => document.getElementById(`figure-${name}`);

  function draw(name) {
    const theme = dark.matches && !printing ? "dark" : "light";
    const figure = figures[name];
    const layout = themed(figure.layout, theme);
    // A finger scrolls the page; on a narrow screen a box with every law would cover the curve.
    if (coarse.matches) layout.dragmode = false;
    if (narrow.matches) layout.hovermode = "closest";
    return Plotly.react(element(name), themed(figure.data, theme), layout, { ...config, displayModeBar: coarse.matches ? false : "hover" });
  }
  const drawAll = () => Promise.all(Object.keys(figures).map(draw));

  function show(name, key, on) {
    const figure = figures[name];
    for (const index of figure.series[key].traces) figure.data[index].visible = on;
    for (const index of figure.series[key].shapes) figure.layout.shapes[index].visible = on;
  }
  function setType(name, axis, type) {
    Object.assign(figures[name].layout[`${axis}axis`], { type, range: figures[name].ranges[axis][type].slice() });
  }
  // What the reader zoomed to is kept when something else changes.
  function keepView(name) {
    const now = element(name).layout;
    for (const axis of ["xaxis", "yaxis"]) figures[name].layout[axis].range = now[axis].range.slice();
  }
  function reset(name) {
    for (const axis of ["x", "y"]) setType(name, axis, figures[name].layout[`${axis}axis`].type || "linear");
  }

  const said = document.getElementById("said");
  let timer;
  function say(text) {
    said.textContent = text;
    said.classList.add("on");
    clearTimeout(timer);
    timer = setTimeout(() => said.classList.remove("on"), 1600);
  }
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }
  function save(text, file) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { figure, series, axis, type, copy: copied, save: saved, file } = button.dataset;
    if (copied) return say((await copy(texts[copied])) ? "Copied" : "The browser does not allow copying here");
    if (saved) return save(texts[saved], file);
    keepView(figure);
    if (series) {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      show(figure, series, on);
    } else if (axis) {
      for (const other of button.parentElement.querySelectorAll("button"))
        other.setAttribute("aria-pressed", String(other === button));
      setType(figure, axis, type);
    } else if ("all" in button.dataset) {
      const others = [...button.parentElement.querySelectorAll("[data-series]")];
      const on = others.some((other) => other.getAttribute("aria-pressed") !== "true");
      button.textContent = on ? "none" : "all";
      for (const other of others) {
        other.setAttribute("aria-pressed", String(on));
        show(figure, other.dataset.series, on);
      }
    } else if ("reset" in button.dataset) {
      reset(figure);
    }
    draw(figure);
  });

  function toPrint(on) {
    if (printing === on) return;
    printing = on;
    for (const name of Object.keys(figures)) keepView(name);
    drawAll();
    for (const name of Object.keys(figures)) Plotly.Plots.resize(element(name));
    for (const part of document.querySelectorAll("details")) {
      if (on && !part.open) part.dataset.opened = "";
      if (on) part.open = true;
      else if ("opened" in part.dataset) { part.open = false; delete part.dataset.opened; }
    }
  }
  window.addEventListener("beforeprint", () => toPrint(true));
  window.addEventListener("afterprint", () => toPrint(false));
  print.addEventListener("change", () => toPrint(print.matches));
  dark.addEventListener("change", () => { for (const name of Object.keys(figures)) keepView(name); drawAll(); });
  narrow.addEventListener("change", drawAll);

  drawAll().then(() => {
    for (const name of Object.keys(figures)) {
      bnslTicks.follow(element(name));
      element(name).on("plotly_doubleclick", () => { reset(name); draw(name); return false; });
    }
    document.documentElement.dataset.ready = "";
  });
})();
