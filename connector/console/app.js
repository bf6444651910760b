// The console's page: it asks for /api/v1/overview every few seconds and draws what it gets. Texts go into the page as
// text only; shapes get their geometry by attributes, because the content security policy allows no inline style.
"use strict";

const token = meta("token");
const canRequeue = meta("requeue") === "true";
const every = 3000;
let paused = false;
let last = null;
const chosen = new Set();
const drawn = {};

function meta(name) { return document.querySelector(`meta[name="flexbrevo-${name}"]`).content; }
function $(id) { return document.getElementById(id); }

// h makes an element: attributes by name, on… as listeners, children as nodes or text.
function h(tag, attrs, ...children) { return fill(document.createElement(tag), attrs, children); }
function svg(tag, attrs, ...children) { return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attrs, children); }
function fill(el, attrs, children) {
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) el.append(child);
  return el;
}

// put replaces a part of the page, but only when what it shows has changed: a selection, the focus and a screen reader's
// place survive an update without news. An element with a data-keep that had the focus gets it back.
function put(id, value, draw) {
  const text = JSON.stringify(value);
  if (drawn[id] === text) return;
  drawn[id] = text;
  const place = $(id);
  const focus = place.contains(document.activeElement) ? document.activeElement.dataset.keep : undefined;
  const open = new Set([...place.querySelectorAll("details[open]")].map(d => d.dataset.keep));
  place.replaceChildren(...[draw(value)].flat(Infinity).filter(Boolean));
  for (const d of place.querySelectorAll("details")) if (open.has(d.dataset.keep)) d.open = true;
  if (focus) place.querySelector(`[data-keep="${CSS.escape(focus)}"]`)?.focus();
}

const number = n => (n ?? 0).toLocaleString("en");
function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}
const since = (t, now) => t ? (new Date(now) - new Date(t)) / 1000 : null;
const ago = (t, now) => t ? `${span(since(t, now))} ago` : "never";
const time = t => t ? h("time", { datetime: t, title: t }, new Date(t).toLocaleString()) : "–";
const sum = o => Object.values(o || {}).reduce((a, b) => a + b, 0);

function table(caption, heads, rows, empty) {
  if (rows.length === 0) return h("p", { class: "muted" }, empty || `${caption}: none.`);
  const kind = x => x.n ? "n" : x.w ? "w" : null;
  const head = heads.map(x => h("th", { scope: "col", class: x.n ? "n" : null }, x.t ?? x));
  const body = rows.map(r => h("tr", {}, r.map((c, i) =>
    i === 0 && !heads[0].cell ? h("th", { scope: "row", class: kind(heads[0]) }, c) : h("td", { class: kind(heads[i]) }, c))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption, "data-keep": caption },
    h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}
// A head made by n stands over numbers, one made by w over texts that may wrap anywhere.
const n = t => ({ t, n: true });
const w = t => ({ t, w: true });

// bar is a value as a part of the most there is, beside the number that says the same.
function bar(value, most, warn) {
  const part = most > 0 ? Math.min(1, value / most) : 0;
  return svg("svg", { class: "meter", viewBox: "0 0 100 10", preserveAspectRatio: "none", height: 10, "aria-hidden": "true" },
    svg("rect", { class: "track", width: 100, height: 10, rx: 2 }), svg("rect", { class: warn ? "bar warn" : "bar", width: 100 * part, height: 10, rx: 2 }));
}

// axes are the lines and numbers beside a chart: left for the first scale, right for a second one.
const left = 40, below = 22, above = 8;
function axes(width, height, scale, scale2) {
  const right = scale2 ? 34 : 8;
  const y = part => above + (height - above - below) * (1 - part);
  return { right, y, shapes: [0, 0.5, 1].map(part => [svg("line", { class: "axis", x1: left, x2: width - right, y1: y(part), y2: y(part) }),
    svg("text", { x: left - 6, y: y(part) + 4, "text-anchor": "end" }, number(scale * part)),
    scale2 ? svg("text", { x: width - right + 6, y: y(part) + 4 }, number(scale2 * part)) : null]) };
}

// picture is a chart for who looks, with its numbers as a table for who does not.
function picture(title, label, width, height, shapes, key, heads, rows) {
  return [key, svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, shapes),
    h("details", { "data-keep": title }, h("summary", { "data-keep": title + " summary" }, "The same as a table"), table(title, heads, rows))];
}
const keyOf = (names, mark) => h("ul", { class: "key" }, names.map((name, i) => h("li", {}, svg("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" }, mark(i)), name)));

