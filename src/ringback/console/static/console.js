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

function lasting(since) {
  const gone = Date.now() - since;
  const [unit, size] = units.find(([, size]) => gone >= size) || ["second", 1000];
  return new Intl.NumberFormat(undefined, { style: "unit", unit }).format(Math.max(0, Math.floor(gone / size)));
}

function tellTimes(inside) {
  for (const one of inside.querySelectorAll("time")) {
    const at = Date.parse(one.dateTime);
    const isNear = new Date(at).toDateString() === new Date().toDateString();
    const text = (isNear ? near : far).format(at);
    one.textContent = "ago" in one.dataset ? ago(at) : "since" in one.dataset ? lasting(at) : text;
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

let isPressed = false;
addEventListener("pointerdown", () => { isPressed = true; });
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { isPressed = false; });

function isTouched(part) {
  const chosen = getSelection();
  return isPressed || part.contains(document.activeElement) && /INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName)
    || chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode);
}

/** What stays the same of a link, a button or a heading that folds, when it is sent again. */
const handle = (one) => one.getAttribute("href") ?? one.closest("form")?.getAttribute("action") ?? one.closest("details")?.id;

function renew(part, html) {
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((one) => one.id));
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const at = part.querySelector("tr.at a")?.getAttribute("href");
  part.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  prepare(part);
  const find = (tag, wanted) => wanted && [...part.querySelectorAll(tag)].find((one) => handle(one) === wanted);
  if (focused) find(focused.tagName, handle(focused))?.focus({ preventScroll: true });
  find("a", at)?.closest("tr")?.classList.add("at");
}

const PATIENCE_MS = 6000;
const AGAIN_MS = 3000;

function live(part) {
  let source = null;
  let paused = false;
  let silence = 0;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet pulse";
  document.querySelector(".title").append(button);
  const notice = document.createElement("p");
  notice.className = "problem";
  notice.setAttribute("role", "status");
  part.before(notice);
  const tell = (...text) => {
    notice.replaceChildren(...text);
    notice.hidden = !text.length;
    button.classList.toggle("lost", !paused && text.length > 0);
    button.textContent = paused ? "▶ Go live" : text.length ? "○ Not live" : "● Live";
    button.setAttribute("aria-pressed", String(!paused));
  };
  const hear = () => {
    clearTimeout(silence);
    silence = 0;
    if (!notice.hidden) tell();
  };
  const open = () => {
    source = new EventSource(location.href);
    source.onmessage = (event) => {
      hear();
      if (!isTouched(part)) renew(part, JSON.parse(event.data));
    };
    source.addEventListener("trouble", (event) => tell(`Not live: ${JSON.parse(event.data)}`));
    source.onerror = () => {
      // streams end now and then, and browsers open another by themselves, but not where they were refused
      silence ||= setTimeout(tell, PATIENCE_MS, "Not live: the console gives no answer. It is asked again and again.");
      if (source.readyState === EventSource.CLOSED) refused();
    };
  };
  const close = () => { source?.close(); source = null; clearTimeout(silence); silence = 0; };
  const refused = async () => {
    const mine = source;
    const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
    if (source !== mine) return;
    if (answer?.type === "opaqueredirect") {
      const link = document.createElement("a");
      link.href = location.href;
      link.textContent = "Log in again";
      close();
      tell("You are logged out, and this page stands still. ", link);
    } else setTimeout(() => { if (source === mine) open(); }, AGAIN_MS);
  };
  const toggle = () => { paused = !paused; paused ? close() : open(); tell(); };
  button.addEventListener("click", toggle);
  document.addEventListener("visibilitychange", () => { if (!paused) document.hidden ? close() : source || open(); });
  addEventListener("pagehide", close);
  tell();
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
