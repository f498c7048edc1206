// The shop's films and its usage; as long as films are being made, they are looked at now and then.
import * as api from "./api.js";
import { $, make, show } from "./dom.js";
import { describe } from "./gallery.js";

const STATES = { queued: "Queued", processing: "Being made", done: "Finished", failed: "Failed", canceled: "Canceled" };
const LOOK_MS = 4000;
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const at = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const drawn = new Map(); // by job: its line, and what that was made from
let films = [];
let following = "";
let next = 0;

export const isUnderWay = ({ status }) => status === "queued" || status === "processing";

function button(text, label, act) {
  const made = make("button", { type: "button", className: "small", "aria-label": label }, text);
  made.addEventListener("click", act);
  return made;
}

function line(job, still, actions) {
  const { name } = describe(job.templateId);
  const title = `${name}: “${job.caption}”`;
  const choices = make("span", { className: "acts" });
  if (job.status === "done" && job.videoUrl) {
    choices.append(button("Watch", `Watch ${title}`, () => actions.watch(job)),
      make("a", { href: api.own(job.videoUrl), download: `video-${job.jobId.slice(0, 8)}.mp4`, className: "small", "aria-label": `Download ${title}` }, "Download"));
  } else if (isUnderWay(job)) {
    choices.append(button("Follow", `Follow ${title}`, () => actions.follow(job.jobId)));
  } else {
    choices.append(button("Try again", `Try again ${title}`, () => actions.again(job.jobId)));
  }
  const past = make("details", {}, make("summary", { "aria-label": `What happened to ${title}` }, "What happened"),
    make("ol", {}, ...(job.history ?? []).map((change) => make("li", {},
      make("time", { dateTime: change.at }, at.format(new Date(change.at))), ` ${STATES[change.status] ?? change.status}: ${change.reason}`))));
  const first = api.own(job.sourceImageUrls?.[0]);
  const picture = make("img", { src: first?.startsWith("/") ? first : still, alt: "", width: 96, height: 64, loading: "lazy" });
  picture.addEventListener("error", () => { picture.src = still; }, { once: true });
  const why = job.status === "failed" ? job.reason : job.waitingFor;
  return make("li", { className: "film" }, picture,
    make("span", { className: "what" }, make("strong", {}, job.caption), make("span", { className: "facts" }, `${name} · `,
      make("time", { dateTime: job.createdAt }, when.format(new Date(job.createdAt))))),
    make("span", { className: `state ${job.status}` }, STATES[job.status] ?? job.status),
    choices, ...(why ? [make("span", { className: "why" }, why)] : []), past);
}

/** Draw a line anew only where something has changed: the focus stays where it is, and open what was opened. */
function draw(job, actions) {
  const { still } = describe(job.templateId);
  const from = JSON.stringify([job.status, job.videoUrl, job.reason, job.waitingFor, job.history?.length, still]);
  const before = drawn.get(job.jobId);
  if (before?.from === from) return before.element;
  const element = line(job, still, actions);
  drawn.set(job.jobId, { element, from });
  if (!before) return element;
  const focused = before.element.contains(document.activeElement);
  element.querySelector("details").open = before.element.querySelector("details").open;
  before.element.replaceWith(element);
  if (focused) element.querySelector("button, a").focus();
  return element;
}

function present(actions) {
  const list = $("history");
  films.map((job) => draw(job, actions)).forEach((element, place) => {
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
  });
  show($("no-history"), films.length === 0);
  show($("older"), Boolean(following));
}

/** Ask for films and usage, and show them; returns the jobs. */
export async function refresh(actions) {
  clearTimeout(next);
  const [page, usage] = await Promise.all([api.jobs(), api.usage()]);
  const first = page.items.at(-1)?.createdAt ?? "";
  const known = new Set(page.items.map((job) => job.jobId));
  if (!films.length) following = page.cursor;
  films = [...page.items, ...films.filter((job) => !known.has(job.jobId) && job.createdAt <= first)];
  const meter = make("meter", { min: 0, max: usage.quota, value: usage.videosUsed, "aria-label": "Films used" });
  $("usage").replaceChildren(meter, ` ${usage.videosUsed} of ${usage.quota} films used`);
  present(actions);
  watch(actions);
  return films;
}

/** Ask for the films before those that are shown. */
export async function older(actions) {
  const page = await api.jobs(following);
  const known = new Set(films.map((job) => job.jobId));
  films = [...films, ...page.items.filter((job) => !known.has(job.jobId))];
  following = page.cursor;
  present(actions);
}

function watch(actions) {
  clearTimeout(next);
  if (!films.some(isUnderWay)) return;
  // what goes wrong here is told where the film is followed, or when something is pressed
  next = setTimeout(() => refresh(actions).catch(() => watch(actions)), LOOK_MS);
}