// chart draws lines over the last hour: rates a minute, or how much there was at each moment.
function chart(title, points, lines, rates) {
  if (points.length < 2) return h("p", { class: "muted" }, `${title}: the chart begins with the second measurement, in some seconds.`);
  const width = chartWidth(), height = 170;
  const scale = nice(Math.max(1, ...points.flatMap(p => lines.map(l => p[l.key]))));
  const { right, y, shapes } = axes(width, height, scale);
  const first = new Date(points[0].at), length = Math.max(1, new Date(points.at(-1).at) - first);
  const x = p => left + (width - left - right) * (new Date(p.at) - first) / length;
  const clock = p => new Date(p.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const ends = [svg("text", { x: left, y: height - 4 }, clock(points[0])), svg("text", { x: width - right, y: height - 4, "text-anchor": "end" }, clock(points.at(-1)))];
  const paths = lines.map((l, i) => svg("polyline", { class: `line l${i + 1}`, points: points.map(p => `${x(p).toFixed(1)},${y(p[l.key] / scale).toFixed(1)}`).join(" ") }));
  const total = l => points.reduce((a, p) => a + p[l.key] / 60 * p.seconds, 0);
  const now = l => rates ? `${l.name} ${number(Math.round(total(l)))} in all, now ${number(points.at(-1)[l.key])} a minute`
    : `${l.name} at most ${number(Math.round(Math.max(...points.map(p => p[l.key]))))}, now ${number(Math.round(points.at(-1)[l.key]))}`;
  const label = `${title}, from ${clock(points[0])} to ${clock(points.at(-1))}: ` + lines.map(now).join("; ");
  const step = Math.max(1, Math.ceil(points.length / 12));
  return [h("h3", {}, title), picture(title, label, width, height, [shapes, ends, paths], keyOf(lines.map(l => l.name), i => svg("line", { class: `line l${i + 1}`, x1: 0, x2: 28, y1: 5, y2: 5 })),
    ["At", ...lines.map(l => n(l.name))], points.filter((_, i) => (points.length - 1 - i) % step === 0).map(p => [clock(p), ...lines.map(l => number(Math.round(10 * p[l.key]) / 10))]))];
}

// bars draws a bar for each item, its values on top of each other; mean, where it is given, is drawn as dots on a scale
// of its own at the right.
function bars(title, first, items, names, mean) {
  const width = cellWidth(), height = 170;
  const scale = nice(Math.max(1, ...items.map(x => x.values.reduce((a, b) => a + b, 0))));
  const scale2 = mean ? nice(Math.max(1, ...items.map(x => x.mean ?? 0))) : 0;
  const { right, y, shapes } = axes(width, height, scale, scale2);
  const room = (width - left - right) / Math.max(1, items.length), thick = Math.min(56, room - Math.min(6, room / 4));
  const step = Math.ceil(items.length * 44 / (width - left - right));
  const drawn = items.map((item, i) => {
    let under = 0;
    const x = left + i * room;
    const stack = item.values.map((v, k) => {
      const from = y(under / scale), to = y((under + v) / scale);
      under += v;
      return v > 0 ? svg("rect", { class: `b${k + 1}`, x: (x + (room - thick) / 2).toFixed(1), y: to.toFixed(1), width: thick.toFixed(1), height: Math.max(1, from - to).toFixed(1) }) : null;
    });
    return [stack, mean && item.mean !== null ? svg("circle", { class: "dot", cx: (x + room / 2).toFixed(1), cy: y(item.mean / scale2).toFixed(1), r: 4 }) : null,
      i % step === 0 ? svg("text", { x: (x + room / 2).toFixed(1), y: height - 4, "text-anchor": "middle" }, item.tick) : null];
  });
  const sums = names.map((name, k) => `${name} ${number(items.reduce((a, x) => a + x.values[k], 0))}`);
  const label = `${title}: ${sums.join(", ")} in all`;
  const key = keyOf([...names, ...mean ? [mean] : []], i => i < names.length ? svg("rect", { class: `b${i + 1}`, x: 0, y: 0, width: 28, height: 10 }) : svg("circle", { class: "dot", cx: 14, cy: 5, r: 4 }));
  return [h("h3", {}, title), picture(title, label, width, height, [shapes, drawn], key, [first, ...names.map(n), ...mean ? [n(mean)] : []],
    items.map(x => [x.name, ...x.values.map(number), ...mean ? [x.mean === null ? "–" : x.mean.toFixed(2)] : []]))];
}
// chartWidth and cellWidth let a chart's text have the size of other text at every width of the window.
function chartWidth() { return Math.min(1200, Math.max(280, Math.round($("flow").clientWidth))); }
function cellWidth() { const w = chartWidth(); return w < 620 ? w : Math.floor((w - 20) / 2); }
function nice(v) {
  const magnitude = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 5, 10].map(k => k * magnitude).find(k => k >= v);
}

