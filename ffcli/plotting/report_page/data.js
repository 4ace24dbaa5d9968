// The runs, the axes of their values, and the filters.

const byId = (id) => document.getElementById(id);
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const better = (a, b) => (data.maximize ? a > b : a < b);

// The document with a list for each column of the runs; a live page loads one after the other.
let data, runs, rows, valued, axes, texts, shorts;
// How good each run is, from 0 for the worst to 1 for the best, by rank: a few hopeless runs would otherwise
// leave one colour to all the others.
let ranked, goodness;

function load(received) {
  data = received;
  runs = data.runs;
  rows = runs.number.map((_, row) => row);
  valued = rows.filter((row) => runs.value[row] !== null);
  // The sweep's metric is the last axis. Values beyond its fence are drawn at its end.
  const metricAxis = {
    name: data.metric, log: false, labels: null, values: runs.value,
    fence: fence(valued.map((row) => runs.value[row]), data.maximize),
  };
  axes = [...data.axes, metricAxis];
  texts = rows.map((row) =>
    [titleOf(row), runs.name[row], runs.run_id[row], runs.sweep_id?.[row], runs.tags[row], runs.error[row]].join("\n").toLowerCase());
  shorts = ends(runs.run_id);
  ranked = [...valued].sort((a, b) => (runs.value[a] === runs.value[b] ? b - a : better(runs.value[a], runs.value[b]) ? 1 : -1));
  goodness = new Map(ranked.map((row, place) => [row, ranked.length > 1 ? place / (ranked.length - 1) : 1]));
  for (const axis of axes) { // a test of another kind of axis says nothing any more
    const test = asked.tests.get(axis.name);
    if (test && test instanceof Set !== Boolean(axis.labels)) asked.tests.delete(axis.name);
  }
}

// The shortest ends of the ids that differ, which the command line takes for the ids.
function ends(ids) {
  const known = [...new Set(ids.filter(Boolean))];
  let length = 4;
  while (length < 40 && new Set(known.map((id) => id.slice(-length))).size < known.length) length += 1;
  return ids.map((id, row) => (id ? id.slice(-length) : `trial ${runs.number[row]}`));
}

// Where a chart of these values ends so that hopeless ones do not compress all others: at Tukey's outer
// fence on the bad side, if the values beyond it would take more than half of the chart. Null: nowhere. The
// fence is computed from the better half, as if the worse one were its mirror image (3.5 quartile ranges of a
// symmetric distribution from the middle): in a wide search a third of the runs may be hopeless.
function fence(values, up) {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length < 8) return null;
  const at = (quantile) => sorted[Math.round(quantile * (sorted.length - 1))];
  const [low, middle, good, high] = [at(0), at(0.5), at(up ? 0.75 : 0.25), at(1)];
  const end = middle - 7 * (good - middle);
  if (good === middle || (up ? end - low <= high - end : high - end <= end - low)) return null;
  return end;
}

// What is asked of a run: words in its text, its status, and for an axis, by its name, a test of its value there.
// The test of a choice is a set of labels, that of a number [low, high].
const asked = { text: "", hidden: new Set(), tests: new Map() };

function passesWords(row) {
  return !asked.hidden.has(runs.status[row]) && asked.text.split(/\s+/).every((word) => texts[row].includes(word));
}

function passesTests(row) {
  for (const axis of axes) {
    const test = asked.tests.get(axis.name);
    if (!test) continue;
    const value = axis.values[row];
    if (value === null) return false;
    if (axis.labels ? !test.has(axis.labels[value]) : value < test[0] || value > test[1]) return false;
  }
  return true;
}

const passes = (row) => passesWords(row) && passesTests(row);

const listeners = [];
function changed(source) {
  for (const listener of listeners) listener(source);
}

// Do something when its callers pause: drawing thousands of runs takes longer than a key stroke.
function rested(work, milliseconds = 150) {
  let waiting = 0;
  return (...given) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => work(...given), milliseconds);
  };
}

// Text from files never becomes markup: it is set as text, and escaped for Plotly.
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Make these the children of an element. Each has a data-key; those that are there already stay, so that the
// focus, selected text and what is being typed outlast an update.
function update(parent, fresh) {
  const usable = (keyed) => [...keyed.querySelectorAll("a, button, input, summary")];
  const active = parent.contains(document.activeElement) ? document.activeElement : null;
  const around = active?.closest("[data-key]");
  const at = around ? usable(around).indexOf(active) : -1;
  const old = new Map([...parent.children].map((each) => [each.dataset.key, each]));
  const kept = fresh.map((each) => {
    const same = old.get(each.dataset.key);
    if (same && same.className !== each.className) same.className = each.className;
    if (!same?.isEqualNode(each)) return each;
    old.delete(each.dataset.key);
    return same;
  });
  const staying = new Set(kept);
  for (const each of [...parent.children]) if (!staying.has(each)) each.remove();
  let next = parent.firstElementChild;
  for (const each of kept) {
    if (each === next) next = next.nextElementSibling; else parent.insertBefore(each, next);
  }
  if (at < 0 || document.activeElement === active) return;
  const now = [...parent.children].find((each) => each.dataset.key === around.dataset.key);
  if (now) usable(now)[at]?.focus({ preventScroll: true });
}

const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function shown(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e5 ? value.toFixed(digits) : value.toExponential(2);
}

function shownAt(axis, row) {
  const value = axis.values[row];
  if (value === null) return "–";
  return axis.labels ? axis.labels[value] : shown(value);
}

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 60) return `${seconds < 1 ? Number(seconds.toPrecision(2)) : seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const COLOURS = {
  light: { scale: ["#b5de2b", "#35b779", "#26828e", "#3e4989", "#440154"], accent: "#0b62a8", warm: "#b34700", soft: "#8a94a0", off: "#dfe3e8", ground: "#ffffff", text: "#1b1f24" },
  dark: { scale: ["#482878", "#31688e", "#1f9e89", "#6ece58", "#fde725"], accent: "#62b0f2", warm: "#f2a057", soft: "#7b8794", off: "#2a323c", ground: "#0f1318", text: "#e4e8ed" },
};
let printing = false;
const colours = () => (dark.matches && !printing ? COLOURS.dark : COLOURS.light);
