// A figure's data (see docs/schema/figures.md) to what panels draw and what the pointer is told.

const WIDE = (width) => Math.round(Math.min(420, Math.max(240, width * 0.6)));
const PARETO = "Pareto front"; // names that reports/figures gives
const WHOLE = "without PCA";
const FEW = 12; // classes whose cells have their numbers written in

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

function valuesOf(figure, names) {
  return figure.series.flatMap((series) => names.flatMap((name) => series[name]));
}

function bandOf(series, group, place = (x) => x) {
  return { type: "band", group, points: series.x.map((x, i) => [place(x), series.low[i], series.high[i]]) };
}

// One panel with all series; a mark for each is made by `marksOf(series, group)`.
function together(figure, marksOf, place = (x) => x) {
  const [x0, x1] = extent(finite(valuesOf(figure, ["x"])).map(place));
  const [y0, y1] = extent(valuesOf(figure, ["y", "low", "high"]));
  const panel = {
    label: figure.title, height: WIDE, marks: figure.series.flatMap(marksOf),
    targets: figure.series.flatMap((series, group) =>
      known(series).map((i) => target(figure, series, i, place(series.x[i]), series.y[i], group))),
    x: { label: figure.x_label, min: x0, max: x1 }, y: { label: figure.y_label, min: y0, max: y1 },
  };
  return { groups: grouped(figure.series.map((series) => series.name)), panels: [panel] };
}

function curves(figure) {
  return together(figure, (series, group) => [
    ...(series.low.length ? [bandOf(series, group)] : []),
    { type: "line", group, points: pointsOf(series), dashed: true },
  ]);
}

// Accuracy by dimension: dimensions on a logarithmic axis, and each series' value without PCA dashed.
function sweep(figure) {
  const dimensions = [...new Set(finite(valuesOf(figure, ["x"])))].sort((a, b) => a - b);
  const arranged = together(figure, (series, group) => {
    const points = series.x.map((x, i) => [x === null ? null : Math.log10(x), series.y[i]]);
    return [
      ...(series.low.length ? [bandOf(series, group, Math.log10)] : []),
      { type: "line", group, points },
      { type: "dots", group, points, radius: 4 },
    ];
  }, Math.log10);
  const [panel] = arranged.panels;
  panel.x.values = dimensions.map((value) => [Math.log10(value), written(value)]);
  arranged.groups.forEach((group, place) => { group.shape = SHAPES[place % SHAPES.length]; });
  const wholes = figure.series.map((series) => series.facts[WHOLE]);
  wholes.forEach((whole, group) => {
    if (typeof whole !== "number") return;
    const points = [[panel.x.min, whole], [panel.x.max, whole]];
    panel.marks.push({ type: "line", group, points, dash: [6, 4], width: 1 });
  });
  const reached = wholes.filter((whole) => typeof whole === "number");
  [panel.y.min, panel.y.max] = extent([...valuesOf(figure, ["y", "low", "high"]), ...reached]);
  return arranged;
}

// ROC, and precision against recall: percent on both axes; of ROC the line of chance.
function rates(figure) {
  const arranged = curves(figure);
  const [panel] = arranged.panels;
  Object.assign(panel.x, { min: -1.5, max: 101.5 }); // curves along the border are seen
  Object.assign(panel.y, { min: -1.5, max: 101.5 });
  Object.assign(panel, { aspect: 1, narrow: true });
  if (figure.kind === "roc") {
    panel.marks.unshift({ type: "line", points: [[0, 0], [100, 100]], dash: [2, 4], width: 1 });
  }
  return arranged;
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
    lines: [[rows[r], " → ", columns[c]], `${written(value)} of ${written(totals[r])}`],
  })));
  const panel = {
    label: figure.title, targets, marks: [{ type: "cells", values, written: rows.length <= FEW }],
    scale: { label: "Share of the true class (%)", ticks: [0, 1, 5, 10, 25, 50, 75, 100] }, aspect: rows.length / columns.length,
    x: { label: figure.x_label, min: -0.5, max: columns.length - 0.5, names: columns },
    y: { label: figure.y_label, min: -0.5, max: rows.length - 0.5, names: rows },
  };
  return { groups: [], panels: [panel] };
}

// Bars lie: names of classes are read from left to right, one row each, the last on top as in print.
function perClass(figure) {
  const names = [];
  figure.series.forEach((series) => series.x.forEach((x, i) => { names[x] ??= series.classes[i] ?? series.ids[i] ?? `${x}`; }));
  const count = names.length;
  const share = 0.8 / figure.series.length;
  const marks = [];
  const targets = [];
  figure.series.forEach((series, group) => {
    const row = (i) => series.x[i] + 0.4 - share * (group + 0.5);
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
    y: { min: -0.5, max: count - 0.5, names: names.map((name) => name ?? "").reverse() },
  };
  return { groups: grouped(figure.series.map((series) => series.name)), panels: [panel] };
}

function speedAccuracy(figure) {
  return together(figure, (series, group) => {
    if (series.name === PARETO) return [{ type: "line", group, points: pointsOf(series), dash: [6, 4] }];
    const words = series.x.map((x, i) => [x, series.y[i], series.ids[i] ?? series.name]);
    return [
      ...(series.low.length ? [{ ...bandOf(series, group), type: "whiskers", upright: true }] : []),
      { type: "dots", group, points: pointsOf(series), radius: 5 },
      { type: "words", group, points: words.filter((point) => !point.includes(null)) },
    ];
  });
}

const KINDS = {
  sweep, tsne, confusion, roc: rates, "precision-recall": rates, "per-class": perClass, "speed-accuracy": speedAccuracy,
};
