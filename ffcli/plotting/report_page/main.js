// Start, a change between light and dark, a change of width, and paper.

const PAPER_WIDTH = 680; // pixels of an A4 page or a letter between its margins

function fit(width) {
  for (const id of ["history", "time", "curves"]) Plotly.relayout(id, width ? { width, autosize: false } : { width: undefined, autosize: true });
}

function redraw() {
  drawCharts();
  if (document.body.classList.contains("no-webgl")) drawStill(); else drawLive();
}

async function start() {
  startTable();
  if (valued.length) {
    await Promise.all([startParallel(), startCharts()]);
    dark.addEventListener("change", redraw);
    addEventListener("resize", rested(() => {
      drawCharts();
      if (!document.body.classList.contains("no-webgl")) drawLive();
    }));
    addEventListener("beforeprint", () => { printing = true; drawCharts(); fit(PAPER_WIDTH); drawStill(); });
    addEventListener("afterprint", () => { printing = false; fit(); redraw(); });
  }
  document.documentElement.dataset.ready = "yes";
}

start();
