// The gallery: previews move while they are seen, unless somebody has paused them.
import { $ } from "./dom.js";

const RETRY_MS = 2000;
const cards = [...document.querySelectorAll(".template")];
const films = [...document.querySelectorAll(".template video")];
const seen = new Set();
let paused = localStorage.getItem("previews") === "paused"
  || (localStorage.getItem("previews") === null && matchMedia("(prefers-reduced-motion: reduce)").matches);

export const chosen = () => document.querySelector("[name=template]:checked");
export const format = () => document.querySelector("[name=format]:checked").value;

/** The id to order: the chosen template in the chosen format. */
export const templateId = () => chosen().dataset[format()];

/** What a template is called, by the id of any of its formats. */
export function describe(id) {
  const input = cards.map((card) => card.querySelector("input"))
    .find(({ dataset }) => [dataset.landscape, dataset.square, dataset.portrait].includes(id));
  const shape = input && ["landscape", "square", "portrait"].find((name) => input.dataset[name] === id);
  return { name: input?.dataset.name ?? id, still: input?.dataset.still ?? "/static/icon.svg", format: shape ?? "" };
}

function move(film) {
  if (paused || !seen.has(film)) return film.pause();
  if (!film.src) film.src = film.dataset.src;
  return film.play().catch(() => {}); // the browser saves power, or the film is not there yet
}

function moveAll() {
  $("pause").setAttribute("aria-pressed", String(paused));
  films.forEach(move);
  moveSample();
}

function moveSample() {
  const sample = $("sample");
  if (sample.hidden) return sample.pause();
  const still = chosen().dataset.still;
  if (!sample.poster.endsWith(still)) sample.poster = still;
  const source = chosen().closest("label").querySelector("video").dataset.src;
  if (paused) {
    sample.removeAttribute("src");
    return sample.load();
  }
  if (!sample.src.endsWith(source)) sample.src = source;
  return sample.play().catch(() => {});
}

/** Show or hide the moving preview on the screen. */
export function preview(visible) {
  $("sample").hidden = !visible;
  moveSample();
}

function whenMissing(element, again) {
  // the first visitor of a new studio comes before the previews have been made
  element.addEventListener("error", () => setTimeout(again, RETRY_MS));
}

export function start(changed) {
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) seen.add(target);
      else seen.delete(target);
      move(target);
    }
  });
  for (const film of films) {
    watcher.observe(film);
    film.addEventListener("playing", () => film.classList.add("moving"));
    whenMissing(film, () => { film.removeAttribute("src"); move(film); });
  }
  for (const still of document.querySelectorAll(".still")) {
    const again = () => { still.src = `${still.src.split("#")[0]}#${Date.now()}`; };
    whenMissing(still, again);
    still.addEventListener("error", () => still.classList.add("missing"));
    still.addEventListener("load", () => still.classList.remove("missing"));
    if (still.complete && !still.naturalWidth) still.dispatchEvent(new Event("error"));
  }
  whenMissing($("sample"), () => { $("sample").removeAttribute("src"); moveSample(); });
  $("pause").addEventListener("click", () => {
    paused = !paused;
    localStorage.setItem("previews", paused ? "paused" : "moving");
    moveAll();
  });
  for (const input of document.querySelectorAll("[name=template]")) {
    input.addEventListener("change", () => {
      document.querySelector(`[name=format][value=${input.dataset.format}]`).checked = true;
      moveSample();
      changed();
    });
  }
  for (const input of document.querySelectorAll("[name=format]")) input.addEventListener("change", changed);
  moveAll();
}
