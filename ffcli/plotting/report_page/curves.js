// Learning curves.

const PAPER_WIDTH = 680; // pixels of an A4 or letter page between its margins

// Colours, dashes and symbols together distinguish the curves; the best run's is thicker.
function curveStyle(slot) {
  if (slot < 0) return { line: { width: 4, color: colours().warm }, marker: { size: 8, color: colours().warm } };
  const color = colours().scale[1 + (slot % 3)];
  return {
    line: { width: 1.5, color, dash: ["solid", "dash", "dot", "dashdot"][Math.floor(slot / 3) % 4] },
    marker: { size: 6, color, symbol: ["circle", "square", "diamond"][slot % 3] },
  };
}

// Draw the curves, each by the name and the slot of its style that ``described`` gives it.
function drawCurvesAs(described) {
  const metric = byId("curves-metric").value;
  const longest = Math.max(0, ...data.curves.map((curve) => curve.epochs.length));
  const traces = data.curves.map((curve, place) => {
    const row = runs.number.indexOf(curve.number);
    const values = curve.metrics[metric];
    const { name, slot } = described(row, place);
    return {
      type: "scatter", mode: longest > 40 ? "lines" : longest === 1 ? "markers" : "lines+markers", name, x: curve.epochs, y: values,
      text: curve.epochs.map((epoch, index) => `${about(row)}<br>epoch ${epoch}: ${metric} ${shown(values[index])}`), hoverinfo: "text", ...curveStyle(slot),
    };
  });
  const across = Math.max(1, Math.floor((printing ? PAPER_WIDTH : byId("curves").clientWidth) / 150)); // names in a line
  const legendLines = Math.ceil(traces.length / across) - 1;
  const drawn = layout("epoch", metric, { xaxis: longest > 20 ? {} : { dtick: 1 }, legend: { traceorder: "reversed" }, legendLines });
  return Plotly.react("curves", traces.reverse(), drawn, CONFIG);
}