function tile(name, value) { return h("div", {}, h("dt", {}, name), h("dd", {}, value)); }

function owed(c) { return ["pending", "sending", "unknown"].reduce((a, s) => a + sum(Object.fromEntries(Object.entries(c.outbox || {}).map(([k, v]) => [k, v[s] || 0]))), 0); }

function drawTiles(o) {
  const all = o.status.connectors || [], now = o.now;
  const lag = Math.max(0, ...all.map(c => c.streams?.events?.through ? since(c.streams.events.through, now) : 0));
  const oldest = all.map(c => since(c.oldestOwed, now)).filter(x => x !== null);
  const p = o.flow.at(-1) || {};
  return [tile("Events read through", `${span(lag)} ago`), tile("Records a minute", number(p.captured)), tile("Contacts a minute", number(p.contacts)),
    tile("Events a minute", number(p.events)), tile("Owed to Brevo", number(all.reduce((a, c) => a + owed(c), 0))),
    tile("Oldest owed", oldest.length ? span(Math.max(...oldest)) : "nothing due"), tile("Dead letters", number(all.reduce((a, c) => a + c.deadLetters, 0))),
    tile("Conversations", number(o.status.conversationsTracked)), tile("Customers linked", number(o.status.customersLinked)), tile("Agents", number(o.status.agentsMonitored))];
}

const deliveryStates = ["pending", "sending", "unknown", "delivered", "skipped", "withdrawn", "dead"];

