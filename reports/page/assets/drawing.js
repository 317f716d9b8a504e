// What stands inside a panel: axes, and a drawer for each type of mark.

const SCALE = { height: 240, before: 10, width: 10, words: 48 }; // pixels of a bar of shades and what it says

function drawAxes(panel, context, box) {
  context.strokeStyle = panel.colour("line");
  context.fillStyle = panel.colour("muted");
  context.lineWidth = 1;
  const { x, y } = panel.spec;
  context.textBaseline = "middle";
  if (y.names) drawNames(panel, context, box, y.names, false);
  else if (y.ticks !== false) {
    context.textAlign = "right";
    for (const value of ticks(panel.view.y0, panel.view.y1, box.height / 60)) {
      rule(context, box.left, panel.toY(value), box.left + box.width, panel.toY(value));
      context.fillText(written(value), box.left - 6, panel.toY(value));
    }
  }
  context.textAlign = "center";
  if (x.names) drawNames(panel, context, box, x.names, true);
  else if (x.ticks !== false) {
    const round = () => ticks(panel.view.x0, panel.view.x1, box.width / 80).map((value) => [value, written(value)]);
    for (const [value, text] of x.values ?? round()) {
      if (value < panel.view.x0 || value > panel.view.x1) continue;
      rule(context, panel.toX(value), box.top, panel.toX(value), box.top + box.height);
      context.fillText(text, panel.toX(value), box.top + box.height + 12);
    }
  }
  context.strokeRect(box.left, box.top, box.width, box.height);
  context.fillStyle = panel.colour("text");
  if (panel.spec.scale) drawScale(panel, context, box);
  context.textAlign = "center";
  if (x.label) context.fillText(x.label, box.left + box.width / 2, panel.height - 9);
  if (y.label) drawUpright(context, y.label, 9, box.top + box.height / 2);
}

function drawUpright(context, text, x, y) {
  context.save();
  context.translate(x, y);
  context.rotate(-Math.PI / 2);
  context.fillText(text, 0, 0);
  context.restore();
}

// The bar of shades right of a matrix: {label, ticks in percent}
function drawScale(panel, context, box) {
  const height = Math.min(box.height, SCALE.height);
  const left = box.left + box.width + SCALE.before;
  for (let y = 0; y < height; y += 1) {
    context.fillStyle = shadeOf((1 - y / height) ** 2);
    context.fillRect(left, box.top + y, SCALE.width, 1);
  }
  context.fillStyle = panel.colour("text");
  context.textAlign = "left";
  for (const value of panel.spec.scale.ticks) {
    context.fillText(String(value), left + SCALE.width + 4, box.top + height * (1 - Math.sqrt(value / 100)));
  }
  context.textAlign = "center";
  const { label } = panel.spec.scale;
  const middle = Math.max(box.top + height / 2, context.measureText(label).width / 2 + 2); // not above the canvas
  drawUpright(context, label, panel.width - 8, middle);
}

