// A figure's data (see docs/schema/figures.md) to what panels draw and what the pointer is told.

const WIDE = (width) => Math.round(Math.min(420, Math.max(240, width * 0.6)));
const PARETO = "Pareto front";

// Returns {groups: [{name, colour, shape, dash}], panels: [spec of a Panel]}.
function arrange(figure) {
  const kind = KINDS[figure.kind] ?? curves;
  return kind(figure);
}

function grouped(names) {
  return names.map((name, place) => ({ name, ...styleOf(place) }));
}

// What the pointer is told of one point: its id first, then class, series and coordinates.
function target(figure, series, place, x, y, group) {
  const [vx, vy] = [series.x[place], series.y[place]];
  const id = series.ids[place];
  const interval = series.low.length && series.low[place] !== null
    ? ` [${written(series.low[place])}, ${written(series.high[place])}]` : "";
  const value = `${written(vy)}${interval}`;
  const coordinates = {
    tsne: [],
    "per-class": [`${figure.x_label}: ${value}`], // its bars lie
  }[figure.kind] ?? [`${figure.x_label || "x"}: ${written(vx)}`, `${figure.y_label || "y"}: ${value}`];
  const heading = id ?? series.classes[place] ?? series.name;
  const more = [id === undefined ? undefined : series.classes[place], series.name === heading ? undefined : series.name];
  return { x, y, group, id, lines: [heading, ...more.filter((line) => line !== undefined && line !== ""), ...coordinates] };
}

function pointsOf(series) {
  return series.x.map((x, place) => [x, series.y[place]]);
}

function known(series) {
  return series.x.map((x, place) => place).filter((place) => series.x[place] !== null && series.y[place] !== null);
}

function curves(figure) {
  const unit = figure.kind === "roc" || figure.kind === "precision-recall";
  const all = (names) => figure.series.flatMap((series) => names.flatMap((name) => series[name]));
  const top = unit && finite(all(["x", "y"])).some((value) => value > 1) ? 100 : 1;
  const [x0, x1] = unit ? [0, top] : extent(all(["x"]));
  const [y0, y1] = unit ? [0, top] : extent(all(["y", "low", "high"]));
  const marks = figure.kind === "roc" ? [{ type: "line", points: [[0, 0], [top, top]], dashed: true, width: 1 }] : [];
  figure.series.forEach((series, group) => {
    if (series.low.length) {
      marks.push({ type: "band", group, points: series.x.map((x, i) => [x, series.low[i], series.high[i]]) });
    }
    marks.push({ type: "line", group, points: pointsOf(series), dashed: true });
    if (series.x.length <= 50) marks.push({ type: "dots", group, points: pointsOf(series), radius: 3.5 });
  });
  const targets = figure.series.flatMap((series, group) =>
    known(series).map((i) => target(figure, series, i, series.x[i], series.y[i], group)));
  const panel = {
    label: figure.title, marks, targets, height: WIDE,
    x: { label: figure.x_label, min: x0, max: x1 }, y: { label: figure.y_label, min: y0, max: y1 },
  };
  return { groups: grouped(figure.series.map((series) => series.name)), panels: [panel] };
}

function tsne(figure) {
  const classes = [...new Set(figure.series.flatMap((series) => series.classes))].sort();
  const places = new Map(classes.map((name, place) => [name, place]));
  const panels = figure.series.map((series) => {
    const [x0, x1] = extent(series.x);
    const [y0, y1] = extent(series.y);
    const half = Math.max(x1 - x0, y1 - y0) / 2; // one unit is as long in both directions
    const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
    const points = classes.length ? classes.map(() => []) : [[]];
    const targets = known(series).map((i) => {
      const group = places.get(series.classes[i]) ?? 0;
      points[group].push([series.x[i], series.y[i]]);
      return target(figure, series, i, series.x[i], series.y[i], group);
    });
    const radius = series.x.length > 2000 ? 2.2 : series.x.length > 400 ? 3 : 4;
    return {
      title: series.name, facts: series.facts, label: `${figure.title}: ${series.name}`, targets, aspect: 1,
      marks: points.map((own, group) => ({ type: "dots", group, points: own, radius })),
      x: { min: cx - half, max: cx + half, ticks: false }, y: { min: cy - half, max: cy + half, ticks: false },
    };
  });
  return { groups: grouped(classes), panels };
}

function confusion(figure) {
  const { rows, columns, values } = figure.matrix;
  const totals = values.map((row) => row.reduce((sum, value) => sum + value, 0));
  const targets = values.flatMap((row, r) => row.map((value, c) => ({
    x: c, y: rows.length - 1 - r,
    lines: [`${rows[r]} → ${columns[c]}`, `${written(value)} of ${written(totals[r])}`],
  })));
  const panel = {
    label: figure.title, targets, marks: [{ type: "cells", values }], aspect: rows.length / columns.length,
    x: { label: figure.x_label, min: -0.5, max: columns.length - 0.5, names: columns },
    y: { label: figure.y_label, min: -0.5, max: rows.length - 0.5, names: rows },
  };
  return { groups: [], panels: [panel] };
}

// Bars lie: names of classes are read from left to right, one row each.
function perClass(figure) {
  const names = [];
  figure.series.forEach((series) => series.x.forEach((x, i) => { names[x] ??= series.classes[i] ?? series.ids[i] ?? `${x}`; }));
  const count = names.length;
  const share = 0.8 / figure.series.length;
  const marks = [];
  const targets = [];
  figure.series.forEach((series, group) => {
    const row = (i) => count - 1 - series.x[i] + 0.4 - share * (group + 0.5);
    const places = known(series);
    marks.push({ type: "bars", group, thick: share, points: places.map((i) => [series.y[i], row(i)]) });
    if (series.low.length) {
      marks.push({ type: "whiskers", points: places.map((i) => [series.low[i], row(i), series.high[i]]) });
    }
    places.forEach((i) => targets.push(target(figure, series, i, series.y[i], row(i), group)));
  });
  const ends = figure.series.flatMap((series) => [...series.y, ...series.low, ...series.high]);
  const panel = {
    label: figure.title, marks, targets, height: () => Math.max(160, count * Math.max(14, 7 * figure.series.length)),
    x: { label: figure.x_label, min: Math.min(0, ...finite(ends)), max: extent(ends)[1] },
    y: { min: -0.5, max: count - 0.5, names: names.map((name) => name ?? "") },
  };
  return { groups: grouped(figure.series.map((series) => series.name)), panels: [panel] };
}

function speedAccuracy(figure) {
  const arranged = curves(figure);
  const [panel] = arranged.panels;
  panel.marks = figure.series.flatMap((series, group) => {
    if (series.name === PARETO) return [{ type: "line", group, points: pointsOf(series), dashed: true }];
    const marks = [{ type: "dots", group, points: pointsOf(series), radius: 5 }];
    if (series.low.length) {
      const points = series.x.map((x, i) => [x, series.low[i], series.high[i]]);
      marks.unshift({ type: "whiskers", upright: true, group, points });
    }
    const words = series.x.map((x, i) => [x, series.y[i], series.ids[i] ?? series.name]);
    return [...marks, { type: "words", group, points: words.filter((point) => !point.includes(null)) }];
  });
  return arranged;
}

const KINDS = { tsne, confusion, "per-class": perClass, "speed-accuracy": speedAccuracy };
