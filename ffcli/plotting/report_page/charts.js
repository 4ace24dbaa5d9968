// Progress of the sweep, time, and learning curves.

const TRANSPARENT = "rgba(0,0,0,0)";

function layout(xTitle, yTitle, more = {}) {
  const axis = { automargin: true, zeroline: false, linecolor: colours().soft, ticks: "outside", tickcolor: TRANSPARENT };
  return {
    height: 420 + (more.legendLines ?? 0) * 20, // else a long legend would press the axis into it
    margin: { l: 75, r: 15, t: 35, b: 50 },
    paper_bgcolor: TRANSPARENT,
    plot_bgcolor: TRANSPARENT,
    font: { family: "inherit", size: 13, color: colours().text },
    uirevision: xTitle + yTitle, // a zoom lasts while the axes stay what they are
    hovermode: "closest",
    dragmode: touched ? false : "zoom",
    modebar: { bgcolor: TRANSPARENT, color: colours().soft, activecolor: colours().accent },
    hoverlabel: { bgcolor: colours().ground, bordercolor: colours().soft, font: { color: colours().text } },
    legend: { orientation: "h", y: -0.24, yanchor: "top", x: 0, ...more.legend },
    xaxis: { ...axis, title: { text: xTitle }, ...more.xaxis },
    yaxis: { ...axis, title: { text: escaped(yTitle), standoff: 12 }, ...more.yaxis },
  };
}

const touched = matchMedia("(pointer: coarse)").matches; // there a drag scrolls the page
// The buttons are named one by one: among plotly's own is one that uploads the chart.
const CONFIG = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  ...(touched ? { displayModeBar: false } : {}),
};

function about(row) {
  return [`<b>${runs.run_id[row] ? "run " : ""}${escaped(runs.run_id[row] || shorts[row])}</b> trial ${runs.number[row]}`, `${escaped(data.metric)} ${shown(runs.value[row])} · ${escaped(runs.status[row])}`,
    ...data.axes.map((axis) => `${escaped(axis.name)} ${escaped(shownAt(axis, row))}`)].join("<br>");
}

// A trace of points for each status, so that the legend distinguishes them by shape and by colour.
function points(found, x, y) {
  const shapes = { finished: ["circle", colours().accent], pruned: ["triangle-down", colours().warm] };
  return [...new Set(found.map((row) => runs.status[row]))].sort().map((status) => {
    const own = found.filter((row) => runs.status[row] === status);
    const [symbol, color] = shapes[status] ?? ["x", colours().soft];
    return {
      type: "scatter", mode: "markers", name: status, x: own.map(x), y: own.map(y), text: own.map(about), hoverinfo: "text",
      marker: { symbol, color, size: found.length > 1500 ? 4 : 6, opacity: 0.55 },
      selectedpoints: own.flatMap((row, index) => (passes(row) ? [index] : [])),
      unselected: { marker: { opacity: 0.08 } },
    };
  });
}

function stairs(name, steps, x, y) {
  return { type: "scatter", mode: "lines", name, x: steps.map(x), y: steps.map(y), hoverinfo: "skip", line: { shape: "hv", width: 2.5, color: colours().text } };
}

// The part of the y axis to begin with, and words for what it leaves out.
function view(id, values, up) {
  const end = fence(values, up);
  const outside = end === null ? 0 : values.filter((value) => (up ? value < end : value > end)).length;
  byId(`${id}-outside`).textContent = outside
    ? `${counted(outside, "run")} ${up ? "below" : "above"} ${Number(end.toPrecision(3))} ${outside === 1 ? "lies" : "lie"} outside the picture; double-click it to show all.` : "";
  if (!outside) return {};
  const [low, high] = up ? [end, Math.max(...values)] : [Math.min(...values), end];
  return { range: [low - (high - low) * 0.03, high + (high - low) * 0.05] };
}

// 1, 2 and 5 times the powers of ten
function logSteps(low, high) {
  const steps = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade += 1) {
    for (const factor of [1, 2, 5]) steps.push(Number((factor * 10 ** decade).toPrecision(1)));
  }
  return { tickvals: steps, ticktext: steps.map(String) };
}

