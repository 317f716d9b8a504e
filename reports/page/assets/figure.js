// One figure of the page: its panels, the legend that chooses groups, the tooltip, and its data as a file.

class Figure {
  constructor(holder, data) {
    this.holder = holder;
    this.data = data;
    this.chosen = new Set();
    const { groups, panels } = arrange(data);
    this.groups = groups;
    this.tooltip = this.add(document.createElement("div"), "tooltip");
    this.tooltip.setAttribute("role", "status");
    this.tooltip.hidden = true;
    this.toolbar();
    const row = this.add(document.createElement("div"), panels.length > 1 ? "panels several" : "panels");
    const events = { selected: (...found) => this.selected(...found) };
    this.panels = panels.map((spec) => new Panel(spec, groups, events));
    this.panels.forEach((panel) => row.append(panel.element));
    if (groups.length > 1) this.legend();
    const observer = new ResizeObserver(() => this.panels.forEach((panel) => panel.resize()));
    observer.observe(holder);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.panels.forEach((panel) => panel.draw());
    });
  }

  add(element, name) {
    element.className = name;
    this.holder.append(element);
    return element;
  }

  toolbar() {
    const bar = this.add(document.createElement("div"), "toolbar");
    const button = (text, label, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = text;
      made.title = label;
      made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      bar.append(made);
    };
    button("+", "Zoom in; drag to move", () => this.panels.forEach((panel) => panel.zoom(1.5)));
    button("−", "Zoom out", () => this.panels.forEach((panel) => panel.zoom(1 / 1.5)));
    button("Whole", "Show the whole figure", () => this.panels.forEach((panel) => panel.reset()));
    button("CSV", "Save the figure's data as CSV", () => save(`${this.data.kind}.csv`, figureCsv(this.data)));
  }

  legend() {
    const list = this.add(document.createElement("div"), "legend");
    list.setAttribute("aria-label", "Show these only");
    this.groups.forEach((group, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.append(swatch(group), bdi(group.name));
      button.addEventListener("click", () => {
        if (!this.chosen.delete(place)) this.chosen.add(place);
        button.setAttribute("aria-pressed", String(this.chosen.has(place)));
        this.panels.forEach((panel) => panel.choose(this.chosen));
      });
      list.append(button);
    });
  }

  // Show what a point is, beside it and inside the figure; circle the same video in the other panels.
  selected(panel, target, place) {
    this.panels.filter((other) => other !== panel).forEach((other) => other.follow(target?.id));
    this.tooltip.hidden = !target;
    if (!target) return;
    this.tooltip.replaceChildren(...target.lines.map((text, line) => {
      const part = document.createElement(line ? "div" : "strong");
      part.append(...[text].flat().map(bdi)); // parts of a line keep their order, whichever way each is written
      return part;
    }));
    const picture = this.data.thumbnails[target.id];
    if (picture) {
      const image = document.createElement("img");
      image.src = picture;
      image.alt = "";
      this.tooltip.append(image);
    }
    const [outer, inner] = [this.holder.getBoundingClientRect(), panel.canvas.getBoundingClientRect()];
    const x = inner.left - outer.left + place.x;
    const room = Math.max(0, outer.width - this.tooltip.offsetWidth);
    const left = x + 14 > room ? x - 14 - this.tooltip.offsetWidth : x + 14;
    this.tooltip.style.left = `${Math.min(room, Math.max(0, left))}px`;
    this.tooltip.style.top = `${inner.top - outer.top + place.y + 14}px`;
  }
}

function bdi(text) {
  const part = document.createElement("bdi");
  part.textContent = text;
  return part;
}

// A small picture of a group's colour and shape.
function swatch(group) {
  const canvas = document.createElement("canvas");
  const ratio = 2;
  canvas.width = canvas.height = 14 * ratio;
  canvas.className = "swatch";
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const css = getComputedStyle(document.documentElement);
  context.fillStyle = group.colour.startsWith("#") ? group.colour : css.getPropertyValue(`--${group.colour}`).trim();
  context.strokeStyle = context.fillStyle;
  context.lineWidth = 1.5;
  tracePoint(context, group.shape, 7, 7, 4.5);
  if (group.shape.open) context.stroke();
  else context.fill();
  return canvas;
}

// The same columns as the CSV beside a printed figure.
function figureCsv(figure) {
  const quoted = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [];
  if (figure.matrix) {
    lines.push(["row", "column", "value"]);
    figure.matrix.values.forEach((row, r) => row.forEach((value, c) => {
      if (value) lines.push([figure.matrix.rows[r], figure.matrix.columns[c], value]);
    }));
  } else {
    const names = ["x", "y", "low", "high", "ids", "classes"]
      .filter((name) => figure.series.some((series) => series[name].length));
    lines.push(["series", ...names]);
    for (const series of figure.series) {
      series.x.forEach((x, i) => lines.push([series.name, ...names.map((name) => series[name][i])]));
    }
  }
  return `${lines.map((line) => line.map(quoted).join(",")).join("\n")}\n`;
}

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
