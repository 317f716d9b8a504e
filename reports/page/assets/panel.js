// One plotting area on a canvas: axes, marks, zoom, and which point the pointer is at.

const FONT = "12px system-ui, sans-serif";
const REACH = 28; // pixels around the pointer in which a point answers
const FADED = 0.12; // opacity of what the legend has not chosen

class Panel {
  // spec: {title, x, y: {label, min, max, names?, ticks?, values?}, marks, targets, aspect | height}; see kinds.js
  constructor(spec, groups, events) {
    this.spec = spec;
    this.groups = groups;
    this.events = events;
    this.chosen = new Set();
    this.at = -1;
    this.element = document.createElement("div");
    this.element.className = spec.narrow ? "panel narrow" : "panel";
    if (spec.title) {
      const heading = document.createElement("h4");
      heading.textContent = spec.title;
      this.element.append(heading);
    }
    this.holder = document.createElement("div");
    this.holder.className = "canvases";
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${spec.label}. Arrow keys step through its points.`);
    this.overlay = document.createElement("canvas");
    this.overlay.className = "overlay";
    this.holder.append(this.canvas, this.overlay);
    this.element.append(this.holder);
    this.canvas.panel = this;
    this.reset();
    this.listen();
  }

  listen() {
    let drag = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      drag = this.zoomed() ? { x: event.offsetX, y: event.offsetY, view: { ...this.view } } : null;
      this.point(event.offsetX, event.offsetY);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (drag && event.buttons) this.pan(drag, event.offsetX, event.offsetY);
      else this.point(event.offsetX, event.offsetY);
    });
    this.canvas.addEventListener("pointerup", () => { drag = null; });
    this.canvas.addEventListener("pointerleave", (event) => {
      drag = null;
      if (event.pointerType !== "touch") this.select(-1); // what a finger chose stays when it is lifted
    });
    this.canvas.addEventListener("blur", () => this.select(-1));
    this.canvas.addEventListener("dblclick", () => this.reset());
    this.canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX, event.offsetY);
    }, { passive: false });
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || !this.spec.targets.length) return;
      event.preventDefault();
      const count = this.spec.targets.length;
      this.select((Math.max(this.at, step > 0 ? -1 : 0) + step + count) % count);
    });
  }

  // Fit the canvas to its place on the page; called when that changes.
  resize() {
    const width = this.element.clientWidth;
    if (!width) return;
    this.width = width;
    this.margin = this.margins();
    const inside = width - this.margin.left - this.margin.right;
    this.height = this.spec.aspect
      ? Math.round(inside * this.spec.aspect) + this.margin.top + this.margin.bottom
      : this.spec.height(width) + this.margin.top + this.margin.bottom;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.overlay]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(this.height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${this.height}px`;
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.draw();
  }

  margins() {
    const context = this.canvas.getContext("2d");
    context.font = FONT;
    const wide = (names) => Math.max(0, ...names.map((name) => context.measureText(name).width));
    const { x, y } = this.spec;
    const most = this.width * 0.36; // of a phone's width, for the names of classes
    const left = y.names ? Math.min(wide(y.names), most) + 10 : y.ticks === false ? 6 : 44;
    const bottom = x.names ? Math.min(wide(x.names), most) + 10 : x.ticks === false ? 6 : 22;
    return { left: left + (y.label ? 18 : 0), right: this.spec.scale ? SCALE.before + SCALE.width + SCALE.words : 12, top: 8, bottom: bottom + (x.label ? 18 : 0) };
  }

  reset() {
    const { x, y } = this.spec;
    this.view = { x0: x.min, x1: x.max, y0: y.min, y1: y.max };
    if (this.width) this.draw();
  }

  zoomed() {
    const { x, y } = this.spec;
    return this.view.x1 - this.view.x0 < x.max - x.min || this.view.y1 - this.view.y0 < y.max - y.min;
  }

