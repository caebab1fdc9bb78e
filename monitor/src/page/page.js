// The page asks /api/mesh every two seconds, for as long as somebody looks at it, and shows the answer.

import { el, reconcile, setClass, setText } from "./dom.js";
import { duration } from "./format.js";
import { showProcesses } from "./processes.js";
import { startTheme } from "./theme.js";
import { showTotals } from "./tiles.js";

const EVERY = 2000;
const PATIENCE = 5000;
/** From so many processes on, a filter is worth its place. */
const MANY = 9;
/** So many issues are told by name above the list. */
const MOST_ISSUES = 5;

const at = (id) => document.getElementById(id);
let mesh = null;
let answered = Date.now();

async function refresh() {
  try {
    const response = await fetch("/api/mesh", { signal: AbortSignal.timeout(PATIENCE) });
    if (!response.ok) throw new Error(`the monitor answered ${response.status}`);
    mesh = await response.json();
    answered = Date.now();
    show();
    showTotals(at("tiles"), mesh.Totals);
    live(true);
  } catch {
    live(false);
  }
}

function live(on) {
  const text = on ? "live" : `the monitor has not answered for ${duration(Date.now() - answered)}; trying again`;
  setText(at("live"), text);
  setClass(at("live"), on ? "live on" : "live off");
  document.body.classList.toggle("stale", !on);
}

function show() {
  const empty = mesh.Processes.length === 0;
  at("empty").hidden = !empty;
  for (const id of ["summary", "tiles", "processes"]) at(id).hidden = empty;
  at("tools").hidden = mesh.Processes.length < MANY;
  if (empty) showEmpty();
  else showMesh();
}

function showEmpty() {
  document.title = "Shoal: nothing yet";
  const make = () => el("li", {}, el("code"), el("span"));
  reconcile(at("asked"), mesh.Links, (link) => link.Addr, make, (item, link) => {
    setText(item.firstElementChild, link.Addr);
    setText(item.lastElementChild, link.Up ? " linked, and has not reported yet" : " does not answer");
  });
}

function showMesh() {
  const found = issues();
  const worst = found.some((issue) => issue.alarm) ? "alarm" : "attention";
  setClass(at("summary"), `banner ${found.length ? worst : "well"}`);
  setText(at("verdict"), verdict(found.length));
  showIssues(found);
  document.title = found.length ? `(${found.length}) Shoal: needs attention` : "Shoal: all well";
  const filter = { text: at("filter").value.trim(), onlyAttention: at("only").checked };
  const { matching, shown } = showProcesses(at("processes"), mesh.Processes, mesh.Now, filter);
  setText(at("shown"), told(matching, shown));
}

function told(matching, shown) {
  if (shown < matching) return `${shown} of ${matching} shown, those that need attention first: filter for others`;
  return matching < mesh.Processes.length ? `${matching} of ${mesh.Processes.length} processes` : "";
}

function verdict(issueCount) {
  const processes = mesh.Processes.length;
  if (issueCount > 0) return issueCount === 1 ? "One thing needs attention" : `${issueCount} things need attention`;
  return processes === 1 ? "The one process that reports is well" : `All ${processes} processes are well`;
}

/** What is wrong, the worst first. */
function issues() {
  const known = new Set(mesh.Processes.map((process) => process.Addr));
  const unreached = mesh.Links.filter((link) => !link.Up && !known.has(link.Addr)).map((link) => ({
    alarm: true,
    text: `msg_server ${link.Addr} is not reached`,
  }));
  const sick = mesh.Processes.filter((process) => process.State !== "well").map((process) => ({
    alarm: process.State === "silent",
    text: `${process.Process} ${process.Addr} ${complaint(process)}`,
  }));
  return [...sick, ...unreached].sort((one, other) => other.alarm - one.alarm);
}

function complaint(process) {
  if (process.State === "silent") return `has been silent for ${duration(mesh.Now - process.SilentSince)}`;
  return process.State === "unready" ? "takes no work: it starts or drains" : `says: ${process.Troubles.join("; ")}`;
}

function showIssues(found) {
  const told = found.slice(0, MOST_ISSUES).map((issue) => issue.text);
  if (found.length > MOST_ISSUES) told.push(`and ${found.length - MOST_ISSUES} more`);
  const numbered = told.map((text, index) => ({ text, index: String(index) }));
  reconcile(at("issues"), numbered, (issue) => issue.index, () => el("li"), (item, issue) => setText(item, issue.text));
}

async function run() {
  if (!document.hidden) await refresh();
  setTimeout(run, EVERY);
}

at("tools").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["filter", "only"]) at(id).addEventListener("input", () => mesh && show());
at("processes").addEventListener("toggle", () => mesh && show(), true);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
startTheme(at("theme"));
run();
