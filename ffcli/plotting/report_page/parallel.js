// Parallel coordinates: Plotly's where there is WebGL, else (and on paper) an SVG of the same lines.

const AXIS_WIDTH = 105; // pixels from one axis to the next, at least
const [NAME_SIZE, TICK_SIZE] = [13, 12];
const pen = document.createElement("canvas").getContext("2d");

function textWidth(text, size) {
  pen.font = `${size}px ${getComputedStyle(document.documentElement).fontFamily}`;
  return pen.measureText(text).width;
}

// Any axis can become the first one, so the margin holds the longest label of all, and so does the distance.
function measures() {
  const longest = Math.max(...axes.map((axis) => Math.max(...writtenTicks(axis).map(([, text]) => textWidth(text, TICK_SIZE)))));
  const names = Math.max(...axes.map((axis) => textWidth(axis.name, NAME_SIZE)));
  return { side: Math.max(longest + 14, names / 2 + 6, 50), step: Math.max(longest + 22, names + 14, AXIS_WIDTH) };
}
const live = byId("parallel");

// A place on an axis is a position among the labels, a number, or its decimal logarithm.
function toPlace(axis, value) {
  if (typeof axis.fence === "number") return data.maximize ? Math.max(value, axis.fence) : Math.min(value, axis.fence);
  return axis.log ? Math.log10(value) : value;
}

// Lines of the same choice would hide one another; multiples of the golden ratio are spread evenly.
function spread(axis, row) {
  const place = toPlace(axis, axis.values[row]);
  return axis.labels && axis.labels.length > 1 ? place + (((row * 0.618034) % 1) - 0.5) * 0.18 : place;
}

// The end of an axis stands for all values beyond it.
function fromPlace(axis, place) {
  const [low, high] = extent(axis);
  const near = (high - low) * 1e-6;
  if (place <= low + near) return -Infinity;
  if (place >= high - near) return Infinity;
  return axis.log ? 10 ** place : place;
}

