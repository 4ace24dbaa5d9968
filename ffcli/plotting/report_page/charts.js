// Progress of the sweep, time, and the curves of its best runs.

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

// The y axes as they were given to a chart, and the charts whose y axis the reader has changed: Plotly keeps
// the change only while what it is given is the same.
const given = {};
const changedByReader = new Set();

function noteChange(id, change) {
  if (!Object.keys(change).some((key) => key.startsWith("yaxis."))) return;
  const { range, autorange } = byId(id).layout.yaxis;
  const first = given[id].range;
  const isFirst = first ? !autorange && first.every((end, side) => Math.abs(end - range[side]) < 1e-9) : autorange;
  if (isFirst) changedByReader.delete(id); else changedByReader.add(id);
}

function view(id, values, up) {
  const first = firstView(id, values, up);
  if (!changedByReader.has(id)) given[id] = first;
  return given[id].range ? { range: [...given[id].range] } : {};
}

async function react(id, traces, drawn) {
  const isNew = !byId(id).data;
  await Plotly.react(id, traces, drawn, CONFIG);
  if (isNew) byId(id).on("plotly_relayout", (change) => noteChange(id, change));
}

// The part of the y axis to begin with, and words for what it leaves out.
function firstView(id, values, up) {
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
  return react("history", [...points(found, x, (row) => runs.value[row]), line],
    layout(title, data.metric, { yaxis: view("history", found.map((row) => runs.value[row]), data.maximize) }));
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
  return react("time", [...points(found, x, (row) => y[row]), stairs("Pareto front", front, x, (row) => y[row])],
    layout("training time (s)", data.accuracy, { xaxis: { type: "log", ...steps }, yaxis: view("time", found.map((row) => y[row]), true) }));
}

function drawCurves() {
  const many = data.curves.length > 1;
  const longest = Math.max(0, ...data.curves.map((curve) => curve.epochs.length));
  byId("curves-section").hidden = longest === 0 || (longest === 1 && !many);
  if (byId("curves-section").hidden) return undefined;
  byId("curves-title").textContent = longest === 1 ? `The only epoch of the best ${data.curves.length} runs`
    : many ? `Learning curves of the best ${data.curves.length} runs` : "Learning curve of the best run";
  byId("curves-words").textContent = many ? `The best run is ${longest === 1 ? "the large point" : "the thick line"}; the legend gives the rank of the others and the end of their ids.` : "";
  return drawCurvesAs((row, place) => ({ name: `${place + 1}: ${escaped(shorts[row])}`, slot: place - 1 }));
}

function drawCharts() {
  return Promise.all([drawHistory(), drawTime(), drawCurves()]);
}

function startCharts() {
  byId("history-axis").addEventListener("change", () => { changedByReader.delete("history"); drawHistory(); });
  byId("curves-metric").addEventListener("change", drawCurves);
  listeners.push(rested(() => { drawHistory(); drawTime(); }));
}
