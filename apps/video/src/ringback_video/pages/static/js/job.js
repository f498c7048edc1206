// The job on the screen: how far it is in words and per cent, then the film.
import * as api from "./api.js";
import { $, say, show } from "./dom.js";
import { describe, preview } from "./gallery.js";

const WORDS = {
  "queued": "Queued; your film is next in line",
  "update-status": "Work has begun",
  "generate-video": "Your photos are here",
  "poll-completion": "Your film is being made",
  "save-result": "The film is finished",
};
const OVER = ["done", "failed", "canceled"];
const TITLE = document.title;
const LOST = "The studio does not answer just now; your film goes on as soon as it does";
const PATIENCE_MS = 3000;
let stream = null;
let current = null;
let step = "";
let clock = 0;
let silence = 0;
let changed = () => {};

export const following = () => current?.jobId;

/** Follow a job until it has come to its end. */
export function follow(id) {
  stop();
  current = { jobId: id };
  step = "";
  screen("working");
  $("result-title").textContent = "Your film is on its way";
  $("reason").textContent = "";
  for (const name of ["download", "share", "again"]) show($(name), false);
  show($("steps"), true);
  show($("cancel"), true);
  $("cancel").disabled = false;
  tell({ jobId: id, status: "queued", progress: 0 });
  const begun = Date.now();
  clock = setInterval(() => { $("elapsed").textContent = `${Math.round((Date.now() - begun) / 1000)} s`; }, 1000);
  stream = api.events(id);
  const mine = stream;
  stream.onmessage = ({ data }) => tell(JSON.parse(data));
  stream.onerror = () => {
    if (mine.readyState === EventSource.CLOSED) ask(id, mine);
    else silence ||= setTimeout(remark, PATIENCE_MS, LOST); // it tries again by itself, after each end of a stream
  };
}

/** Where events do not come through, ask now and then. */
async function ask(id, mine) {
  const found = await api.job(id).catch((error) => error);
  if (stream !== mine) return; // somebody looks at another film meanwhile
  if (!(found instanceof Error)) tell(found);
  else remark(found.status ? found.message : LOST);
  if (stream === mine) setTimeout(ask, 2000, id, mine);
}

function remark(text) {
  $("doing").textContent = text;
  if (text !== step) say(text);
  step = text;
}

function quiet() {
  clearTimeout(silence);
  silence = 0;
}

function stop() {
  quiet();
  stream?.close();
  stream = null;
  clearInterval(clock);
  $("elapsed").textContent = "";
  document.title = TITLE;
}

function screen(what) {
  preview(what === "sample");
  show($("working"), what === "working");
  show($("video"), what === "video");
  if (what !== "video") $("video").removeAttribute("src");
  show($("told"), what !== "working");
}

function tell(job) {
  quiet();
  current = job;
  const now = job.status === "queued" ? "queued" : job.step || "update-status";
  const text = job.waitingFor || (WORDS[now] ?? "Work goes on");
  $("percent").textContent = `${job.progress} %`;
  $("bar").setAttribute("aria-valuenow", job.progress);
  $("bar").setAttribute("aria-valuetext", `${text}, ${job.progress} per cent`);
  $("bar").firstElementChild.style.width = `${job.progress}%`;
  mark(now, job.status);
  if (!OVER.includes(job.status)) remark(text);
  if (job.status === "done") finish(job);
  else if (OVER.includes(job.status)) fail(job);
  else document.title = `${job.progress} % · ${TITLE}`;
}

function mark(now, status) {
  let before = true;
  for (const item of $("steps").children) {
    const is = item.dataset.step === now;
    if (is) before = false;
    item.className = status === "done" || (before && !is) ? "over" : is ? "now" : "";
    if (is && status !== "done") item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
}

function end() {
  stop();
  show($("cancel"), false);
  show($("again"), true);
  changed();
}

function finish(job) {
  end();
  watch(job);
  say("Your film is finished.");
  document.title = `✓ Film finished · ${TITLE}`;
  $("video").muted = true; // a film that starts by itself may make no noise
  $("video").play().catch(() => {});
}

/** Show a finished film; one that is being made is followed in the list below. */
export function watch(job) {
  stop();
  current = job;
  screen("video");
  show($("steps"), false);
  $("reason").textContent = "";
  $("result-title").textContent = "Your film";
  const { name, format } = describe(job.templateId);
  $("told").textContent = `${name}, ${format}: “${job.caption}”`;
  $("video").src = api.own(job.videoUrl);
  $("video").setAttribute("aria-label", `Film: ${job.caption}`);
  $("download").href = api.own(job.videoUrl);
  $("download").download = `video-${job.jobId.slice(0, 8)}.mp4`;
  $("again").textContent = "Make it again";
  for (const id of ["download", "share", "again"]) show($(id), true);
  show($("cancel"), false);
}

function fail(job) {
  end();
  screen("sample");
  show($("steps"), false);
  $("told").textContent = "The template with our sample photos.";
  $("result-title").textContent = job.status === "canceled" ? "Canceled" : "This did not work";
  $("reason").textContent = job.reason || (job.status === "canceled" ? "The job was canceled." : "The film could not be made.");
  $("again").textContent = "Try again";
}

async function share() {
  const link = new URL(current.videoUrl, location.href).href;
  try {
    if (navigator.share && matchMedia("(pointer: coarse)").matches) {
      await navigator.share({ title: current.caption, url: link });
      return;
    }
    await navigator.clipboard.writeText(link);
    $("told").textContent = "The link is in the clipboard.";
    say("The link is in the clipboard.");
  } catch (error) {
    if (error.name === "AbortError") return;
    $("told").textContent = link;
  }
}

async function act(button, call) {
  button.disabled = true;
  $("reason").textContent = "";
  try {
    return await call(current.jobId);
  } catch (error) {
    $("reason").textContent = error.message;
    return null;
  } finally {
    button.disabled = false;
  }
}

export function start(onChange) {
  changed = onChange;
  $("cancel").addEventListener("click", () => act($("cancel"), api.cancel));
  $("share").addEventListener("click", share);
  $("again").addEventListener("click", async () => {
    const job = await act($("again"), api.again);
    if (job) {
      follow(job.jobId);
      changed();
    }
  });
}