function drawConnector(c, now) {
  const streams = Object.keys(c.streams || {}).sort().map(name => {
    const s = c.streams[name];
    return [name, s.through ? span(since(s.through, now)) : "–", ago(s.savedAt, now), s.problem ? h("span", { class: "pill bad" }, "failing") : h("span", { class: "pill good" }, "ok")];
  });
  const kinds = Object.keys(c.outbox || {}).sort();
  const outbox = deliveryStates.map(s => [s, ...kinds.map(k => number(c.outbox[k][s] || 0))]).filter(r => r.slice(1).some(v => v !== "0"));
  const records = Object.entries(c.records || {}).sort().map(([s, v]) => [s, number(v)]);
  const budgets = (c.budgets || []).map(b => {
    const seconds = b.Window / 1e9, used = c.used?.[b.Bucket] ?? null;
    if (!b.Window) return [b.Bucket, "no limit", used === null ? "–" : `${used.toFixed(1)}/s`, ""];
    const allowed = seconds >= 3600 && b.Bucket === "other" ? `${number(Math.floor(b.Allowed))} an hour` : `${(b.Allowed / seconds).toFixed(1)}/s`;
    const hourly = b.Bucket === "other";
    const value = hourly ? b.Used : used ?? 0, most = hourly ? b.Allowed : b.Allowed / seconds;
    const blocked = new Date(b.BlockedUntil) > new Date(now);
    return [b.Bucket, allowed, blocked ? h("span", { class: "pill warn" }, "asked to wait") : hourly ? number(b.Used) : `${value.toFixed(1)}/s`, bar(value, most, blocked)];
  });
  const omissions = [...(c.omissions || [])].sort((a, b) => b.Count - a.Count);
  const most = Math.max(1, ...omissions.map(o => o.Count));
  const senders = Object.entries(c.webhooks || {}).sort().map(([name, s]) => [name, number(s.accepted), number(s.refused), ago(s.lastAt, now), s.quietSince ? h("span", { class: "pill warn" }, "quiet") : h("span", { class: "pill good" }, "ok")]);
  const id = `connector-${c.name}`;
  return h("section", { "aria-labelledby": id },
    h("h2", { id }, c.name, " ", c.connected ? h("span", { class: "pill good" }, "connected") : h("span", { class: "pill bad" }, "not connected")),
    h("div", { class: "charts" }, drawCharts(c)),
    h("div", { class: "grid" },
      h("div", {}, table("Streams", ["Stream", n("Behind"), n("Saved"), "State"], streams, "No stream has been read yet.")),
      h("div", {}, table("Outbox", ["State", ...kinds.map(k => n(k + "s"))], outbox, "The outbox is empty."),
        h("p", { class: "muted" }, c.oldestOwed ? `The oldest that is due waits for ${span(since(c.oldestOwed, now))}.` : "Nothing is due.",
          c.backlog?.doneAt ? ` At the present pace all is delivered in ${span(-since(c.backlog.doneAt, now))}.` : "")),
      h("div", {}, table("Brevo budget", ["Bucket", n("Allowed"), n("Used"), { t: "Part" }], budgets)),
      h("div", {}, table("Records", ["State", n("Count")], records, "No record has come in yet.")),
      h("div", {}, table("Left out", [w("What"), w("Reason"), n("Count"), { t: "Part" }], omissions.slice(0, 30).map(o => [o.What, o.Reason, number(o.Count), bar(o.Count, most)]), "Nothing was left out.")),
      h("div", {}, table("Webhooks", ["Sender", n("Taken"), n("Refused"), n("Last"), "State"], senders, "Nobody has posted yet: everything is polled.")),
      drawQueues(c), drawDays(c), drawCSAT(c)),
    c.backfill ? h("p", {}, h("strong", {}, "Backfill: "), plain(c.backfill)) : null);
}

