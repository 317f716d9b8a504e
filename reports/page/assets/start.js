// What happens when the page is opened.

function openTarget() {
  const details = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (details instanceof HTMLDetailsElement) {
    details.open = true;
    details.scrollIntoView();
  }
}

for (const table of document.querySelectorAll("table.sortable, .p3d-table table")) {
  const holder = boxed(table);
  sortable(table);
  filterable(holder, table);
  linked(table);
}
for (const holder of document.querySelectorAll("[data-figure]")) {
  new Figure(holder, JSON.parse(document.getElementById(holder.dataset.figure).textContent));
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      button.textContent = "Selected";
    }
  });
}
window.addEventListener("hashchange", openTarget);
openTarget();
