// The photos: chosen, dropped or pasted, sent to the studio, and put in order by mouse, finger or keyboard.
import * as api from "./api.js";
import { $, make, say } from "./dom.js";

const MOST = Number(document.body.dataset.most);
const SEND_WHOLE = 3_500_000; // platforms refuse bodies of more than 4.5 MB
const LONG_SIDE = 2400;
const MOST_TOLD = 3;
const MOST_MEGABYTES = Number(document.body.dataset.megabytes);
let photos = [];
let shrinking = Promise.resolve();
let changed = () => {};
let complain = () => {};

/** Addresses to order with, in order. */
export const urls = () => photos.filter((photo) => photo.url).map((photo) => new URL(photo.url, document.body.dataset.base).href);
export const count = () => photos.length;
export const busy = () => photos.some((photo) => !photo.url);

function add(photo) {
  if (photos.length >= MOST) return false;
  photos.push(photo);
  update();
  return true;
}

function remove(photo) {
  const at = photos.indexOf(photo);
  photos = photos.filter((one) => one !== photo);
  if (photo.local) URL.revokeObjectURL(photo.local);
  update();
  say(`${photo.name} removed.`);
  const next = $("photos").children[Math.min(at, photos.length - 1)];
  (next?.querySelector(".remove") ?? $("files")).focus();
}

function move(photo, to) {
  photos = photos.filter((one) => one !== photo);
  photos.splice(to, 0, photo);
  update();
  say(`${photo.name} is now photo ${to + 1} of ${photos.length}.`);
}

function tool(className, text, label, disabled, act) {
  const button = make("button", { type: "button", className, disabled, "aria-label": label }, text);
  button.addEventListener("click", act);
  return button;
}

function tile(photo, at) {
  const step = (to, className) => () => {
    move(photo, to);
    const item = $("photos").children[to];
    const same = item.querySelector(`.${className}`);
    (same.disabled ? item.querySelector("button:not(:disabled)") : same).focus();
  };
  const item = make("li", { draggable: true, className: photo.url ? "" : "sending" },
    make("img", { src: photo.local ?? photo.url, alt: photo.name, width: 132, height: 92 }),
    make("span", { className: "position", "aria-hidden": "true" }, String(at + 1)),
    make("div", { className: "tools" },
      tool("earlier", "←", `Move ${photo.name} earlier`, at === 0, step(at - 1, "earlier")),
      tool("remove", "✕", `Remove ${photo.name}`, false, () => remove(photo)),
      tool("later", "→", `Move ${photo.name} later`, at === photos.length - 1, step(at + 1, "later"))));
  item.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData("text/x-position", String(at));
    event.dataTransfer.effectAllowed = "move";
    item.classList.add("dragged");
  });
  item.addEventListener("dragend", () => item.classList.remove("dragged"));
  item.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("text/x-position")) event.preventDefault();
  });
  item.addEventListener("drop", (event) => {
    const from = event.dataTransfer.getData("text/x-position");
    if (from === "") return;
    event.preventDefault();
    event.stopPropagation();
    move(photos[Number(from)], at);
  });
  return item;
}

function update() {
  $("photos").replaceChildren(...photos.map(tile));
  for (const sample of document.querySelectorAll(".sample")) {
    sample.setAttribute("aria-pressed", String(photos.some((photo) => photo.url === sample.dataset.url)));
  }
  changed();
}

/** Large photos are made smaller here: that is quicker to send, and the film needs no more. */
async function smaller(file) {
  if (file.size <= SEND_WHOLE) return file;
  // one after the other: a phone has no room for ten photos unpacked
  const made = shrinking.then(() => shrink(file));
  shrinking = made;
  const sent = await made;
  if (sent.size > MOST_MEGABYTES * 1024 * 1024) throw new Error(`This is no photo we can read, and larger than ${MOST_MEGABYTES} MB.`);
  return sent;
}

async function shrink(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LONG_SIDE / Math.max(picture.width, picture.height));
    const canvas = make("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff"; // behind what shines through, as the studio does
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return await new Promise((done) => canvas.toBlob((blob) => done(blob ?? file), "image/jpeg", 0.9));
  } catch {
    return file; // the studio says what is wrong with it
  }
}

/** Send a photo; returns what is wrong with it, if anything is. */
async function send(photo, file) {
  try {
    photo.url = (await api.upload(await smaller(file), photo.name)).url;
    update();
    return [];
  } catch (error) {
    const isMeant = photos.includes(photo); // it may have been taken away meanwhile
    photos = photos.filter((one) => one !== photo);
    URL.revokeObjectURL(photo.local);
    update();
    return isMeant ? [`${photo.name}: ${error.message}`] : [];
  }
}

async function take(files) {
  complain("");
  const wrong = [];
  const sent = [];
  let left = 0;
  for (const file of files) {
    const name = file.name || "Pasted photo";
    if (file.type && !file.type.startsWith("image/")) wrong.push(`${name} is no photo: use JPEG, PNG or WebP.`);
    else if (photos.length >= MOST) left += 1;
    else {
      const photo = { name, local: URL.createObjectURL(file), url: "" };
      add(photo);
      sent.push(send(photo, file));
    }
  }
  if (left) wrong.push(`At most ${MOST} photos fit into one film: ${left} ${left === 1 ? "was" : "were"} left out.`);
  wrong.push(...(await Promise.all(sent)).flat());
  if (sent.length) say(`${photos.length} photos chosen.`);
  if (wrong.length) complain(told(wrong), "sourceImageUrls");
}

function told(wrong) {
  const more = wrong.length - MOST_TOLD;
  return [...wrong.slice(0, MOST_TOLD), ...(more > 0 ? [`And ${more} more could not be taken.`] : [])].join("\n");
}

function toggle(sample) {
  const known = photos.find((photo) => photo.url === sample.dataset.url);
  if (known) {
    photos = photos.filter((photo) => photo !== known);
    update();
  } else if (!add({ url: sample.dataset.url, name: sample.dataset.name })) {
    complain(`At most ${MOST} photos fit into one film.`, "sourceImageUrls");
  }
}

export function start(onChange, onComplaint) {
  changed = onChange;
  complain = onComplaint;
  const samples = [...document.querySelectorAll(".sample")];
  for (const sample of samples) sample.addEventListener("click", () => { complain(""); toggle(sample); });
  $("all-samples").addEventListener("click", () => {
    complain("");
    samples.filter((sample) => sample.getAttribute("aria-pressed") === "false").forEach(toggle);
    say(`${photos.length} photos chosen.`);
  });
  $("files").addEventListener("change", (event) => { take([...event.target.files]); event.target.value = ""; });
  document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) take([...event.clipboardData.files]); });
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      $("drop").classList.toggle("over", name === "dragover");
      if (name === "drop") take([...event.dataTransfer.files]);
    });
  }
  update();
}
