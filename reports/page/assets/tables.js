// Tables that sort when a heading is clicked, inside each group, and that can be filtered.

const MANY_ROWS = 12; // from here on a table can be filtered

function sortable(table) {
  const bodies = [...table.tBodies].map((body) => ({ body, order: [...body.rows] }));
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const numbers = isNumeric(bodies, column);
      const [first, second] = numbers ? ["descending", "ascending"] : ["ascending", "descending"];
      const now = { [first]: second, [second]: "none" }[heading.getAttribute("aria-sort")] ?? first;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      if (now !== "none") heading.setAttribute("aria-sort", now);
      bodies.forEach(({ body, order }) => body.append(...sorted(order, column, now, numbers)));
    });
  });
}

function isNumeric(bodies, column) {
  return bodies.some(({ order }) => order.some((row) => row.cells[column]?.dataset.value !== undefined));
}

// Rows in their new order, the group's heading first; rows without a value last.
function sorted(rows, column, direction, numbers) {
  if (direction === "none") return rows;
  const sign = direction === "ascending" ? 1 : -1;
  const key = (row) => {
    const cell = row.cells[column];
    if (numbers) return cell?.dataset.value === undefined ? null : Number(cell.dataset.value);
    return cell?.textContent.trim() || null;
  };
  const fixed = rows.filter((row) => row.classList.contains("group"));
  const keyed = rows.filter((row) => !fixed.includes(row)).map((row) => [key(row), row]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (numbers ? a - b : a.localeCompare(b));
  });
  return [...fixed, ...keyed.map(([, row]) => row)];
}

function filterable(holder, table) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => !row.classList.contains("group"));
  if (rows.length < MANY_ROWS) return;
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = "Filter rows";
  field.setAttribute("aria-label", "Filter rows");
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    rows.forEach((row) => { row.hidden = !row.textContent.toLowerCase().includes(wanted); });
    for (const body of table.tBodies) {
      const own = [...body.rows].filter((row) => !row.classList.contains("group"));
      body.hidden = own.length > 0 && own.every((row) => row.hidden);
    }
  });
  holder.before(field);
}

// Put a table into a box that scrolls, since a wide one is wider than a phone; its caption stays outside.
function boxed(table) {
  const holder = document.createElement("div");
  holder.className = "scroll";
  table.replaceWith(holder);
  holder.append(table);
  if (table.caption) {
    const heading = document.createElement("h3");
    heading.append(...table.caption.childNodes);
    table.caption.remove();
    table.setAttribute("aria-label", heading.textContent);
    holder.before(heading);
  }
  return holder;
}

// Link measured rows to the details of their results.
function linked(table) {
  for (const row of table.querySelectorAll("tr[data-result]")) {
    const details = document.getElementById(`result-${row.dataset.result.split(" ")[0]}`);
    const label = row.cells[0];
    if (!details || !label) continue;
    const link = document.createElement("a");
    link.href = `#${details.id}`;
    link.append(...[...label.childNodes].filter((node) => node.nodeName !== "SUP")); // marks stay outside
    label.prepend(link);
  }
}
