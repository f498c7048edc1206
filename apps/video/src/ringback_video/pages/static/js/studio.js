// The page put together: what is chosen is summed up, ordered, followed, and found again in the history.
import * as api from "./api.js";
import { $, newKey } from "./dom.js";
import * as gallery from "./gallery.js";
import { isUnderWay, older, refresh } from "./history.js";
import * as job from "./job.js";
import * as photos from "./photos.js";

// one key for one order: pressing twice, or trying again after a lost answer, is the same job
let key = newKey();

const actions = {
  watch(one) {
    job.watch(one);
    look();
  },
  follow(id) {
    job.follow(id);
    look();
  },
  async again(id) {
    try {
      actions.follow((await api.again(id)).jobId);
      update();
    } catch (error) {
      complain(error.message);
    }
  },
};

function look() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  $("result").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "nearest" });
  $("result-title").focus({ preventScroll: true });
}

async function update() {
  try {
    return await refresh(actions);
  } catch (error) {
    complain(error.message);
    return [];
  }
}

/** Lead to a field, and to where it is seen: beside the bar at the bottom, which has grown by what it tells. */
function lead(field) {
  field?.focus();
  (field?.closest(".drop") ?? field)?.scrollIntoView({ block: "nearest" });
}

/** Say what is wrong, beside the button, and mark the field it is about. */
function complain(text, field = "") {
  $("problem").textContent = text;
  const about = { caption: "caption", templateId: null }[field] ?? (field.startsWith("sourceImageUrls") ? "files" : null);
  for (const id of ["caption", "files"]) {
    if (text && id === about) $(id).setAttribute("aria-invalid", "true");
    else $(id).removeAttribute("aria-invalid");
  }
  return about && $(about);
}

function changed() {
  key = newKey();
  const many = photos.count();
  const { name, caption } = gallery.chosen().dataset;
  $("caption").placeholder = caption;
  $("count").textContent = `${$("caption").maxLength - $("caption").value.length} characters left`;
  $("sum").textContent = `${name}, ${gallery.format()}, ${many === 1 ? "1 photo" : `${many || "no"} photos`}`;
}

async function order(event) {
  event.preventDefault();
  complain("");
  if (photos.busy()) return complain("A photo is still being sent; one moment.");
  if (!photos.count()) return lead(complain("Add at least one photo, or use our samples.", "sourceImageUrls"));
  $("generate").disabled = true;
  try {
    const { jobId } = await api.generate({
      templateId: gallery.templateId(),
      sourceImageUrls: photos.urls(),
      caption: $("caption").value.trim() || null,
    }, key);
    key = newKey();
    actions.follow(jobId);
    update();
  } catch (error) {
    lead(complain(error.message, error.field));
  } finally {
    $("generate").disabled = false;
  }
  return null;
}

gallery.start(changed);
job.start(update);
photos.start(changed, complain);
$("caption").addEventListener("input", changed);
$("order").addEventListener("submit", order);
$("older").addEventListener("click", () => older(actions).catch((error) => complain(error.message)));
const running = (await update()).find(isUnderWay);
if (running) job.follow(running.jobId);
