// Brings the tables of a page to life: sorting by a click on a heading, filtering by words and by the values of columns.
for (const table of document.querySelectorAll(".avmc-t:not([data-live])")) {
  table.dataset.live = "";
  const rows = Array.from(table.querySelectorAll("tbody tr")), tools = table.querySelector(".tools");
  const words = table.querySelector("input"), lists = Array.from(table.querySelectorAll("select"));
  const count = table.querySelector("output"), heads = Array.from(table.querySelectorAll("thead th"));
  const text = cell => (cell.querySelector("summary") || cell).textContent.trim();
  const key = cell => {
    const number = cell.dataset.sort === undefined ? NaN : Number(cell.dataset.sort || NaN);
    return isNaN(number) ? text(cell) : number;
  };
  const missing = value => value === "" || value === "–" || value === undefined;
  const filter = () => {
    let shown = 0;
    for (const row of rows) {
      const fits = row.textContent.toLowerCase().includes(words.value.toLowerCase()) &&
        lists.every(list => !list.value || text(row.cells[list.dataset.column]) === list.value);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown + " of " + rows.length;
  };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const keyed = rows.map(row => [key(row.cells[column]), row]);
    keyed.sort(([x], [y]) => {
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      const order = typeof x === "number" && typeof y === "number" ? x - y :
        String(x).localeCompare(String(y), undefined, { numeric: true });
      return up ? order : -order;
    });
    keyed.forEach(([, row]) => row.parentNode.appendChild(row));
  }));
  words.addEventListener("input", filter);
  lists.forEach(list => list.addEventListener("change", filter));
  tools.hidden = tools.dataset.wanted !== "1";
  filter();
}