// What a connector keeps of queues, agents and answers is shown where it keeps it: to look at, then to read.
const waits = ["under 1 min", "1 to 10 min", "10 min to 1 h", "1 h to 1 day", "over 1 day"];
const ticks = ["1 min", "10 min", "1 h", "1 day", "more"];
function drawCharts(c) {
  const kinds = Object.keys(c.ages || {}).sort();
  const place = f => h("div", {}, f);
  const shortDay = day => day.slice(5);
  return [
    kinds.length ? place(bars("Owed to Brevo, by age", "In the outbox for", waits.map((name, i) => ({ name, tick: ticks[i], values: kinds.map(k => c.ages[k][i]) })), kinds.map(k => k + "s"))) : null,
    c.hours ? place(bars("Queues by hour", "Hour from", c.hours.map(x => {
      const at = new Date(x.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      return { name: at, tick: at, values: [x.accepted, x.abandoned, Math.max(0, x.offered - x.accepted - x.abandoned)] };
    }), ["accepted", "abandoned", "offered only"])) : null,
    c.days?.length ? place(bars("Agents by day", "Day", [...c.days].reverse().map(d => ({ name: d.day, tick: shortDay(d.day), values: [d.accepted, Math.max(0, d.offered - d.accepted)] })), ["taken", "offered only"])) : null,
    c.csat && sum(c.csat.days.map(d => d.count)) > 0 ? place(bars("CSAT by day", "Day", c.csat.days.map(d => ({ name: d.name, tick: shortDay(d.name), values: [d.count], mean: d.count ? d.mean : null })), ["answers"], "mean score")) : null,
  ];
}
function drawQueues(c) {
  if (!c.queues) return null;
  return h("div", {}, table("Queues, last 24 hours", ["Queue", n("Offered"), n("Taken"), n("Abandoned"), n("Mean wait")],
    c.queues.map(q => [q.name, number(q.offered), number(q.accepted), number(q.abandoned), q.accepted ? span(q.waitSeconds) : "–"]), "No queue has had a task."));
}
function drawDays(c) {
  if (!c.days) return null;
  return h("div", {}, table("All agents by day", ["Day", n("Agents"), n("Taken"), n("Mean handling"), n("CSAT")],
    c.days.map(d => [d.day, number(d.agents), number(d.accepted), d.handleSeconds ? span(d.handleSeconds) : "–", d.csatCount ? `${d.csatMean.toFixed(2)} of ${number(d.csatCount)}` : "–"]), "No agent has worked in the last week."));
}
function drawCSAT(c) {
  if (!c.csat) return null;
  const { scores, channels, queues } = c.csat;
  if (scores.length === 0) return h("div", {}, h("p", { class: "muted" }, `CSAT: nobody has answered in the last ${c.csat.days.length} days.`));
  const most = Math.max(...scores.map(s => s.count));
  const by = (name, sums) => h("div", {}, table(`CSAT by ${name}`, [{ t: name[0].toUpperCase() + name.slice(1) }, n("Answers"), n("Mean score")], sums.map(s => [s.name, number(s.count), s.mean.toFixed(2)])));
  return [h("div", {}, table(`CSAT, last ${c.csat.days.length} days`, ["Score", n("Answers"), { t: "Part" }],
    [...scores].reverse().map(s => [s.from === s.to ? String(s.to) : `${s.from} to ${s.to}`, number(s.count), bar(s.count, most)]))),
  by("channel", channels), by("queue", queues)];
}

function plain(o) {
  return Object.entries(o || {}).filter(([, v]) => ["number", "string", "boolean"].includes(typeof v) && v !== "" && v !== 0 && v !== false)
    .map(([k, v]) => `${k.replace(/([A-Z])/g, " $1").toLowerCase()} ${typeof v === "number" ? number(v) : v}`).join(", ");
}

const key = d => `${d.connector} ${d.id}`;

function drawDead(o) {
  if (o.dead.length === 0) return h("p", { class: "muted" }, "None. What is given up on is kept here until somebody requeues or drops it.");
  const rows = o.dead.map(d => [canRequeue ? h("input", { type: "checkbox", checked: chosen.has(key(d)), "data-keep": key(d), "aria-label": `choose ${d.id}`,
    onchange: e => { e.target.checked ? chosen.add(key(d)) : chosen.delete(key(d)); buttons(); } }) : null, d.id, d.connector, d.kind, d.what, d.reason, time(d.diedAt)]);
  const heads = [{ t: h("span", {}, "Choose"), cell: true }, "Number", "Connector", "Kind", w("What"), w("Reason"), w("Given up")].map(x => typeof x === "string" ? { t: x } : x);
  const drop = canRequeue ? 0 : 1;
  const actions = canRequeue ? h("div", { class: "actions" },
    h("button", { type: "button", id: "all", "data-keep": "all", onclick: () => { const all = o.dead.every(d => chosen.has(key(d))); o.dead.forEach(d => all ? chosen.delete(key(d)) : chosen.add(key(d))); drawn.dead = ""; render(); } }, "Choose all or none"),
    h("button", { type: "button", id: "requeue", class: "main", "data-keep": "requeue", onclick: requeue }, "Requeue")) : h("p", { class: "muted" }, "Read only: flexbrevo dead requeue does it in a terminal.");
  const t = table("Given up on", heads.slice(drop), rows.map(r => r.slice(drop)));
  return [actions, t, o.deadMore ? h("p", { class: "muted" }, "These are the latest; flexbrevo dead list shows all.") : null];
}

function buttons() {
  const b = $("requeue");
  if (!b) return;
  b.disabled = chosen.size === 0;
  b.textContent = chosen.size === 0 ? "Requeue" : `Requeue ${chosen.size}`;
}

async function requeue() {
  const by = {};
  for (const k of chosen) { const [connector, id] = k.split(" "); (by[connector] ||= []).push(id); }
  let done = 0;
  try {
    for (const [connector, ids] of Object.entries(by)) {
      const resp = await fetch("api/v1/dead/requeue", { method: "POST", headers: { "Content-Type": "application/json", "X-Flexbrevo-Token": token }, body: JSON.stringify({ connector, ids }) });
      if (!resp.ok) throw new Error(await resp.text());
      done += (await resp.json()).requeued;
    }
    chosen.clear();
    say(`${done} wait again; flexbrevo goes on with them at once.`);
  } catch (e) { say(`Not requeued: ${e.message}`); }
  await load();
}

const runPills = { done: "good", failed: "bad", running: "warn", queued: "" };
function drawRuns(o) {
  return table("The latest", ["No.", "What", "Connector", "State", w("Begun"), n("Took"), w("Progress")],
    o.runs.map(r => [String(r.id), r.kind, r.connector || "all", h("span", { class: `pill ${runPills[r.state] ?? ""}` }, r.state), time(r.startedAt || r.createdAt),
      r.startedAt ? span(since(r.startedAt, r.endedAt || o.now)) : "–", [plain(r.progress), r.error ? h("div", {}, r.error) : null]]), "None yet.");
}

let saying;
function say(text) {
  $("said").textContent = text;
  clearTimeout(saying);
  saying = setTimeout(() => { $("said").textContent = ""; }, 8000);
}

function render() {
  const o = last;
  if (!o) return;
  const all = o.status.connectors || [];
  const problems = all.flatMap(c => (c.problems || []).map(p => (all.length > 1 ? `${c.name}: ` : "") + p));
  $("problems").hidden = problems.length === 0;
  put("problem-list", problems, list => list.map(p => h("li", {}, p)));
  put("tiles", { tiles: [o.status, o.flow.at(-1), Math.floor(new Date(o.now) / 5000)] }, () => drawTiles(o));
  put("flow", { points: o.flow, width: chartWidth() }, ({ points }) => [
    chart("A minute", points, [{ key: "captured", name: "records captured" }, { key: "contacts", name: "contacts delivered" }, { key: "events", name: "events delivered" }], true),
    chart("Behind Twilio", points.filter(p => typeof p.lag === "number"), [{ key: "lag", name: "seconds behind" }], false)]);
  put("connectors", { all, width: cellWidth(), slow: Math.floor(new Date(o.now) / 5000) }, () => all.map(c => drawConnector(c, o.now)));
  for (const k of chosen) if (!o.dead.some(d => key(d) === k)) chosen.delete(k);
  put("dead", o.dead, () => drawDead(o));
  put("runs", [o.runs, o.runs.some(r => r.state === "running") && o.now], () => drawRuns(o));
  buttons();
  const state = $("state"), text = problems.length ? "needs a person" : o.status.connected ? "connected" : "not connected";
  if (state.textContent !== text) state.textContent = text;
  state.className = `pill ${problems.length ? "bad" : o.status.connected ? "good" : "warn"}`;
  $("fresh").textContent = `as of ${new Date(o.now).toLocaleTimeString()}`;
}

async function load() {
  try {
    const resp = await fetch("api/v1/overview", { headers: { Accept: "application/json" } });
    if (resp.status === 401) { location.assign("login"); return; }
    if (!resp.ok) throw new Error(await resp.text());
    last = await resp.json();
    render();
  } catch (e) {
    const state = $("state");
    if (state.textContent !== "no answer") state.textContent = "no answer";
    state.className = "pill bad";
  }
}

async function loop() {
  if (!paused && !document.hidden) await load();
  setTimeout(loop, every);
}

// The search box: what is asked for is personal data, so that it is posted, shown until it is cleared, and not kept.
const value = v => v === undefined || v === null ? "–" : typeof v === "string" ? v : JSON.stringify(v);
const because = (state, why) => why ? `${state}: ${why}` : state;
const answered = x => x.call ? `${x.call}${x.status ? `, answered ${x.status}` : ", no answer"}` : "–";
const sentBy = x => x.call ? [h("div", {}, answered(x)), time(x.sentAt || x.settledAt)] : "–";
const ofFact = s => s ? h("div", { class: "muted" }, `of ${s.sid} at ${new Date(s.at).toLocaleString()}`) : null;

function drawCustomer(name, x) {
  const of = what => `${what} of customer ${x.customerId}`;
  const attributes = x.attributes.flatMap(a => [
    [a.name, value(a.value), because(a.state, a.why), [a.source || "–", ofFact(a.from)], a.rule, sentBy(a)],
    ...(a.older || []).map(o => [a.name, value(o.value), "not sent: older than what is there", [a.source, ofFact(o)], a.rule, "–"])]);
  return h("article", {}, h("h3", {}, `${name}: customer ${x.customerId}`), h("p", {}, x.standing),
    h("dl", { class: "tiles" }, [["Name", x.name], ["Email", x.email], ["Phone", x.phone], ["Identity", x.identity]].map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v || "none")))),
    table(of("Known by"), ["Kind", w("Value")], x.identifiers.map(i => [i.kind, i.shared ? `${i.value}, shared by several customers: it links nobody` : i.value])),
    x.absorbed ? h("p", {}, `One with customer ${x.absorbed.join(", ")}.`) : null,
    table(of("Attributes"), ["Attribute", w("Value"), w("State"), w("Source field"), "Rule", w("Sent by")], attributes),
    table(of("Lists"), ["List", w("State"), w("Sent by")], (x.lists || []).map(l => [l.list, l.state, sentBy(l)])),
    table(of("Events"), ["Happened", "Event", w("State"), w("Id"), "Rule", w("Sent by")], (x.events || []).map(e => [time(e.at), e.name, because(e.state, e.why), e.id, e.rule, sentBy(e)])),
    table(of("Left out"), ["What", "Value", w("Reason"), "Rule"], (x.omissions || []).map(o => [o.what, o.value || "–", o.reason, o.rule || "–"])),
    table(of("Writes"), ["When", w("State"), w("Call"), w("What Brevo took")], (x.writes || []).map(d => [time(d.at), because(d.state, d.why), answered(d), (d.sent || []).join(", ") || "–"])),
    table(of("Facts"), ["Began", "Kind", w("SID"), "Channel", "State", w("Queue and agent"), w("Note")], x.facts.map(f => [time(f.at), f.kind, f.sid, f.channel || "–", f.state || "–", [f.queue, f.agent].filter(Boolean).join(", ") || "–", f.note || "–"])));
}