  zoom(factor, px, py) {
    const { x, y } = this.spec;
    const cx = this.fromX(px ?? this.width / 2);
    const cy = this.fromY(py ?? this.height / 2);
    const { x0, x1, y0, y1 } = this.view;
    this.view = {
      x0: cx - (cx - x0) / factor, x1: cx + (x1 - cx) / factor,
      y0: cy - (cy - y0) / factor, y1: cy + (y1 - cy) / factor,
    };
    if (this.view.x1 - this.view.x0 >= x.max - x.min && this.view.y1 - this.view.y0 >= y.max - y.min) this.reset();
    else this.draw();
  }

  pan(drag, px, py) {
    const { x0, x1, y0, y1 } = drag.view;
    const dx = ((px - drag.x) * (x1 - x0)) / this.inner().width;
    const dy = ((py - drag.y) * (y1 - y0)) / this.inner().height;
    this.view = { x0: x0 - dx, x1: x1 - dx, y0: y0 + dy, y1: y1 + dy };
    this.draw();
  }

  inner() {
    const { left, right, top, bottom } = this.margin;
    return { left, top, width: this.width - left - right, height: this.height - top - bottom };
  }

  toX(value) {
    const { left, width } = this.inner();
    return left + (width * (value - this.view.x0)) / (this.view.x1 - this.view.x0);
  }

  toY(value) {
    const { top, height } = this.inner();
    return top + (height * (this.view.y1 - value)) / (this.view.y1 - this.view.y0);
  }

  fromX(px) {
    const { left, width } = this.inner();
    return this.view.x0 + ((px - left) * (this.view.x1 - this.view.x0)) / width;
  }

  fromY(py) {
    const { top, height } = this.inner();
    return this.view.y1 - ((py - top) * (this.view.y1 - this.view.y0)) / height;
  }

  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  opacity(group) {
    return this.chosen.size === 0 || this.chosen.has(group) ? 1 : FADED;
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const box = this.inner();
    context.clearRect(0, 0, this.width, this.height);
    context.font = FONT;
    drawAxes(this, context, box);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    for (const mark of this.spec.marks) {
      const style = { ...(this.groups[mark.group] ?? { colour: mark.type === "whiskers" ? "text" : "muted", dash: [4, 4] }) };
      if (!style.colour.startsWith("#")) style.colour = this.colour(style.colour); // differs in the dark
      context.globalAlpha = mark.group === undefined ? 1 : this.opacity(mark.group);
      DRAWERS[mark.type](this, context, mark, style);
    }
    context.restore();
    this.ring();
  }

  // Circle the point that the pointer is at.
  ring() {
    const context = this.overlay.getContext("2d");
    context.clearRect(0, 0, this.width, this.height);
    const target = this.spec.targets[this.at];
    if (!target) return;
    context.strokeStyle = this.colour("text");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(this.toX(target.x), this.toY(target.y), 7, 0, 2 * Math.PI);
    context.stroke();
  }

  // Find the nearest point of the chosen groups; -1 where none is within reach.
  nearest(px, py) {
    let [best, least] = [-1, REACH * REACH];
    this.spec.targets.forEach((target, place) => {
      if (this.opacity(target.group) < 1) return;
      const distance = (this.toX(target.x) - px) ** 2 + (this.toY(target.y) - py) ** 2;
      if (distance < least) [best, least] = [place, distance];
    });
    return best;
  }

  point(px, py) {
    this.select(this.nearest(px, py));
  }

  select(place) {
    if (place === this.at) return;
    this.at = place;
    this.ring();
    const target = this.spec.targets[place];
    this.events.selected(this, target, target && { x: this.toX(target.x), y: this.toY(target.y) });
  }

  // Circle the same video in another panel, without telling anyone.
  follow(id) {
    this.at = id === undefined ? -1 : this.spec.targets.findIndex((target) => target.id === id);
    this.ring();
  }

  choose(chosen) {
    this.chosen = chosen;
    this.draw();
  }
}
