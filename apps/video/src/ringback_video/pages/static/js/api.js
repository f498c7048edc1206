// Studio's API, as this page uses it.

/** An answer that is a problem document. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.status = status;
    this.field = problem.field ?? "";
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The studio cannot be reached. Check the connection and try again.");
  }
  if (response.ok) return response.json();
  throw new Refused(response.status, await response.json().catch(() => ({})));
}

export const shop = document.body.dataset.shop;

export const jobs = () => ask(`/api/jobs?shopId=${encodeURIComponent(shop)}&limit=50`);
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
