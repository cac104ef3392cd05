"use strict";
// What the app's page does without its server.
window.dash_clientside = Object.assign({}, window.dash_clientside, {bnsl: (() => {
  const PATIENCE = 20000;  // milliseconds after which a request that was not answered is given up
  const shown = () => document.querySelector("#figure .js-plotly-plot");

  // The browser's theme, now and whenever it changes.
  function theme() {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const name = () => dark.matches ? "dark" : "light";
    dark.addEventListener("change", () => dash_clientside.set_props("theme", {data: name()}));
    return name();
  }

  // All that decides on the figure, numbered. One request is made at a time, lest a new one at every move of the
  // mouse has the figure of the one before thrown away; when it is answered, the newest wish is next.
  const state = {number: 0, since: 0, sent: null};
  function wish(answered) {
    const {inputs_list, states_list} = dash_clientside.callback_context;
    const given = [...inputs_list, ...states_list].filter(({id}) => id !== "answered");
    const wish = Object.fromEntries(
      given.map(({id, property, value}) => [property === "max" ? "last" : id, value ?? null]));
    const text = JSON.stringify(wish), now = Date.now();
    if (state.number > answered && now - state.since < PATIENCE) return dash_clientside.no_update;
    if (state.sent === text || wish.token === null) return dash_clientside.no_update;
    Object.assign(state, {sent: text, since: now, number: state.number + 1});
    return {number: state.number, ...wish};
  }

  // While the range is dragged, points change their colour and the grey area moves at once.
  function mark(end, places, theme, colours) {
    const plot = shown();
    if (!plot || !window.Plotly || !places.length || !plot.layout || !(end in places)) return null;
    const limit = places[end];
    plot.data.forEach((trace, i) => {
      if (!/^(Fitted|Held-out) points/.test(trace.name ?? "")) return;
      const x = plot._fullData[i].x;
      const marks = Array.from(x, (value) => colours[theme][value <= limit * (1 + 1e-12) ? 0 : 1]);
      window.Plotly.restyle(plot, {"marker.color": [marks]}, [i]);
    });
    const ground = (plot.layout.shapes ?? []).findIndex((shape) => shape.type === "rect");
    if (ground >= 0) window.Plotly.relayout(plot, {[`shapes[${ground}].x0`]: limit});
    return end;
  }

  // Ticks that fit; the figure is there some time after its description.
  function follow(tries) {
    const plot = shown();
    if (plot && plot.on && window.Plotly)
      document.querySelectorAll(".js-plotly-plot").forEach((one) => one.on && window.bnslTicks.follow(one));
    else if (tries > 0) setTimeout(() => follow(tries - 1), 100);
  }
  function ticks() {
    follow(50);
    return true;
  }

  return {theme, wish, mark, ticks};
})()});