function rule(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

// Names of rows or columns: every one that has room, cut where the margin ends.
function drawNames(panel, context, box, names, below) {
  const low = below ? panel.view.x0 : panel.view.y0;
  const high = below ? panel.view.x1 : panel.view.y1;
  const pixels = (below ? box.width : box.height) / Math.max(1e-9, high - low);
  const every = Math.max(1, Math.ceil(12 / pixels));
  const room = (below ? panel.margin.bottom : panel.margin.left) - 10 - (panel.spec[below ? "x" : "y"].label ? 18 : 0);
  names.forEach((name, place) => {
    const value = below ? place : names.length - 1 - place; // rows are listed from the top
    if (place % every || value < low || value > high) return;
    const text = isolated(shortened(context, name, room));
    if (below) {
      context.save();
      context.translate(panel.toX(value), box.top + box.height + 5);
      context.rotate(-Math.PI / 2);
      context.textAlign = "right";
      context.fillText(text, 0, 0);
      context.restore();
    } else {
      context.textAlign = "right";
      context.fillText(text, box.left - 5, panel.toY(value));
    }
  });
}

function shortened(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let kept = text;
  while (kept && context.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

// mark: {type, group, points: [[x, y, …], …], …}; a point without both coordinates breaks a line.
const DRAWERS = {
  line(panel, context, mark, style) {
    context.strokeStyle = style.colour;
    context.lineWidth = mark.width ?? 2;
    context.setLineDash(mark.dash ?? (mark.dashed ? style.dash : []));
    context.beginPath();
    let broken = true;
    for (const [x, y] of mark.points) {
      if (x === null || y === null) {
        broken = true;
        continue;
      }
      if (broken) context.moveTo(panel.toX(x), panel.toY(y));
      else context.lineTo(panel.toX(x), panel.toY(y));
      broken = false;
    }
    context.stroke();
    context.setLineDash([]);
  },

  // Interval of each point of a curve: [x, low, high]
  band(panel, context, mark, style) {
    const known = mark.points.filter((point) => point.every((value) => value !== null));
    context.globalAlpha *= 0.18;
    context.fillStyle = style.colour;
    context.beginPath();
    known.forEach(([x, low]) => context.lineTo(panel.toX(x), panel.toY(low)));
    known.slice().reverse().forEach(([x, , high]) => context.lineTo(panel.toX(x), panel.toY(high)));
    context.fill();
  },

  // Interval of single points: [low x, y, high x] or, where it is upright, [x, low, high]
  whiskers(panel, context, mark, style) {
    context.strokeStyle = style.colour;
    context.globalAlpha *= 0.6; // what lies below stays visible
    context.lineWidth = 1;
    for (const point of mark.points) {
      if (point.includes(null)) continue;
      const [a, b, c] = point;
      if (mark.upright) rule(context, panel.toX(a), panel.toY(b), panel.toX(a), panel.toY(c));
      else rule(context, panel.toX(a), panel.toY(b), panel.toX(c), panel.toY(b));
    }
  },

  dots(panel, context, mark, style) {
    context.strokeStyle = context.fillStyle = style.colour;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const [x, y] of mark.points) {
      if (x !== null && y !== null) tracePoint(context, style.shape, panel.toX(x), panel.toY(y), mark.radius);
    }
    if (style.shape.open) context.stroke();
    else context.fill();
  },

  // Lying bars: {points: [[length, row], …], thick}
  bars(panel, context, mark, style) {
    context.fillStyle = style.colour;
    for (const [value, row] of mark.points) {
      const [x0, x1] = [panel.toX(0), panel.toX(value)];
      const y = panel.toY(row + mark.thick / 2);
      context.fillRect(Math.min(x0, x1), y, Math.abs(x1 - x0), panel.toY(row - mark.thick / 2) - y);
    }
  },

  // Words beside points: {points: [[x, y, text], …]}
  words(panel, context, mark) {
    context.fillStyle = panel.colour("text");
    context.textBaseline = "bottom";
    for (const [x, y, text] of mark.points) {
      const wide = context.measureText(text).width;
      const px = Math.min(panel.toX(x) + 6, panel.width - panel.margin.right - wide - 2);
      context.textAlign = "left";
      context.fillText(text, px, panel.toY(y) - 5);
    }
  },

  // A matrix, rows from the top: shares of each row's sum as shades on white, few of them with their numbers
  cells(panel, context, mark) {
    const rows = mark.values.length;
    context.fillStyle = "#ffffff"; // in the dark, too: shades are those of paper
    context.fillRect(0, 0, panel.width, panel.height);
    context.textAlign = "center";
    context.textBaseline = "middle";
    mark.values.forEach((row, r) => {
      const total = row.reduce((sum, value) => sum + value, 0) || 1;
      row.forEach((value, c) => {
        if (!value) return;
        context.fillStyle = shadeOf(value / total);
        const [x0, x1] = [panel.toX(c - 0.5), panel.toX(c + 0.5)];
        const [y0, y1] = [panel.toY(rows - 1 - r + 0.5), panel.toY(rows - 1 - r - 0.5)];
        context.fillRect(x0, y0, x1 - x0 + 0.3, y1 - y0 + 0.3);
        if (!mark.written) return;
        context.fillStyle = value / total > 0.25 ? "#ffffff" : "#000000"; // half of the shades, by their root
        context.fillText(whole((100 * value) / total), (x0 + x1) / 2, (y0 + y1) / 2);
      });
    });
  },
};
