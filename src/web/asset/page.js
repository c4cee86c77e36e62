// What pages do beyond being read: live states, keys, filters, themes. Everything works without it.
"use strict";

const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Theme.

function switchTheme() {
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}
for (const button of all("[data-theme-switch]")) {
  button.hidden = false;
  button.addEventListener("click", switchTheme);
}

// Live: the server says that something has changed; the page is asked for again, and only what
// differs is changed, so that focus, places and what is open stay.

function same(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function become(old, now) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== now.data) old.data = now.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || old.dataset?.keep !== undefined) return;
  for (const { name, value } of [...now.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // What a person opened, and where they stand.
    const theirs = (name === "open" && old.nodeName === "DETAILS") || name === "hidden" || name === "class" && old.dataset.mine !== undefined;
    if (!now.hasAttribute(name) && !theirs) old.removeAttribute(name);
  }
  if (old.nodeName === "INPUT" || old.nodeName === "TEXTAREA") return;
  becomeChildren(old, now);
}

function becomeChildren(old, now) {
  const known = new Map();
  for (const child of old.children) if (child.id) known.set(child.id, child);
  let at = old.firstChild;
  for (const wanted of [...now.childNodes]) {
    const kept = wanted.id && known.get(wanted.id);
    if (kept && kept.nodeName === wanted.nodeName) {
      if (kept !== at) old.insertBefore(kept, at);
      else at = at.nextSibling;
      become(kept, wanted);
    } else if (at && same(at, wanted)) {
      const next = at.nextSibling;
      become(at, wanted);
      at = next;
    } else {
      old.insertBefore(document.importNode(wanted, true), at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

let fetching = false;
let again = false;
async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    if (answer.ok && !answer.redirected) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const [old, now] = [document.querySelector("main"), page.querySelector("main")];
      if (old && now) becomeChildren(old, now);
      const [health, healthy] = [document.getElementById("health"), page.getElementById("health")];
      if (health && healthy) become(health, healthy);
      if (document.title !== page.title) document.title = page.title;
      filterAll();
      if (page.body.dataset.live === undefined) stream?.close();
      document.dispatchEvent(new Event("refreshed"));
    }
  } catch {
    // The stream tells when the server is there again.
  }
  fetching = false;
  if (again) {
    again = false;
    setTimeout(refresh, 100);
  }
}

let stream;
if (document.body.dataset.live) {
  stream = new EventSource(document.body.dataset.live);
  stream.addEventListener("changed", refresh);
  addEventListener("pagehide", () => stream.close());
}

// A log that grows: the server sends its new lines as they are shown.

let followed = null;
function follow() {
  const log = document.querySelector("[data-follow]");
  if (!log || log === followed) return;
  followed = log;
  const list = log.querySelector("ol");
  const most = 5000;
  const growing = new EventSource(log.dataset.follow);
  const atEnd = () => innerHeight + scrollY >= root.scrollHeight - 60;
  growing.addEventListener("lines", (event) => {
    const follows = atEnd();
    const lines = new DOMParser().parseFromString(`<ol>${event.data}</ol>`, "text/html");
    log.querySelector(".empty")?.remove();
    list.append(...lines.querySelectorAll("li"));
    while (list.children.length > most) list.firstElementChild.remove();
    if (follows) scrollTo(0, root.scrollHeight);
  });
  growing.addEventListener("ended", () => {
    growing.close();
    refresh();
  });
  // The server may have gone: begin anew with a fresh page.
  growing.addEventListener("error", () => {
    if (growing.readyState === EventSource.CLOSED) return;
    growing.close();
    setTimeout(() => location.reload(), 3000);
  });
  addEventListener("pagehide", () => growing.close());
}
follow();
document.addEventListener("refreshed", follow);

// Filters: rows whose words have all that is typed.

function filter(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of all("[data-words]", document.querySelector(input.dataset.filter) ?? undefined)) {
    row.hidden = !words.every((word) => row.dataset.words.includes(word));
  }
}
function filterAll() {
  for (const input of all("input[data-filter]")) if (input.value) filter(input);
}
document.addEventListener("input", (event) => {
  if (event.target.dataset?.filter) filter(event.target);
});

