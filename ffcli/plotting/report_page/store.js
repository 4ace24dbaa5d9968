// The page of the store: its sweeps and runs, the newest first, and the curves of runs.

const STEPS = { runs: 100, sweeps: 10 };
const SLOTS = 12; // styles of curves that differ
const wanted = { ...STEPS }; // so many of the newest
const ticked = new Set(); // ids of the runs whose curves are asked for
const slots = new Map(); // of the curves that are drawn, by id: a run keeps its style

const question = () => `?runs=${wanted.runs}&sweeps=${wanted.sweeps}&curves=${[...ticked].map(encodeURIComponent).join(",")}`;
const titleOf = (row) => runs.name[row];
const rowClass = (row) => (ticked.has(runs.run_id[row]) ? "best" : "");
const firstSorting = () => ({ name: "started", descending: true });
const sweepAddress = (id) => `sweep/${id.split("/").map(encodeURIComponent).join("/")}/`;

function tick(id, on) {
  if (on) ticked.add(id); else ticked.delete(id);
  drawTable();
  ask();
}

function tickBox(row) {
  const box = element("input", { type: "checkbox", checked: ticked.has(runs.run_id[row]) });
  box.setAttribute("aria-label", `Learning curve of run ${runs.run_id[row]}`);
  box.addEventListener("change", () => tick(runs.run_id[row], box.checked));
  return box;
}

function runLink(row) {
  const id = runs.run_id[row];
  const link = element("a", { href: `#run=${encodeURIComponent(id)}`, textContent: id });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    tick(id, true);
    history.replaceState(null, "", link.href);
    byId("curves-section").scrollIntoView();
  });
  return link;
}

function sweepLink(row) {
  const id = runs.sweep_id[row];
  return id ? element("a", { href: sweepAddress(id), textContent: ends(runs.sweep_id)[row], title: `The page of sweep ${id}` }) : "";
}

const day = (text) => (text ?? "–").replace("T", " ").replace(/\.\d+Z$/, " UTC");

function pageColumns() {
  return [
    { name: "curve", values: runs.run_id.map((id) => (ticked.has(id) ? 0 : 1)), cell: tickBox },
    { name: "run", values: runs.run_id, cell: runLink },
    { name: "name", values: runs.name },
    { name: "status", values: runs.status },
    { name: "sweep", values: runs.sweep_id, cell: sweepLink },
    { name: data.metric, values: runs.value, number: true },
    { name: "test_acc", values: runs.test_acc, number: true },
    { name: "epochs done", values: runs.epochs_done, number: true },
    { name: "best epoch", values: runs.best_epoch, number: true },
    { name: "time", values: runs.seconds, number: true, show: duration },
    { name: "started", values: runs.started, show: day },
    ...axisColumns(),
    ...textColumns(),
  ];
}

// A free slot for each new curve; the slots of those that are gone become free.
function slotOf(id) {
  if (!slots.has(id)) {
    const taken = new Set(slots.values());
    slots.set(id, Math.max(0, [...Array(SLOTS).keys()].findIndex((slot) => !taken.has(slot))));
  }
  return slots.get(id);
}

function drawCurves() {
  const drawn = new Set(data.curves.map((curve) => runs.run_id[runs.number.indexOf(curve.number)]));
  for (const id of slots.keys()) if (!drawn.has(id)) slots.delete(id);
  const running = runs.status.filter((status) => status === "running").length;
  const missing = new Set([...ticked, ...runs.run_id.filter((_, row) => runs.status[row] === "running")]).size - drawn.size;
  if (drawn.size) byId("curves").hidden = false; // it stays: what is below would move at the end of each run
  byId("curves-words").textContent = !data.curves.length ? "There is none now."
    : missing > 0 && drawn.size === SLOTS ? `There are ${drawn.size} of ${drawn.size + missing}.` : `${counted(running, "run")} being trained.`;
  byId("untick").hidden = !ticked.size;
  if (byId("curves").hidden) return undefined;
  return drawCurvesAs((row) => ({ name: `${escaped(shorts[row])} ${escaped(runs.status[row])}`, slot: slotOf(runs.run_id[row]) }));
}

function drawMore() {
  const all = { runs: data.n_runs, sweeps: data.n_sweeps };
  for (const [noun, count] of Object.entries(all)) {
    byId(`${noun}-shown`).textContent = count > wanted[noun] ? `The newest ${wanted[noun]} of ${count} ${noun} are shown.` : "";
    byId(`more-${noun}`).hidden = count <= wanted[noun];
  }
}

// Show the store as it is now; the zoom, filters, order, ticks and focus stay.
function refresh(received, body) {
  load(received);
  replaceParts(body);
  drawTable();
  drawMore();
  return drawCurves();
}

async function start() {
  const asked = /^#run=(.+)$/.exec(location.hash);
  if (asked) ticked.add(decodeURIComponent(asked[1]));
  load(JSON.parse(byId("data").textContent));
  startTable();
  drawMore();
  await drawCurves();
  byId("curves-metric").addEventListener("change", drawCurves);
  byId("untick").addEventListener("click", () => { ticked.clear(); drawTable(); ask(); });
  for (const noun of Object.keys(STEPS)) {
    byId(`more-${noun}`).addEventListener("click", () => { wanted[noun] *= 3; drawMore(); ask(); });
  }
  dark.addEventListener("change", drawCurves);
  addEventListener("resize", rested(drawCurves));
  document.documentElement.dataset.ready = "yes";
  follow(document.body.dataset.live, question);
}

start();
