// Which previews there are: a new studio makes them when its first visitor comes, and nothing is asked for before it is there.
import * as api from "./api.js";

const FIRST_MS = 2000;
const LAST_MS = 60_000;
const stills = [...document.querySelectorAll(".still")];
const films = [...document.querySelectorAll(".template video")];
const there = new Set([
  ...stills.filter((still) => still.src).map((still) => still.getAttribute("src")),
  ...films.filter((film) => "there" in film.dataset).map((film) => film.dataset.src),
]);

export const isThere = (address) => there.has(address);

function arrive(addresses) {
  for (const address of addresses) there.add(address);
  for (const still of stills) {
    if (!still.hidden || !isThere(still.dataset.src)) continue;
    still.src = still.dataset.src;
    still.hidden = false;
  }
}

/** Ask until all are there, less and less often, and tell each time that something new has come. */
export async function complete(changed, wait = FIRST_MS) {
  if (there.size === stills.length + films.length || wait > LAST_MS) return;
  const before = there.size;
  arrive(await api.previews().catch(() => []));
  if (there.size > before) changed();
  setTimeout(complete, wait, changed, wait * 1.3);
}
