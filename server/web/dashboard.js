// Reads /v1/status every two seconds and shows it. Text from the server is only
// ever set as text, never as markup.
"use strict";

const every = 2000;
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
let before = null; // the last status and when it came, for rates
let chosen = null; // the view whose keys are shown

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at++;
  }
  return (at === 0 ? whole.format(n) : n.toFixed(1)) + " " + units[at];
}

function duration(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

function cell(content, name) {
  const td = document.createElement("td");
  if (content instanceof Node) td.append(content);
  else td.textContent = content;
  if (name) td.className = name;
  return td;
}

function fill(id, rows, columns, empty) {
  const body = document.getElementById(id);
  body.replaceChildren();
  for (const cells of rows) {
    const tr = document.createElement("tr");
    tr.append(...cells);
    body.append(tr);
  }
  if (rows.length === 0) {
    const td = cell(empty, "none");
    td.colSpan = columns;
    const tr = document.createElement("tr");
    tr.append(td);
    body.append(tr);
  }
}

function rateOf(stream, now) {
  const then = before && before.streams.get(stream.name);
  if (then === undefined || then === null || now <= before.at) return "";
  return whole.format(Math.max(0, (stream.events - then) / ((now - before.at) / 1000)));
}

function show(status) {
  const now = performance.now();
  const node = status.nodes.map((n) => n.name + " (" + n.address + ")").join(", ");
  document.getElementById("node").textContent =
    node + ", version " + status.version + ", up " + duration(status.uptime_seconds) + ", memory " + bytes(status.memory.total);
  fill("streams", status.streams.map((s) => [
    cell(s.name), cell(whole.format(s.partitions), "n"), cell(whole.format(s.events), "n"), cell(rateOf(s, now), "n"), cell(bytes(s.bytes), "n"),
  ]), 5, "There are no streams yet.");
  fill("views", status.views.map((v) => {
    const name = document.createElement("button");
    name.type = "button";
    name.textContent = v.name;
    name.addEventListener("click", () => { chosen = v.name; refreshKeys(); });
    return [
      cell(name), cell(v.stream), cell(whole.format(v.events), "n"), cell(whole.format(v.keys), "n"), cell(whole.format(v.panes), "n"),
      cell(bytes(v.bytes), "n"), cell(whole.format(v.owed), v.owed > 0 ? "n warn" : "n"), cell(whole.format(v.lost), v.lost > 0 ? "n warn" : "n"),
      cell(String(v.rate), v.rate < 1 ? "n warn" : "n"), cell(v.watermark === null ? "" : v.watermark),
    ];
  }), 10, "There are no views yet.");
  before = { at: now, streams: new Map(status.streams.map((s) => [s.name, s.events])) };
}

async function read(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(path + ": " + answer.status);
  return answer.json();
}

async function refreshKeys() {
  if (chosen === null) return;
  const view = chosen;
  const section = document.getElementById("top");
  try {
    const found = await read("/v1/views/" + encodeURIComponent(view) + "/keys?order=events&limit=20");
    if (view !== chosen) return;
    document.getElementById("top-title").textContent = "Keys of " + view + " with most events";
    fill("keys", found.keys.map((k) => [
      cell(k.key.length === 0 ? "(all events)" : k.key.map((v) => String(v)).join(" · ")), cell(whole.format(k.events), "n"), cell(bytes(k.bytes), "n"),
    ]), 3, "This view has no keys yet.");
    section.hidden = false;
  } catch {
    section.hidden = true; // the view may be gone
    chosen = null;
  }
}

async function refresh() {
  const trouble = document.getElementById("trouble");
  try {
    show(await read("/v1/status"));
    await refreshKeys();
    trouble.hidden = true;
  } catch (error) {
    trouble.textContent = "The server does not answer (" + error.message + "); what is shown may be old.";
    trouble.hidden = false;
  }
  setTimeout(refresh, document.hidden ? 5 * every : every);
}

refresh();