function drawHistory() {
  byId("history-section").hidden = valued.length < 2;
  if (valued.length < 2) return undefined;
  const byTime = byId("history-axis").value === "ended";
  const key = byTime ? runs.ended : runs.number;
  const found = valued.filter((row) => key[row] !== null).sort((a, b) => key[a] - key[b]);
  const unit = byTime && Math.max(...found.map((row) => key[row])) > 7200 ? 3600 : 60;
  const x = (row) => (byTime ? key[row] / unit : key[row]);
  let best = null;
  const soFar = found.map((row) => (best = best === null || better(runs.value[row], runs.value[best]) ? row : best));
  const line = { ...stairs("best so far", soFar, () => 0, (row) => runs.value[row]), x: found.map(x) };
  const title = byTime ? `time since the start (${unit === 60 ? "min" : "h"})` : "number of the trial";
  byId("history-words").textContent = found.length
    ? `It starts at ${shown(runs.value[found[0]])} with the first run and ends at ${shown(runs.value[best])} with run ${runs.run_id[best] || shorts[best]}.` : "";
  return Plotly.react("history", [...points(found, x, (row) => runs.value[row]), line],
    layout(title, data.metric, { yaxis: view("history", found.map((row) => runs.value[row]), data.maximize) }), CONFIG);
}

function drawTime() {
  const y = data.accuracy === data.metric ? runs.value : runs.accuracy;
  const found = rows.filter((row) => runs.seconds[row] > 0 && y[row] !== null).sort((a, b) => runs.seconds[a] - runs.seconds[b]);
  byId("time-section").hidden = found.length < 2;
  if (found.length < 2) return undefined;
  const front = [];
  for (const row of found.filter((each) => runs.status[each] === "finished")) if (!front.length || y[row] > y[front.at(-1)]) front.push(row);
  byId("time-words").textContent = front.length
    ? `The fastest takes ${duration(runs.seconds[front[0]])} for ${shown(y[front[0]])}, the best ${duration(runs.seconds[front.at(-1)])} for ${shown(y[front.at(-1)])}.` : "";
  const x = (row) => runs.seconds[row];
  const steps = logSteps(x(found[0]), x(found.at(-1)));
  return Plotly.react("time", [...points(found, x, (row) => y[row]), stairs("Pareto front", front, x, (row) => y[row])],
    layout("training time (s)", data.accuracy, { xaxis: { type: "log", ...steps }, yaxis: view("time", found.map((row) => y[row]), true) }), CONFIG);
}

function drawCurves() {
  const metric = byId("curves-metric").value;
  const longest = Math.max(0, ...data.curves.map((curve) => curve.epochs.length));
  byId("curves-section").hidden = longest === 0 || (longest === 1 && data.curves.length === 1);
  if (byId("curves-section").hidden) return undefined;
  const many = data.curves.length > 1;
  byId("curves-title").textContent = longest === 1 ? `The only epoch of the best ${data.curves.length} runs`
    : many ? `Learning curves of the best ${data.curves.length} runs` : "Learning curve of the best run";
  byId("curves-words").textContent = many ? `The best run is ${longest === 1 ? "the large point" : "the thick line"}; the legend gives the rank of the others and the end of their ids.` : "";
  const traces = data.curves.map((curve, place) => {
    const row = runs.number.indexOf(curve.number);
    const values = curve.metrics[metric];
    const rest = place - 1; // colours, dashes and symbols together distinguish the other runs
    const style = place === 0
      ? { line: { width: 4, color: colours().warm }, marker: { size: 8, color: colours().warm } }
      : {
        line: { width: 1.5, color: colours().scale[1 + (rest % 3)], dash: ["solid", "dash", "dot"][Math.floor(rest / 3) % 3] },
        marker: { size: 6, color: colours().scale[1 + (rest % 3)], symbol: ["circle", "square", "diamond"][rest % 3] },
      };
    return {
      type: "scatter", mode: longest > 40 ? "lines" : longest === 1 ? "markers" : "lines+markers", name: `${place + 1}: ${escaped(shorts[row])}`, x: curve.epochs, y: values,
      text: curve.epochs.map((epoch, index) => `${about(row)}<br>epoch ${epoch}: ${metric} ${shown(values[index])}`), hoverinfo: "text", ...style,
    };
  });
  const across = Math.max(1, Math.floor((printing ? PAPER_WIDTH : byId("curves").clientWidth) / 150)); // names in a line
  const legendLines = Math.ceil(traces.length / across) - 1;
  const drawn = layout("epoch", metric, { xaxis: longest > 20 ? {} : { dtick: 1 }, legend: { traceorder: "reversed" }, legendLines });
  return Plotly.react("curves", traces.reverse(), drawn, CONFIG);
}

function drawCharts() {
  return Promise.all([drawHistory(), drawTime(), drawCurves()]);
}

function startCharts() {
  byId("history-axis").addEventListener("change", drawHistory);
  byId("curves-metric").addEventListener("change", drawCurves);
  listeners.push(rested(() => { drawHistory(); drawTime(); }));
}