// Graphs: the edges of the task under the pointer.

function light(node) {
  const graph = node.closest(".graph");
  graph.dataset.mine = "";
  graph.classList.add("lit");
  for (const edge of all(".edge", graph)) {
    edge.dataset.mine = "";
    const its = edge.dataset.from === node.dataset.node || edge.dataset.to === node.dataset.node;
    edge.classList.toggle("lit", its);
  }
}
function dark(node) {
  const graph = node.closest(".graph");
  graph.classList.remove("lit");
  delete graph.dataset.mine;
  for (const edge of all(".edge", graph)) {
    edge.classList.remove("lit");
    delete edge.dataset.mine;
  }
}
for (const [event, what] of [["mouseover", light], ["focusin", light], ["mouseout", dark], ["focusout", dark]]) {
  document.addEventListener(event, (happened) => {
    const node = happened.target.closest?.(".graph .node");
    if (node) what(node);
  });
}

// Only one question is open, and Escape closes it.

document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details.sure[open]")) return;
  for (const other of all("details.sure[open]")) if (other !== event.target) other.open = false;
}, true);
document.addEventListener("click", (event) => {
  for (const open of all("details.sure[open]")) if (!open.contains(event.target)) open.open = false;
});

// Buttons that copy a text.

function showCopies() {
  for (const button of all("[data-copy][hidden]")) button.hidden = !navigator.clipboard;
}
showCopies();
document.addEventListener("refreshed", showCopies);
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const word = button.textContent;
  button.textContent = "copied";
  setTimeout(() => (button.textContent = word), 1200);
});

// Keys.

let row = null;
function rows() {
  return all("[data-rows] tbody tr, ul[data-rows] > li").filter((one) => !one.hidden);
}
function step(by) {
  const list = rows();
  if (list.length === 0) return;
  const at = list.indexOf(row);
  const next = list[Math.min(Math.max(at + by, 0), list.length - 1)];
  row?.classList.remove("at");
  if (row) delete row.dataset.mine;
  row = next;
  row.dataset.mine = "";
  row.classList.add("at");
  row.scrollIntoView({ block: "nearest" });
  (row.querySelector("[data-open]") ?? row.querySelector("a"))?.focus({ preventScroll: true });
}
function move(cell, dx, dy) {
  const line = cell.closest("tr");
  const place = [...line.children].indexOf(cell.closest("td"));
  const to = dx ? line.children[place + dx] : (dy > 0 ? line.nextElementSibling : line.previousElementSibling)?.children[place];
  to?.querySelector("a")?.focus();
}
function tab(by) {
  const tabs = all("main .tabs a");
  const at = tabs.findIndex((one) => one.getAttribute("aria-current"));
  tabs[Math.max(at, 0) + by]?.click();
}
let before = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    for (const open of all("details.sure[open]")) open.open = false;
    if (document.activeElement?.matches("input")) document.activeElement.blur();
    return;
  }
  if (event.target.closest?.("input, textarea, select, dialog")) return;
  const cell = event.target.closest?.(".grid td a");
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (cell && arrows[event.key]) {
    event.preventDefault();
    move(cell, ...arrows[event.key]);
    return;
  }
  const chord = before + event.key;
  before = event.key === "g" ? "g" : "";
  const places = { gh: "/", gr: "/runs", gs: "/schedule" };
  if (places[chord]) location.href = places[chord];
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "u") all(".crumbs a").at(-1)?.click();
  else if (event.key === "[" || event.key === "]") tab(event.key === "]" ? 1 : -1);
  else if (event.key === "t") switchTheme();
  else if (event.key === "?") document.getElementById("keys")?.showModal();
  else if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  }
});

// Times that grow while one looks.

setInterval(() => {
  for (const time of all("time[data-since]")) {
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dataset.since)) / 1000));
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
    time.textContent = hours ? `${hours}h ${minutes}m` : minutes ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
  }
}, 1000);
