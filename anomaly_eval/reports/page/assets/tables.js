// Tables that a click on a header sorts; each section by itself, rows without a number always last.

const ORDER = { ascending: 1, descending: -1 };

function compareCells(one, other, numeric, sign) {
  if (!numeric) return sign * one.textContent.localeCompare(other.textContent, "en", { numeric: true });
  const [known, otherKnown] = [one, other].map((cell) => cell.dataset.value !== undefined);
  if (!known || !otherKnown) return Number(otherKnown) - Number(known);
  return sign * (Number(one.dataset.value) - Number(other.dataset.value));
}

function sortTable(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const before = header.getAttribute("aria-sort");
  const opposite = { ascending: "descending", descending: "ascending" };
  const order = opposite[before] ?? header.dataset.first;
  for (const other of header.parentElement.children) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", order);
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("section"));
    const numeric = header.classList.contains("number");
    rows.sort((one, other) => compareCells(one.cells[column], other.cells[column], numeric, ORDER[order]));
    body.append(...rows);
  }
}

for (const header of document.querySelectorAll("#results th[data-first]")) {
  header.querySelector("button").addEventListener("click", () => sortTable(header));
}
