// The gallery: previews move while they are seen, unless somebody has paused them.
import { $, keep, kept } from "./dom.js";
import { complete, isThere } from "./previews.js";

const cards = [...document.querySelectorAll(".template")];
const films = [...document.querySelectorAll(".template video")];
const seen = new Set();
let paused = (kept("previews") ?? (matchMedia("(prefers-reduced-motion: reduce)").matches ? "paused" : "moving")) === "paused";

export const chosen = () => document.querySelector("[name=template]:checked");
export const format = () => document.querySelector("[name=format]:checked").value;

/** The id to order: the chosen template in the chosen format. */
export const templateId = () => chosen().dataset[format()];

/** What a template is called, by the id of any of its formats. */
export function describe(id) {
  const input = cards.map((card) => card.querySelector("input"))
    .find(({ dataset }) => [dataset.landscape, dataset.square, dataset.portrait].includes(id));
  const shape = input && ["landscape", "square", "portrait"].find((name) => input.dataset[name] === id);
  const still = isThere(input?.dataset.still) ? input.dataset.still : "/static/icon.svg";
  return { name: input?.dataset.name ?? id, still, format: shape ?? "" };
}

function move(film) {
  if (paused || !seen.has(film) || !isThere(film.dataset.src)) return film.pause();
  if (!film.src) film.src = film.dataset.src;
  return film.play().catch(() => {}); // the browser saves power
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
  if (!isThere(still)) sample.removeAttribute("poster");
  else if (!sample.poster.endsWith(still)) sample.poster = still;
  const source = chosen().closest("label").querySelector("video").dataset.src;
  if (paused || !isThere(source)) {
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
  }
  $("pause").addEventListener("click", () => {
    paused = !paused;
    keep("previews", paused ? "paused" : "moving");
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
  complete(moveAll);
}
