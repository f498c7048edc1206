// The shop's films and its usage.
import * as api from "./api.js";
import { $, make, show } from "./dom.js";
import { describe } from "./gallery.js";

const STATES = { queued: "Queued", processing: "Being made", done: "Finished", failed: "Failed", canceled: "Canceled" };
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const at = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const own = (url) => url?.startsWith(`${document.body.dataset.base}/`) ? url.slice(document.body.dataset.base.length) : null;

function button(text, label, act) {
  const made = make("button", { type: "button", className: "small", "aria-label": label }, text);
  made.addEventListener("click", act);
  return made;
}

function line(job, actions) {
  const { name, still } = describe(job.templateId);
  const title = `${name}: “${job.caption}”`;
  const choices = make("span", { className: "acts" });
  if (job.status === "done" && job.videoUrl) {
    choices.append(button("Watch", `Watch ${title}`, () => actions.watch(job)),
      make("a", { href: job.videoUrl, download: `video-${job.jobId.slice(0, 8)}.mp4`, className: "small", "aria-label": `Download ${title}` }, "Download"));
  } else if (job.status === "queued" || job.status === "processing") {
    choices.append(button("Follow", `Follow ${title}`, () => actions.follow(job.jobId)));
  } else {
    choices.append(button("Try again", `Try again ${title}`, () => actions.again(job.jobId)));
  }
  const past = make("details", {}, make("summary", { "aria-label": `What happened to ${title}` }, "What happened"),
    make("ol", {}, ...(job.history ?? []).map((change) => make("li", {},
      make("time", { dateTime: change.at }, at.format(new Date(change.at))), ` ${STATES[change.status] ?? change.status}: ${change.reason}`))));
  const picture = make("img", { src: own(job.sourceImageUrls?.[0]) ?? still, alt: "", width: 96, height: 64, loading: "lazy" });
  picture.addEventListener("error", () => { picture.src = still; }, { once: true });
  return make("li", { className: "film" }, picture,
    make("span", { className: "what" }, make("strong", {}, job.caption), make("span", { className: "facts" }, `${name} · `,
      make("time", { dateTime: job.createdAt }, when.format(new Date(job.createdAt))))),
    make("span", { className: `state ${job.status}` }, STATES[job.status] ?? job.status),
    choices, ...(job.status === "failed" ? [make("span", { className: "why" }, job.reason)] : []), past);
}

/** Ask for films and usage, and show them; returns the jobs. */
export async function refresh(actions) {
  const [jobs, usage] = await Promise.all([api.jobs(), api.usage()]);
  const meter = make("meter", { min: 0, max: usage.quota, value: usage.videosUsed, "aria-label": "Films used" });
  $("usage").replaceChildren(meter, ` ${usage.videosUsed} of ${usage.quota} films used`);
  show($("no-history"), jobs.length === 0);
  $("history").replaceChildren(...jobs.map((job) => line(job, actions)));
  return jobs;
}
