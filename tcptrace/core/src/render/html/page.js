"use strict";
const NS = "http://www.w3.org/2000/svg", STEP = 22, PAGE = 500;
const element = (id) => document.getElementById(id);
const make = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const draw = (parent, name, attributes, text) => {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return parent.appendChild(made);
};
// A connection: number, or those of the sides of a translated one, began, client, server, mood, verdict, sentence, steps.
const all = element("data").textContent.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
for (const one of all) {
  one.words = one.slice(0, 7).flat().join(" ").toLowerCase();
  one.name = [one[0]].flat().join(" = ");
  one[0] = [one[0]].flat()[0];
}
let shown = all, verdict = null, column = 0, down = false, limit = PAGE;

function summary() {
  const counts = new Map();
  for (const one of all) {
    const known = counts.get(one[5]) ?? { count: 0, mood: one[4] };
    known.count += 1;
    known.mood = Math.max(known.mood, one[4]);
    counts.set(one[5], known);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b.mood - a.mood || b.count - a.count);
  for (const [word, { count, mood }] of sorted) {
    const button = make("button", `${count} × ${word}`, { class: `m${mood}`, "aria-pressed": "false" });
    button.onclick = () => {
      verdict = verdict === word ? null : word;
      for (const other of element("verdicts").children) other.setAttribute("aria-pressed", String(other === button && verdict === word));
      update();
    };
    element("verdicts").append(button);
  }
}

function update() {
  const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = all.filter((one) => (verdict === null || one[5] === verdict) && words.every((word) => one.words.includes(word)));
  const key = (one) => (column === 4 ? one[6] : one[column]);
  shown.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a[0] - b[0]));
  if (down) shown.reverse();
  limit = PAGE;
  list();
}

function list() {
  const rows = shown.slice(0, limit).map(row);
  element("rows").replaceChildren(...rows);
  element("count").textContent = `${shown.length} of ${all.length} connections`;
  element("more").hidden = shown.length <= limit;
}

function row(one) {
  const made = make("tr", undefined, { class: "row", tabindex: "0", "aria-expanded": "false" });
  const time = one[1] ? one[1].slice(11, 23) : "-";
  made.append(make("td", one.name), make("td", time, { title: one[1] ?? "" }), make("td", one[2]), make("td", one[3]));
  made.append(make("td", one[6], { class: `m${one[4]}` }));
  made.onclick = () => toggle(made, one);
  return made;
}

function toggle(at, one) {
  const open = at.getAttribute("aria-expanded") === "true";
  at.setAttribute("aria-expanded", String(!open));
  if (open) return at.nextElementSibling.remove();
  const cell = make("td", undefined, { colspan: "5" });
  const svg = ladder(one);
  const zoom = make("div", undefined, { class: "zoom" });
  for (const [label, factor] of [["+", 1.25], ["−", 0.8]]) {
    const button = make("button", label, { "aria-label": factor > 1 ? "zoom in" : "zoom out" });
    button.onclick = () => svg.setAttribute("width", String(Number(svg.getAttribute("width")) * factor));
    zoom.append(button, " ");
  }
  const box = make("div", undefined, { class: "ladder" });
  box.append(svg);
  cell.append(zoom, box);
  const under = make("tr", undefined, { class: "under" });
  under.append(cell);
  at.after(under);
}

function ladder(one) {
  const steps = one[7], client = 540, server = 840, width = 1480, height = STEP * (steps.length + 1) + 8;
  const svg = document.createElementNS(NS, "svg");
  for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, width, role: "img" })) svg.setAttribute(key, value);
  draw(svg, "title", {}, `connection ${one.name}: ${one[6]}`);
  for (const [x, text, name, anchor, room] of [[client, one[2], "client", "end", 65], [server, one[3], "server", "start", 80]]) {
    draw(svg, "line", { class: "life", x1: x, x2: x, y1: STEP, y2: height });
    const shown = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    const end = draw(svg, "text", { class: "quiet", x, y: 14, "text-anchor": anchor }, `${name} ${shown}`);
    draw(end, "title", {}, text);
  }
  steps.forEach((step, index) => {
    const y = STEP * (index + 2) - 6, group = draw(svg, "g", { class: "step" });
    draw(group, "rect", { class: "hit", x: 0, y: y - 15, width, height: STEP });
    draw(group, "title", {}, step.slice(1).filter((part) => typeof part === "string" && part).join(" "));
    if (step[0] === 2) {
      draw(group, "text", { class: step[1] === null ? "quiet" : `m${step[1]}`, x: 10, y }, step[2]);
      return;
    }
    draw(group, "text", { class: "quiet", x: 110, y, "text-anchor": "end" }, step[1]);
    if (step[0] === 0) {
      draw(group, "text", step[2] ? { x: server + 8, y } : { x: client - 8, y, "text-anchor": "end" }, step[3]);
      return;
    }
    const [from, to] = step[2] ? [server, client] : [client, server], back = Math.sign(from - to);
    const stopped = step[3] === 2, end = y + 2;
    const tone = stopped || /\bRST\b|ICMP/.test(step[4]) ? "m2" : /\bFIN\b/.test(step[4]) ? "m1" : /\bSYN\b/.test(step[4]) ? "m0" : "quiet";
    const arrow = draw(group, "g", { class: tone, style: tone === "quiet" ? "" : `color: var(--${{ m0: "good", m1: "pending", m2: "failed" }[tone]})` });
    const head = stopped ? `m4 -4l-8 8m0 -8l8 8` : `m${8 * back} -4L${to} ${end}L${to + 8 * back} ${end + 4}`;
    draw(arrow, "path", { d: `M${step[3] === 1 ? (from + to) / 2 : from} ${end}H${stopped ? to + 12 * back : to}${head}`, fill: "none" });
    draw(arrow, "text", { x: (client + server) / 2, y: y - 2, "text-anchor": "middle" }, step[4]);
    draw(group, "text", { class: "quiet", x: server + 8, y }, step[5]);
  });
  return svg;
}

for (const [index, heading] of [...document.querySelectorAll("th")].entries()) {
  heading.firstElementChild.onclick = () => {
    down = column === index && !down;
    column = index;
    for (const other of document.querySelectorAll("th")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    update();
  };
}
element("search").oninput = update;
element("more").onclick = () => { limit += 4 * PAGE; list(); };
document.onkeydown = (event) => {
  const at = document.activeElement, typing = at === element("search");
  const rows = [...document.querySelectorAll("tr.row")], index = rows.indexOf(at);
  const key = event.key;
  if (key === "/" && !typing) element("search").focus();
  else if (key === "Escape" && typing) { element("search").value = ""; update(); }
  else if ((key === "ArrowDown" || key === "j") && !(typing && key === "j")) rows[Math.min(index + 1, rows.length - 1)]?.focus();
  else if ((key === "ArrowUp" || key === "k") && !typing) rows[Math.max(index - 1, 0)]?.focus();
  else if ((key === "Enter" || key === " ") && index >= 0) at.click();
  else return;
  event.preventDefault();
};
summary();
update();
