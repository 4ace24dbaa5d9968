// The filters and the table of all runs.

const PARAMETERS = data.axes;
const columns = [
  { name: "run", values: runs.number, number: true },
  { name: "name", values: runs.name },
  { name: "status", values: runs.status },
  { name: data.metric, values: runs.value, number: true },
  ...PARAMETERS.map((axis) => ({ name: axis.name, values: axis.values, number: !axis.labels || axis.labels.every((label) => !Number.isNaN(Number(label))), axis })),
  { name: "best epoch", values: runs.best_epoch, number: true },
  { name: "training time", values: runs.seconds, number: true, show: duration },
  ...(runs.tags.some(Boolean) ? [{ name: "tags", values: runs.tags }] : []),
  { name: "id", values: runs.run_id },
  ...(runs.error.some(Boolean) ? [{ name: "error", values: runs.error, className: "error" }] : []),
];
const sorting = { column: columns[3], descending: data.maximize };
let first = 0;

function compare(a, b) {
  const [left, right] = [sorting.column.values[a], sorting.column.values[b]];
  if (left === right) return a - b;
  if (left === null || left === "") return 1; // what has no value comes last either way
  if (right === null || right === "") return -1;
  const order = typeof left === "string" ? left.localeCompare(right, "en") : left - right;
  return sorting.descending ? -order : order;
}

function cellText(column, row) {
  if (column.axis) return shownAt(column.axis, row);
  const value = column.values[row];
  if (column.show) return column.show(value);
  return typeof value === "string" ? value : shown(value);
}

function drawHead() {
  const cells = columns.map((column) => {
    const button = element("button", { type: "button", textContent: column.name });
    button.addEventListener("click", () => {
      sorting.descending = sorting.column === column ? !sorting.descending : false;
      sorting.column = column;
      first = 0;
      markSorted();
      drawRows();
    });
    return element("th", { scope: "col", className: column.number ? "number" : "" }, button);
  });
  byId("table").tHead.replaceChildren(element("tr", {}, ...cells));
  markSorted();
}

function markSorted() {
  byId("table").tHead.rows[0].childNodes.forEach((cell, index) => {
    const order = sorting.descending ? "descending" : "ascending";
    if (columns[index] === sorting.column) cell.setAttribute("aria-sort", order);
    else cell.removeAttribute("aria-sort");
  });
}

function drawRows() {
  const found = rows.filter(passes).sort(compare);
  const size = Number(byId("rows").value) || found.length;
  first = Math.min(first, Math.max(0, found.length - 1));
  const last = Math.min(first + size, found.length);
  byId("table").tBodies[0].replaceChildren(...found.slice(first, last).map((row) =>
    element("tr", { className: runs.number[row] === data.best ? "best" : "" }, ...columns.map((column) =>
      element("td", { className: (column.number ? "number " : "") + (column.className ?? ""), textContent: cellText(column, row) })))));
  byId("runs-count").textContent = `${found.length} of ${counted(rows.length, "run")}`;
  byId("page").textContent = found.length ? `${first + 1}–${last}` : "none";
  byId("previous").disabled = first === 0;
  byId("next").disabled = last >= found.length;
}

function turn(direction) {
  first = Math.max(0, first + direction * Number(byId("rows").value));
  drawRows();
}

// The filters

function refilter(source) {
  first = 0;
  changed(source);
}

function box(title, ...children) {
  const details = element("details", {}, element("summary", { textContent: title }), element("div", {}, ...children));
  details.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { details.open = false; details.firstChild.focus(); }
  });
  return details;
}

function checkbox(label, isOn, toggle) {
  const input = element("input", { type: "checkbox" });
  input.addEventListener("change", () => toggle(input.checked));
  input.show = () => { input.checked = isOn(); };
  return element("label", {}, input, element("span", { textContent: label }));
}

function choiceFilter(axis) {
  const every = axis.labels.map((_, position) => position);
  const allowed = () => asked.tests.get(axis) ?? new Set(every);
  return box(axis.name, ...every.map((position) =>
    checkbox(axis.labels[position], () => allowed().has(position), (on) => {
      const test = new Set(allowed());
      if (on) test.add(position); else test.delete(position);
      if (test.size === every.length) asked.tests.delete(axis); else asked.tests.set(axis, test);
      refilter("form");
    })));
}

function numberFilter(axis) {
  const bounds = ["at least", "at most"].map((words, side) => {
    const input = element("input", { type: "number", step: "any" });
    const free = side ? Infinity : -Infinity;
    input.addEventListener("change", () => {
      const test = [...(asked.tests.get(axis) ?? [-Infinity, Infinity])];
      test[side] = input.value === "" ? free : Number(input.value);
      if (test[0] === -Infinity && test[1] === Infinity) asked.tests.delete(axis); else asked.tests.set(axis, test);
      refilter("form");
    });
    input.show = () => {
      const bound = (asked.tests.get(axis) ?? [-Infinity, Infinity])[side];
      input.value = Number.isFinite(bound) ? Number(bound.toPrecision(5)) : "";
    };
    return element("label", {}, element("span", { textContent: words }), input);
  });
  return box(axis.name, ...bounds);
}

function statusFilter() {
  return box("status", ...[...asked.statuses].sort().map((status) =>
    checkbox(status, () => asked.statuses.has(status), (on) => {
      if (on) asked.statuses.add(status); else asked.statuses.delete(status);
      refilter("form");
    })));
}

function drawFilters() {
  const search = element("input", { type: "search", placeholder: "name, id, tag or error" });
  search.setAttribute("aria-label", "Words in the name, id, tags or error of a run");
  search.addEventListener("input", () => { asked.text = search.value.trim().toLowerCase(); refilter("form"); });
  search.show = () => { search.value = asked.text; };
  const filters = axes.map((axis) => [axis, axis.labels ? choiceFilter(axis) : numberFilter(axis)]);
  const statuses = statusFilter();
  const everyStatus = asked.statuses.size;
  byId("filters").append(search, statuses, ...filters.map(([, details]) => details));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  const show = () => {
    byId("filters").querySelectorAll("input").forEach((input) => { if (document.activeElement !== input || input.type === "checkbox") input.show(); });
    statuses.classList.toggle("active", asked.statuses.size < everyStatus);
    filters.forEach(([axis, details]) => details.classList.toggle("active", asked.tests.has(axis)));
  };
  listeners.push(show);
  show();
}

function letGo() {
  asked.text = "";
  asked.tests.clear();
  runs.status.forEach((status) => asked.statuses.add(status));
  refilter("form");
}

function startTable() {
  drawHead();
  drawFilters();
  listeners.push(drawRows);
  byId("rows").addEventListener("change", () => { first = 0; drawRows(); });
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  document.querySelectorAll("button.reset").forEach((button) => button.addEventListener("click", letGo));
  drawRows();
}
