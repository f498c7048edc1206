// Studio's API, as this page uses it.

/** An answer that is a problem document. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.status = status;
    this.field = problem.field ?? "";
  }
}

async function ask(path, options = {}, pages = false) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The studio cannot be reached. Check the connection and try again.");
  }
  if (response.status === 401) {
    throw new Refused(401, { detail: "Your log-in has ended. Log in again in another tab, then repeat this here: nothing is lost." });
  }
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  const told = await response.json();
  return pages ? { items: told, cursor: response.headers.get("X-Next-Cursor") } : told;
}

const { shop, base } = document.body.dataset;

/** A file of the studio's own is fetched from where this page came from: the studio may be known by several names. */
export const own = (url) => url?.startsWith(`${base}/`) ? url.slice(base.length) : url;

/** A page of films, the newest first, and the cursor of the next. */
export const jobs = (cursor = "") => ask(`/api/jobs?shopId=${encodeURIComponent(shop)}&limit=50${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, {}, true);
export const job = (id) => ask(`/api/jobs/${id}`);
export const previews = () => ask("/previews");
export const usage = () => ask(`/api/shops/${encodeURIComponent(shop)}`);
export const cancel = (id) => ask(`/api/jobs/${id}/cancel`, { method: "POST" });
export const again = (id) => ask(`/api/jobs/${id}/retry`, { method: "POST" });
export const events = (id) => new EventSource(`/api/jobs/${id}/events`);

export function generate(order, key) {
  return ask("/api/generate", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify({ shopId: shop, ...order }),
  });
}

export function upload(blob, name) {
  const form = new FormData();
  form.append("photo", blob, name);
  return ask("/api/uploads", { method: "POST", body: form });
}
