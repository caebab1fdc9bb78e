// How numbers and times are written. Everything here is pure.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

/** What is not known: another thing than 0. */
export const UNKNOWN = "–";

export function count(value) {
  if (typeof value !== "number") return UNKNOWN;
  if (Math.abs(value) < 1e6) return whole.format(value);
  return compact.format(value).replace(/(?=[A-Z])/, "\u00a0");
}

/** A measured number: one decimal while it is small. */
export function measure(value) {
  if (typeof value !== "number") return UNKNOWN;
  return value !== 0 && Math.abs(value) < 100 ? tenths.format(value) : count(value);
}

export function bytes(value) {
  if (typeof value !== "number") return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(value) : tenths.format(value)}\u00a0${units[unit]}`;
}

/** A length of time in milliseconds, in its two largest units. */
export function duration(millis) {
  const seconds = Math.max(0, Math.round(millis / 1000));
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0\u00a0s";
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value}\u00a0${unit}`)
    .join(" ");
}

/** A moment in milliseconds since 1970, by the clock of this browser. */
export function moment(millis) {
  // The one locale that writes dates as ISO 8601 does.
  return new Date(millis).toLocaleString("sv-SE");
}

/** `MessagesInTotal` as `Messages in total`. */
export function words(name) {
  const spaced = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** A figure of a report, by what its name says it is. */
export function figure(name, value) {
  if (typeof value === "number") {
    if (name.endsWith("Bytes")) return bytes(value);
    return Number.isInteger(value) ? count(value) : measure(value);
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}
