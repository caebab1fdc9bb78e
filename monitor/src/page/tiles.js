// The totals, each with its last two minutes.

import { el, setText, svg } from "./dom.js";
import { UNKNOWN, count, measure } from "./format.js";

const SAMPLES = 60;
const [WIDTH, HEIGHT] = [200, 34];

const TILES = [
  { title: "Clients", value: (totals) => totals.Sessions, write: count, unit: "" },
  { title: "Messages in", value: (totals) => totals.MessagesInPerSecond, write: measure, unit: "/s" },
  { title: "Messages out", value: (totals) => totals.MessagesOutPerSecond, write: measure, unit: "/s" },
  { title: "Ack latency", value: (totals) => totals.AckMillis, write: measure, unit: "ms" },
];

let tiles = null;

/** Shows the totals of one moment and adds them to the lines. */
export function showTotals(parent, totals) {
  tiles ??= TILES.map((tile) => build(parent, tile));
  for (const tile of tiles) show(tile, tile.value(totals));
}

function build(parent, tile) {
  const number = el("span");
  const unit = el("span", { class: "unit" }, tile.unit);
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "line" });
  const view = `0 0 ${WIDTH} ${HEIGHT}`;
  const spark = svg("svg", { class: "spark", viewBox: view, preserveAspectRatio: "none", "aria-hidden": "true" }, area, line);
  const figure = el("p", { class: "number" }, number, unit);
  parent.append(el("article", { class: "tile" }, el("h2", {}, tile.title), figure, spark));
  return { ...tile, number, unit, area, line, samples: [] };
}

function show(tile, value) {
  const text = tile.write(value);
  setText(tile.number, text);
  tile.unit.hidden = text === UNKNOWN;
  tile.samples.push(typeof value === "number" ? value : null);
  if (tile.samples.length > SAMPLES) tile.samples.shift();
  const path = trace(tile.samples);
  tile.line.setAttribute("d", path);
  tile.area.setAttribute("d", path && `${path}V${HEIGHT}H${left(tile.samples)}Z`);
}

function x(index, length) {
  return WIDTH - ((length - 1 - index) * WIDTH) / (SAMPLES - 1);
}

function left(samples) {
  return x(samples.findIndex((sample) => sample !== null), samples.length).toFixed(1);
}

/** A line through the samples, the newest at the right; the ground is 0. What is not known is passed over. */
function trace(samples) {
  const most = Math.max(...samples.map((sample) => sample ?? 0), 1e-9);
  const points = samples.flatMap((sample, index) => {
    if (sample === null) return [];
    const y = HEIGHT - 2 - (sample / most) * (HEIGHT - 8);
    return [`${x(index, samples.length).toFixed(1)} ${y.toFixed(1)}`];
  });
  return points.length > 1 ? `M${points.join("L")}` : "";
}
