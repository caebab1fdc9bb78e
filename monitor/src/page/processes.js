// One row a process, under the heading of its role; opened, a row shows all that the process reports.

import { el, reconcile, setClass, setPairs, setText } from "./dom.js";
import { UNKNOWN, bytes, count, duration, figure, measure, moment, words } from "./format.js";

/** More rows than this help nobody, and cost the browser: what is beyond is told, and found by the filter. */
const MOST_ROWS = 400;

const ROLES = {
  gateway: "Gateways",
  msg_server: "Message servers",
  router: "Routers",
  manager: "Managers",
  monitor: "Monitors",
};

const STATES = { well: "well", troubled: "trouble", unready: "not ready", silent: "silent" };

const counted = (label, name) => [label, (p) => p.Figures[name], count];
const measured = (label, name) => [label, (p) => p.Figures[name], measure];
const sized = (label, name) => [label, (p) => p.Figures[name], bytes];
const rated = (label, name) => [label, (p) => p.Rates[`${name}PerSecond`] ?? soon(p, `${name}Total`), measure];

/** What a row shows of each role, as far as it is reported. */
const KEY_FIGURES = {
  gateway: [counted("handed out", "HandedOutTotal"), counted("live servers", "LiveMsgServers"), counted("held", "Held"), counted("connections", "Connections")],
  msg_server: [counted("clients", "Sessions"), rated("in /s", "MessagesIn"), rated("out /s", "Deliveries"), ["ack ms", ackMillis, measure]],
  manager: [rated("appends /s", "Appends"), measured("commit p50 ms", "CommitP50Ms"), measured("p99 ms", "CommitP99Ms"), rated("reads /s", "Reads")],
  router: [counted("online users", "OnlineUsers"), rated("in /s", "MessagesIn"), rated("forwarded /s", "Forwarded"), sized("queued", "QueueBytes")],
  monitor: [counted("processes", "Processes"), counted("links", "Links"), rated("reports /s", "Reports")],
};

/** A rate that is not known yet is null; one of a counter that is not reported at all is undefined. */
function soon(process, counter) {
  return counter in process.Figures ? null : undefined;
}

function ackMillis(process) {
  const [micros, acked] = [process.Rates.AckMicrosPerSecond, process.Rates.AckedPerSecond];
  if (acked > 0) return micros / acked / 1000;
  return soon(process, "AckedTotal");
}

/** Shows those of `processes` that match; returns how many match and how many of these are shown. */
export function showProcesses(parent, processes, now, filter) {
  const matching = processes.filter((process) => matches(process, filter));
  const shown = matching.length > MOST_ROWS ? mostUrgent(matching) : matching;
  const all = Map.groupBy(matching, (process) => process.Process);
  const groups = [...Map.groupBy(shown, (process) => process.Process)].map(([role, some]) => ({ role, some, all: all.get(role) }));
  reconcile(parent, groups, ({ role }) => role, makeGroup, (element, group) => updateGroup(element, group, now));
  return { matching: matching.length, shown: shown.length };
}

function matches(process, { text, onlyAttention }) {
  if (onlyAttention && process.State === "well") return false;
  const about = [process.Process, process.Addr, process.Uuid, STATES[process.State], ...process.Troubles];
  return about.join(" ").toLowerCase().includes(text.toLowerCase());
}

function mostUrgent(processes) {
  const urgent = processes.filter((process) => process.State !== "well");
  const well = processes.filter((process) => process.State === "well");
  const chosen = new Set([...urgent, ...well].slice(0, MOST_ROWS));
  return processes.filter((process) => chosen.has(process));
}

function makeGroup({ role }) {
  const heading = el("h2", {}, ROLES[role] ?? role, el("span", { class: "count" }));
  return el("section", { class: "group" }, heading, el("div", { class: "rows" }));
}

function updateGroup(element, { some, all }, now) {
  setText(element.querySelector(".count"), count(all.length));
  const update = (row, process) => updateRow(row, process, now);
  reconcile(element.lastElementChild, some, (process) => process.Uuid, makeRow, update);
}

function makeRow() {
  const name = el("span", { class: "name" }, el("span", { class: "addr" }), el("span", { class: "about" }));
  const uptime = el("span", { class: "uptime" }, el("span", { class: "label" }), el("span", { class: "time" }));
  const summary = el("summary", {}, el("span", { class: "state" }), name, el("dl", { class: "key" }), uptime, el("span", { class: "notes" }));
  return el("details", { class: "process" }, summary, el("div", { class: "more" }, el("dl")));
}

function updateRow(row, process, now) {
  const part = (selector) => row.querySelector(selector);
  const silent = process.State === "silent";
  setClass(row, silent ? "process is-silent" : "process");
  setClass(part(".state"), `state ${process.State}`);
  setText(part(".state"), STATES[process.State]);
  setText(part(".addr"), process.Addr);
  const uuid = process.Uuid === process.Addr ? [] : [process.Uuid];
  setText(part(".about"), [...uuid, `v${process.Version}`].join(" · "));
  setPairs(part(".key"), keyFigures(process));
  setText(part(".label"), silent ? "silent for " : "up for ");
  setText(part(".time"), duration(now - (silent ? process.SilentSince : process.Started)));
  setText(part(".notes"), process.Troubles.join("; "));
  part(".notes").hidden = process.Troubles.length === 0;
  if (row.open || !row.dataset.filled) {
    row.dataset.filled = "yes";
    setPairs(part(".more dl"), everything(process, now));
  }
}

function keyFigures(process) {
  const wanted = KEY_FIGURES[process.Process];
  if (!wanted) return anyFigures(process);
  return wanted
    .map(([label, value, write]) => [label, value(process), write])
    .filter(([, value]) => value !== undefined)
    .map(([label, value, write]) => [label, typeof value === "number" ? write(value) : UNKNOWN]);
}

/** Of a role that this page does not know: rates first, they say most. */
function anyFigures(process) {
  const rates = Object.entries(process.Rates).map(([name, value]) => [words(name.replace(/PerSecond$/, "")).toLowerCase() + " /s", measure(value)]);
  const figures = Object.entries(process.Figures)
    .filter(([name, value]) => typeof value === "number" && !name.endsWith("Total"))
    .map(([name, value]) => [words(name).toLowerCase(), figure(name, value)]);
  return [...rates, ...figures].slice(0, 4);
}

function everything(process, now) {
  return [
    ["Version", process.Version],
    ["Process id", String(process.Pid)],
    ["Started", moment(process.Started)],
    ["Reported", `${duration(process.HeardAgo)} ago`],
    ...Object.entries(process.Figures).map(([name, value]) => [words(name), figure(name, value)]),
    ...Object.entries(process.Rates).map(([name, value]) => [words(name), measure(value)]),
  ];
}