async function explain(event) {
  event.preventDefault();
  const what = $("what").value.trim();
  if (!what) return;
  $("ask").disabled = true;
  try {
    const resp = await fetch("api/v1/explain", { method: "POST", headers: { "Content-Type": "application/json", "X-Flexbrevo-Token": token }, body: JSON.stringify({ what }) });
    if (resp.status === 401) { location.assign("login"); return; }
    if (!resp.ok) throw new Error(await resp.text());
    const found = await resp.json();
    const customers = found.flatMap(c => c.customers.map(x => drawCustomer(c.connector, x)));
    const forgotten = found.filter(c => c.forgotten)
      .map(c => h("p", {}, `${c.connector}: what was before ${time(c.forgotten)} was forgotten and is not taken in again.`));
    $("answer").replaceChildren(...found.length ? [...forgotten, ...customers] : [h("p", {}, "Nothing is known of it: no record that was digested names it.")]);
    $("clear").hidden = false;
    say(customers.length === 1 ? "One customer is explained." : `${customers.length} customers are explained.`);
  } catch (e) { say(`Not explained: ${e.message}`); }
  $("ask").disabled = false;
}

if ($("search")) {
  $("search").addEventListener("submit", explain);
  $("clear").addEventListener("click", () => {
    $("answer").replaceChildren();
    $("what").value = "";
    $("clear").hidden = true;
    $("what").focus();
  });
}

$("pause").addEventListener("click", e => {
  paused = !paused;
  e.target.setAttribute("aria-pressed", String(paused));
  e.target.textContent = paused ? "Go on" : "Pause";
});
addEventListener("resize", () => render());
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) load(); });
loop();
