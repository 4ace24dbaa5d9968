// What the charts have in common.

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
  return [`<b>${runs.run_id[row] ? "run " : ""}${escaped(runs.run_id[row] || shorts[row])}</b> ${escaped(titleOf(row))}`, `${escaped(data.metric)} ${shown(runs.value[row])} · ${escaped(runs.status[row])}`,
    ...data.axes.map((axis) => `${escaped(axis.name)} ${escaped(shownAt(axis, row))}`)].join("<br>");
}
