// Start, a change between light and dark, a change of width, and paper.

const PAPER_WIDTH = 680; // pixels of an A4 or letter page between its margins

function fit(width) {
  for (const id of ["history", "time", "curves"].filter((each) => !byId(`${each}-section`).hidden)) {
    Plotly.relayout(id, width ? { width, autosize: false } : { width: undefined, autosize: true });
  }
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

function replaceParts(body) {
  const fresh = new DOMParser().parseFromString(body, "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = document.querySelector(`[data-part=${part.dataset.part}]`);
    const open = old.querySelector("details")?.open;
    if (open !== undefined && part.querySelector("details")) part.querySelector("details").open = open;
    if (old.outerHTML !== part.outerHTML) old.replaceWith(part);
  }
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
