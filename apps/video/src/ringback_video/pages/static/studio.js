"use strict";

const MOST = 10;
const WORDS = {
  "queued": "Queued: the broker is about to call",
  "update-status": "Work has begun",
  "generate-video": "Photos are here, rendering starts",
  "poll-completion": "Rendering your video",
  "save-result": "Done",
};
const $ = (id) => document.getElementById(id);
const shop = document.body.dataset.shop;
let chosen = [];
// randomUUID exists on secure pages only
const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
let key = newKey();
let stream = null;
let current = null;

function show() {
  $("photos").replaceChildren(...chosen.map((photo, at) => {
    const item = document.createElement("li");
    const image = Object.assign(new Image(), { src: photo.url, alt: photo.name });
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(
      tool("←", `Move ${photo.name} forward`, at === 0, () => move(at, at - 1)),
      tool("×", `Remove ${photo.name}`, false, () => remove(at)),
      tool("→", `Move ${photo.name} back`, at === chosen.length - 1, () => move(at, at + 1)),
    );
    item.append(image, tools);
    return item;
  }));
  for (const sample of document.querySelectorAll(".sample")) {
    sample.setAttribute("aria-pressed", chosen.some((photo) => photo.url === sample.dataset.url));
  }
  key = newKey();
}

function tool(text, label, disabled, act) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, disabled });
  button.setAttribute("aria-label", label);
  button.addEventListener("click", act);
  return button;
}

function move(from, to) {
  const [photo] = chosen.splice(from, 1);
  chosen.splice(to, 0, photo);
  show();
}

function remove(at) {
  chosen.splice(at, 1);
  show();
}

function add(photo) {
  if (chosen.length >= MOST) {
    $("problem").textContent = `At most ${MOST} photos fit into one video.`;
    return;
  }
  chosen.push(photo);
  show();
}

async function upload(files) {
  $("problem").textContent = "";
  for (const file of files) {
    const form = new FormData();
    form.append("photo", file);
    const response = await fetch("/api/uploads", { method: "POST", body: form });
    const answer = await response.json();
    if (response.ok) add({ url: answer.url, name: file.name });
    else $("problem").textContent = `${file.name}: ${answer.detail}`;
  }
}

async function order(event) {
  event.preventDefault();
  $("problem").textContent = "";
  $("generate").disabled = true;
  try {
    const response = await fetch("/api/generate", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": key },
      body: JSON.stringify({
        shopId: shop,
        templateId: document.querySelector("[name=template]:checked").value,
        sourceImageUrls: chosen.map((photo) => photo.url),
        caption: $("caption").value.trim() || null,
      }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    follow(answer.jobId);
  } catch (error) {
    $("problem").textContent = error.message;
    $("generate").disabled = false;
  }
}

async function act(what) {
  $("problem").textContent = "";
  const response = await fetch(`/api/jobs/${current}/${what}`, { method: "POST" });
  const answer = await response.json();
  if (!response.ok) $("reason").textContent = answer.detail;
  else if (what === "retry") follow(answer.jobId);
}

function follow(id) {
  current = id;
  $("cancel").hidden = false;
  $("again").hidden = true;
  $("result").hidden = false;
  $("video").hidden = true;
  $("working").hidden = false;
  $("after").hidden = true;
  $("reason").textContent = "";
  $("result").scrollIntoView({ behavior: "smooth", block: "nearest" });
  stream?.close();
  stream = new EventSource(`/api/jobs/${id}/events`);
  stream.onmessage = (message) => tell(JSON.parse(message.data));
}

function tell(job) {
  const step = job.status === "queued" ? "queued" : job.step || "update-status";
  $("percent").textContent = `${job.progress} %`;
  $("bar").setAttribute("aria-valuenow", job.progress);
  $("bar").firstElementChild.style.width = `${job.progress}%`;
  $("doing").textContent = WORDS[step];
  let before = true;
  for (const item of $("steps").children) {
    const is = item.dataset.step === step;
    if (is) before = false;
    item.className = job.status === "done" || (before && !is) ? "over" : is ? "now" : "";
  }
  if (job.status === "done") finish(job);
  if (job.status === "failed" || job.status === "canceled") fail(job);
}

function finish(job) {
  end();
  $("working").hidden = true;
  Object.assign($("video"), { src: job.videoUrl, hidden: false });
  $("video").play().catch(() => {});
  $("download").href = $("open").href = job.videoUrl;
  $("download").download = `video-${job.jobId.slice(0, 8)}.mp4`;
  $("after").hidden = false;
}

function fail(job) {
  end();
  $("doing").textContent = "This did not work";
  $("reason").textContent = job.reason;
}

function end() {
  $("cancel").hidden = true;
  $("again").hidden = false;
  stream?.close();
  $("generate").disabled = false;
  key = newKey();
  refresh();
}

async function refresh() {
  const [jobs, usage] = await Promise.all([
    fetch(`/api/jobs?shopId=${shop}`).then((response) => response.json()),
    fetch(`/api/shops/${shop}`).then((response) => response.json()),
  ]);
  $("usage").textContent = `${usage.videosUsed} of ${usage.quota} videos used`;
  $("no-history").hidden = jobs.length > 0;
  $("history").replaceChildren(...jobs.map(line));
}

function line(job) {
  const item = document.createElement("li");
  const what = document.createElement("span");
  const name = document.querySelector(`[value="${job.templateId}"]`)?.closest("label").querySelector(".name").textContent;
  what.textContent = `${name ?? job.templateId}: “${job.caption}”, ${new Date(job.createdAt).toLocaleString()}`;
  const state = Object.assign(document.createElement("span"), { className: `state ${job.status}` });
  if (job.videoUrl) state.append(Object.assign(document.createElement("a"), { href: job.videoUrl, textContent: "Watch" }));
  else state.textContent = job.reason || job.status;
  item.append(what, state);
  return item;
}

for (const sample of document.querySelectorAll(".sample")) {
  const photo = { url: sample.dataset.url, name: sample.dataset.name };
  chosen.push(photo);
  sample.addEventListener("click", () => {
    const at = chosen.findIndex((one) => one.url === photo.url);
    if (at < 0) add(photo);
    else remove(at);
  });
}
for (const template of document.querySelectorAll("[name=template]")) {
  template.addEventListener("change", () => { $("caption").placeholder = template.dataset.caption; key = newKey(); });
}
$("caption").addEventListener("input", () => { key = newKey(); });
$("files").addEventListener("change", (event) => { upload([...event.target.files]); event.target.value = ""; });
for (const name of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") upload([...event.dataTransfer.files]);
  });
}
$("order").addEventListener("submit", order);
$("cancel").addEventListener("click", () => act("cancel"));
$("again").addEventListener("click", () => act("retry"));
show();
refresh();