function extent(axis) {
  if (axis.labels) return [-0.5, axis.labels.length - 0.5];
  let [low, high] = [Infinity, -Infinity];
  for (const row of valued) {
    const place = toPlace(axis, axis.values[row]);
    low = Math.min(low, place);
    high = Math.max(high, place);
  }
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

// Plotly's brush snaps to ticks, so axes with ticks of their own have many of them, and few with a name. It
// takes those of the same text for one, so the nameless ones are told apart by characters without width.
const nameless = (index) => index.toString(2).replace(/0/g, "\u200b").replace(/1/g, "\u200c");
const named = (tick) => !/^[\u200b\u200c]/.test(tick[1]);

function fencedTicks(axis) {
  const [low, high] = extent(axis);
  const size = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = size * [1, 2, 2.5, 5, 10].find((factor) => (high - low) / (size * factor) <= 5);
  const best = axis.fence === low ? high : low;
  const ticks = [[best, shown(best)], [axis.fence, `${data.maximize ? "≤" : "≥"} ${Number(axis.fence.toPrecision(3))}`]];
  for (let place = Math.ceil(low / step) * step; place <= high; place += step) {
    if (Math.min(place - low, high - place) > (high - low) / 20) ticks.push([place, String(Number(place.toPrecision(4)))]);
  }
  for (let part = 1; part < 200; part += 1) ticks.push([low + ((high - low) * part) / 200, nameless(part)]);
  return ticks.sort((a, b) => a[0] - b[0]);
}

function logTicks([low, high]) {
  const ticks = [];
  for (let decade = Math.floor(low); decade <= high; decade += 1) {
    for (let step = 10; step < 100; step += 1) {
      const place = decade + Math.log10(step / 10);
      const isNamed = step === 10 || (high - low < 2 && (step === 20 || step === 50));
      if (place >= low && place <= high) ticks.push([place, isNamed ? Number((10 ** place).toPrecision(1)).toString() : nameless(ticks.length)]);
    }
  }
  return ticks;
}

function ticksOf(axis) {
  if (axis.labels) return axis.labels.map((label, position) => [position, label]);
  if (typeof axis.fence === "number") return fencedTicks(axis);
  return axis.log ? logTicks(extent(axis)) : null;
}

function brushOf(axis) {
  const test = asked.tests.get(axis.name);
  if (!test) return undefined;
  if (axis.labels) {
    const chosen = axis.labels.map((_, at) => at).filter((at) => test.has(axis.labels[at]));
    return chosen.length ? chosen.map((at) => [at - 0.4, at + 0.4]) : [[-9, -8]];
  }
  const [low, high] = extent(axis);
  const ends = test.map((value) => (axis.log && value <= 0 ? -Infinity : toPlace(axis, value)));
  return [[Math.max(ends[0], low - 1), Math.min(ends[1], high + 1)]];
}

function dimensionOf(axis, drawn) {
  const ticks = ticksOf(axis);
  const brush = brushOf(axis);
  return {
    label: escaped(axis.name),
    values: drawn.map((row) => spread(axis, row)),
    range: extent(axis),
    multiselect: Boolean(axis.labels),
    ...(ticks ? { tickvals: ticks.map(([place]) => place), ticktext: ticks.map(([, text]) => escaped(text)) } : { tickformat: ".3~g" }),
    ...(brush ? { constraintrange: brush.length === 1 ? brush[0] : brush } : {}),
  };
}

// The order in which the reader has put the axes
function orderedAxes() {
  const names = (live.data?.[0].dimensions ?? []).map((dimension) => dimension.label);
  return [...axes].sort((a, b) => names.indexOf(escaped(a.name)) - names.indexOf(escaped(b.name)));
}

function drawLive() {
  const scale = colours().scale;
  const drawn = ranked.filter(passesWords); // the best last, on top
  const { side, step } = measures();
  const wide = Math.max(live.parentElement.clientWidth, (axes.length - 1) * step + 2 * side);
  live.style.width = `${wide}px`;
  return Plotly.react(live, [{
    type: "parcoords",
    line: { color: drawn.map((row) => goodness.get(row)), cmin: 0, cmax: 1, colorscale: scale.map((colour, index) => [index / (scale.length - 1), colour]) },
    unselected: { line: { color: colours().off, opacity: 0.35 } },
    labelfont: { size: NAME_SIZE },
    tickfont: { size: TICK_SIZE },
    rangefont: { size: 1, color: "rgba(0,0,0,0)" }, // the ticks say it already
    dimensions: orderedAxes().map((axis) => dimensionOf(axis, drawn)),
  }], { width: wide, height: 420, margin: { l: side, r: side, t: 45, b: 25 }, paper_bgcolor: "rgba(0,0,0,0)", font: { family: "inherit" } }, { displayModeBar: false });
}

// Make filters of the brushes. Plotly reports them in the same event as axes that were moved.
function readBrushes() {
  for (const dimension of live.data[0].dimensions) {
    const axis = axes.find((each) => escaped(each.name) === dimension.label);
    const brush = dimension.constraintrange;
    if (!brush || !brush.length) {
      asked.tests.delete(axis.name);
      continue;
    }
    const ranges = Array.isArray(brush[0]) ? brush : [brush];
    if (axis.labels) {
      const inside = axis.labels.filter((_, at) => ranges.some(([low, high]) => at >= low && at <= high));
      if (inside.length === axis.labels.length) asked.tests.delete(axis.name); else asked.tests.set(axis.name, new Set(inside));
    } else {
      const test = ranges[0].map((place) => fromPlace(axis, place));
      if (test.some(Number.isFinite)) asked.tests.set(axis.name, test); else asked.tests.delete(axis.name);
    }
  }
  refilter("brush");
}

// The still picture

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function writtenTicks(axis) {
  const ticks = ticksOf(axis);
  if (ticks) return ticks.filter(named);
  const [low, high] = extent(axis);
  return [0, 1, 2, 3, 4].map((part) => low + ((high - low) * part) / 4).map((place) => [place, shown(place, 3)]);
}

function drawStill() {
  const { side, step } = measures();
  const [width, height, top, bottom] = [Math.max((axes.length - 1) * step + 2 * side, 600), 420, 45, 25];
  const ordered = orderedAxes();
  const x = (index) => side + ((width - 2 * side) * index) / Math.max(1, ordered.length - 1);
  const y = (axis, place) => {
    const [low, high] = extent(axis);
    return height - bottom - ((height - top - bottom) * (place - low)) / (high - low);
  };
  const heights = ordered.map((axis) => {
    const [zero, one] = [y(axis, 0), y(axis, 1)];
    return rows.map((row) => zero + (one - zero) * spread(axis, row));
  });
  // One path for each colour: thousands of elements would be slow.
  const scale = colours().scale;
  const paths = new Map([["off", ""], ...scale.map((colour) => [colour, ""])]);
  for (const row of ranked.filter(passesWords)) {
    const colour = passesTests(row) ? scale[Math.min(scale.length - 1, Math.floor(goodness.get(row) * scale.length))] : "off";
    const line = ordered.map((_, index) => `${x(index).toFixed(1)},${heights[index][row].toFixed(1)}`).join("L");
    paths.set(colour, `${paths.get(colour)}M${line}`);
  }
  const lines = [...paths].map(([colour, path]) =>
    svg("path", { d: path, fill: "none", stroke: colour === "off" ? colours().off : colour, "stroke-opacity": 0.6, "data-lines": colour }));
  const drawnAxes = ordered.map((axis, index) => svg("g", { "font-size": TICK_SIZE },
    svg("line", { x1: x(index), x2: x(index), y1: top, y2: height - bottom, stroke: colours().soft }),
    svg("text", { x: x(index), y: 20, "text-anchor": "middle", "font-size": NAME_SIZE, "font-weight": 600 }, axis.name),
    ...writtenTicks(axis).map(([place, text]) => svg("text", { x: x(index) + 4, y: y(axis, place) + 4, stroke: colours().ground, "stroke-width": 3, "paint-order": "stroke" }, text))));
  byId("still").replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}` }, ...lines, ...drawnAxes));
  byId("still").style.minWidth = printing ? "0" : `${width}px`;
}

function hasWebgl() {
  const context = document.createElement("canvas").getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}

async function startParallel() {
  webgl = hasWebgl();
  document.body.classList.toggle("no-webgl", !webgl);
  byId("no-webgl").hidden = webgl;
  const redrawLive = rested(drawParallel);
  listeners.push((source) => {
    count();
    if (!webgl) drawStill(); else if (source !== "brush") redrawLive();
  });
  await drawParallel();
}

function count() {
  byId("parallel-count").textContent = `${valued.filter(passes).length} of ${counted(valued.length, "run")} with a value`;
}

let webgl;
let listening = false;

async function drawParallel() {
  count();
  const section = byId("parallel-section");
  section.hidden = valued.length < 2 || !data.axes.length;
  if (section.hidden) return;
  if (!webgl) {
    drawStill();
    return;
  }
  await drawLive();
  if (!listening) live.on("plotly_restyle", readBrushes);
  listening = true;
}
