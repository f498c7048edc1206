// What pages do by themselves: local times, live parts, keys, copying, asking before harm is done. Every page works without it.
"use strict";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const near = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const far = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const units = [["day", 86400000], ["hour", 3600000], ["minute", 60000], ["second", 1000]];

function ago(at) {
  const gone = at - Date.now();
  const [unit, size] = units.find(([, size]) => Math.abs(gone) >= size) || ["second", 1000];
  return relative.format(Math.round(gone / size), unit);
}

function tellTimes(inside) {
  for (const one of inside.querySelectorAll("time")) {
    const at = Date.parse(one.dateTime);
    const isNear = new Date(at).toDateString() === new Date().toDateString();
    const text = (isNear ? near : far).format(at);
    one.textContent = "ago" in one.dataset ? ago(at) : text;
    one.title = `${exact.format(at)} (${ago(at)})`;
  }
}

function addCopying(inside) {
  if (!navigator.clipboard) return;
  for (const block of inside.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
}

function prepare(inside) {
  tellTimes(inside);
  addCopying(inside);
}

// Live parts: the server sends the part again when it has changed; what the reader has opened or touches stays as it is.

function isTouched(part) {
  const chosen = getSelection();
  return part.contains(document.activeElement) && /INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)
    || chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode);
}

function renew(part, html) {
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((one) => one.id));
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const at = part.querySelector("tr.at a")?.getAttribute("href");
  part.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  prepare(part);
  const find = (href) => href && [...part.querySelectorAll("a")].find((one) => one.getAttribute("href") === href);
  find(focused)?.focus({ preventScroll: true });
  find(at)?.closest("tr")?.classList.add("at");
}

function live(part) {
  let source = null;
  let paused = false;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet pulse";
  document.querySelector(".title").append(button);
  const show = () => { button.textContent = paused ? "▶ Go live" : "● Live"; button.setAttribute("aria-pressed", String(!paused)); };
  const open = () => {
    source = new EventSource(location.href);
    source.onmessage = (event) => {
      part.classList.remove("stale");
      if (!isTouched(part)) renew(part, JSON.parse(event.data));
    };
    source.addEventListener("trouble", () => part.classList.add("stale"));
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) { paused = true; show(); } };
  };
  const close = () => { source?.close(); source = null; };
  const toggle = () => { paused = !paused; paused ? close() : open(); show(); };
  button.addEventListener("click", toggle);
  document.addEventListener("visibilitychange", () => { if (!paused) document.hidden ? close() : source || open(); });
  addEventListener("pagehide", close);
  show();
  open();
  return toggle;
}

// Keys.

const places = { o: "/", m: "/messages", e: "/events", r: "/runs", d: "/dead-letters", q: "/queues", f: "/flow", s: "/schedules", b: "/builder" };
let afterG = 0;

function step(by) {
  const rows = [...document.querySelectorAll(".list tbody tr")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  rows[at]?.classList.remove("at");
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + by))] || rows[0];
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const keys = document.getElementById("keys");
  if (keys.open) return;
  if (event.key === "/") { event.preventDefault(); const find = document.getElementById("find"); find.focus(); find.select(); }
  else if (event.key === "?") keys.showModal();
  else if (event.key === "g") afterG = Date.now();
  else if (Date.now() - afterG < 1500 && places[event.key]) location.href = document.querySelector(".brand").getAttribute("href").replace(/\/$/, "") + places[event.key];
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "Enter" && event.target === document.body) document.querySelector("tr.at a")?.click();
  else if (event.key === "l") document.querySelector(".pulse")?.click();
}

// Dates of filters: local in the field, milliseconds in the address.

function bindDates() {
  for (const field of document.querySelectorAll("[data-ms]")) {
    const hidden = field.form.elements[field.dataset.ms];
    if (hidden.value) {
      const at = new Date(Number(hidden.value));
      field.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
    }
    field.addEventListener("change", () => { hidden.value = field.value ? String(new Date(field.value).getTime()) : ""; });
  }
}

// Empty fields do not belong into an address.

function dropEmpty(event) {
  const form = event.target;
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) { event.preventDefault(); return; }
  if (form.method === "get") for (const one of form.elements) if (one.name && !one.value) one.disabled = true;
}

prepare(document);
bindDates();
addEventListener("keydown", onKey);
addEventListener("submit", dropEmpty);
addEventListener("pageshow", () => { for (const one of document.querySelectorAll("form[method=get] [disabled]")) one.disabled = false; });
setInterval(() => tellTimes(document), 30000);
document.querySelector("[data-keys]")?.addEventListener("click", () => document.getElementById("keys").showModal());
const menu = document.querySelector(".menu");
menu?.addEventListener("click", () => {
  const open = document.getElementById("nav").classList.toggle("open");
  menu.setAttribute("aria-expanded", String(open));
});
// Lists with boxes: what a button does is done to the chosen lines, or to all there are.
const scope = document.querySelector(".scope");
const boxes = [...document.querySelectorAll("[name=dlqId][type=checkbox]")];

function tellChosen() {
  const chosen = boxes.filter((one) => one.checked).length;
  scope.querySelector("[data-chosen]").textContent = chosen || "";
  if (chosen) scope.querySelector("[value=chosen]").checked = true;
}

for (const all of document.querySelectorAll("[data-all]")) {
  all.addEventListener("change", () => { for (const one of boxes) one.checked = all.checked; tellChosen(); });
}
for (const one of boxes) one.addEventListener("change", tellChosen);

function question(button) {
  const isAll = scope?.querySelector("[value=all]").checked && button.dataset.confirmAll;
  return isAll ? button.dataset.confirmAll.replace("{all}", scope.dataset.allAre) : button.dataset.confirm;
}
const part = document.querySelector("[data-live]:not([data-still])");
if (part && "EventSource" in window) live(part);

// The builder shows the fields that fit what is built.
const build = document.getElementById("build");
if (build) {
  const fit = () => {
    const kind = build.elements.kind.value;
    for (const one of build.querySelectorAll("[data-for]")) {
      one.hidden = !one.dataset.for.split(" ").includes(kind);
      for (const field of one.querySelectorAll("input, select")) field.disabled = one.hidden;
    }
  };
  build.addEventListener("change", fit);
  fit();
}
for (const button of document.querySelectorAll("button[data-confirm], button[data-confirm-all]")) {
  button.addEventListener("click", (event) => {
    const asked = question(button);
    if (asked && !confirm(asked)) event.preventDefault();
  });
}

// An address may name what stands folded up.
function unfold() {
  const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let one = named || null; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  named?.scrollIntoView();
}
addEventListener("hashchange", unfold);
if (location.hash) unfold();
