// The page of a sweep: start, a change between light and dark, a change of width, and paper.

function fit(width) {
  for (const id of ["history", "time", "curves"].filter((each) => !byId(`${each}-section`).hidden)) {
    Plotly.relayout(id, width ? { width, autosize: false } : { width: undefined, autosize: true });
  }
}

const titleOf = (row) => `trial ${runs.number[row]}`;

const rowClass = (row) => (runs.number[row] === data.best ? "best" : "");

const firstSorting = () => ({ name: data.metric, descending: data.maximize });

function pageColumns() {
  return [
    { name: "trial", values: runs.number, number: true },
    { name: "run", values: runs.run_id },
    { name: "status", values: runs.status },
    { name: data.metric, values: runs.value, number: true },
    ...axisColumns(),
    { name: "best epoch", values: runs.best_epoch, number: true },
    { name: "training time", values: runs.seconds, number: true, show: duration },
    ...textColumns(),
  ];
}

function redraw() {
  return Promise.all([drawCharts(), drawParallel()]);
}

// Show another document of the same sweep; zooms, brushes, filters, order and open parts stay.
function refresh(received, body) {
  load(received);
  replaceParts(body);
  drawTable();
  return redraw();
}

async function start() {
  load(JSON.parse(byId("data").textContent));
  startTable();
  startCharts();
  await Promise.all([startParallel(), drawCharts()]);
  dark.addEventListener("change", redraw);
  addEventListener("resize", rested(redraw));
  addEventListener("beforeprint", () => { printing = true; drawCharts(); fit(PAPER_WIDTH); if (!byId("parallel-section").hidden) drawStill(); });
  addEventListener("afterprint", () => { printing = false; fit(); redraw(); });
  document.documentElement.dataset.ready = "yes";
  if (document.body.dataset.live) follow(document.body.dataset.live);
}

start();
