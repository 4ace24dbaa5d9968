// The filters and the table of all runs.

let columns;
const sorting = { name: null, descending: false };
let first = 0;

const isNumber = (axis) => !axis.labels || axis.labels.every((label) => !Number.isNaN(Number(label)));
const axisColumns = () => data.axes.map((axis) => ({ name: axis.name, values: axis.values, number: isNumber(axis), axis }));
const textColumns = () => [
  ...(new Set(runs.tags.filter((_, row) => runs.run_id[row])).size > 1 ? [{ name: "tags", values: runs.tags }] : []),
  ...(runs.error.some(Boolean) ? [{ name: "error", values: runs.error, className: "error" }] : []),
];

function makeColumns() {
  columns = pageColumns();
  if (!columns.some((column) => column.name === sorting.name)) Object.assign(sorting, firstSorting());
}

function compare(a, b) {
  const { values } = columns.find((column) => column.name === sorting.name);
  const [left, right] = [values[a], values[b]];
  if (left === right) return a - b;
  if (left === null || left === "") return 1; // runs without a value are last in either order
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
  const head = byId("table").tHead;
  if (head.dataset.names === columns.map((column) => column.name).join()) {
    markSorted();
    return;
  }
  head.dataset.names = columns.map((column) => column.name).join();
  const cells = columns.map((column) => {
    const parts = column.name.split(/(?<=_)/).flatMap((part) => [part, element("wbr")]); // it may break after _
    const button = element("button", { type: "button" }, ...parts);
    button.addEventListener("click", () => {
      sorting.descending = sorting.name === column.name ? !sorting.descending : false;
      sorting.name = column.name;
      first = 0;
      markSorted();
      drawRows();
    });
    return element("th", { scope: "col", className: column.number ? "number" : "" }, button);
  });
  head.replaceChildren(element("tr", {}, ...cells));
  markSorted();
}

function markSorted() {
  byId("table").tHead.rows[0].childNodes.forEach((cell, index) => {
    const order = sorting.descending ? "descending" : "ascending";
    if (columns[index].name === sorting.name) cell.setAttribute("aria-sort", order);
    else cell.removeAttribute("aria-sort");
  });
}

function drawRows() {
  const found = rows.filter(passes).sort(compare);
  const size = Number(byId("rows").value) || found.length;
  first = Math.min(first, Math.max(0, found.length - 1));
  const last = Math.min(first + size, found.length);
  update(byId("table").tBodies[0], found.slice(first, last).map((row) => {
    const cells = columns.map((column) => element("td", { className: (column.number ? "number " : "") + (column.className ?? "") },
      column.cell ? column.cell(row) : cellText(column, row)));
    const made = element("tr", { className: rowClass(row), title: runs.name[row] }, ...cells);
    made.dataset.key = runs.run_id[row] || runs.number[row];
    return made;
  }));
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
  const details = element("details", { className: "" }, element("summary", { textContent: title }), element("div", {}, ...children));
  details.dataset.key = `filter ${title}`;
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
  const allowed = () => asked.tests.get(axis.name) ?? new Set(axis.labels);
  return box(axis.name, ...axis.labels.map((label) =>
    checkbox(label, () => allowed().has(label), (on) => {
      const test = new Set(allowed());
      if (on) test.add(label); else test.delete(label);
      if (axis.labels.every((each) => test.has(each))) asked.tests.delete(axis.name); else asked.tests.set(axis.name, test);
      refilter("form");
    })));
}

function numberFilter(axis) {
  const bounds = ["at least", "at most"].map((words, side) => {
    const input = element("input", { type: "number", step: "any" });
    const free = side ? Infinity : -Infinity;
    input.addEventListener("change", () => {
      const test = [...(asked.tests.get(axis.name) ?? [-Infinity, Infinity])];
      test[side] = input.value === "" ? free : Number(input.value);
      if (test[0] === -Infinity && test[1] === Infinity) asked.tests.delete(axis.name); else asked.tests.set(axis.name, test);
      refilter("form");
    });
    input.show = () => {
      const bound = (asked.tests.get(axis.name) ?? [-Infinity, Infinity])[side];
      input.value = Number.isFinite(bound) ? Number(bound.toPrecision(5)) : "";
    };
    return element("label", {}, element("span", { textContent: words }), input);
  });
  return box(axis.name, ...bounds);
}

function statusFilter(statuses) {
  return box("status", ...statuses.map((status) =>
    checkbox(status, () => !asked.hidden.has(status), (on) => {
      if (on) asked.hidden.delete(status); else asked.hidden.add(status);
      refilter("form");
    })));
}

// A filter is made anew only where its choices differ, so that none closes while it is used.
function drawFilters() {
  const form = byId("filters");
  const open = new Set([...form.querySelectorAll("details[open]")].map((each) => each.dataset.key));
  const filters = [statusFilter([...new Set(runs.status)].sort()), ...axes.map((axis) => (axis.labels ? choiceFilter(axis) : numberFilter(axis)))];
  filters.forEach((details) => {
    details.open = open.has(details.dataset.key);
    details.classList.toggle("active", isAsked(details));
  });
  update(form, [form.querySelector("input[type=search]") ?? searchField(), ...filters]);
  showFilters();
}

function searchField() {
  const search = element("input", { type: "search", placeholder: "name, id, tag or error" });
  search.dataset.key = "search";
  search.setAttribute("aria-label", "Words in the name, id, tags or error of a run");
  search.addEventListener("input", () => { asked.text = search.value.trim().toLowerCase(); refilter("form"); });
  search.show = () => { search.value = asked.text; };
  return search;
}

function isAsked(details) {
  const name = details.firstChild.textContent;
  return name === "status" ? asked.hidden.size > 0 : asked.tests.has(name);
}

function showFilters() {
  byId("filters").querySelectorAll("input").forEach((input) => { if (document.activeElement !== input || input.type === "checkbox") input.show(); });
  byId("filters").querySelectorAll("details").forEach((details) => details.classList.toggle("active", isAsked(details)));
}

function showAll() {
  asked.text = "";
  asked.tests.clear();
  asked.hidden.clear();
  refilter("form");
}

function drawTable() {
  makeColumns();
  drawHead();
  drawFilters();
  drawRows();
}

function startTable() {
  listeners.push(showFilters, drawRows);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("rows").addEventListener("change", () => { first = 0; drawRows(); });
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  document.querySelectorAll("button.reset").forEach((button) => button.addEventListener("click", showAll));
  drawTable();
}
