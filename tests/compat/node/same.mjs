// One step of each kind in the official SDK, chosen by the payload, for a comparison of what it sends with what ours sends.
import { createWorkflow, serveMany } from "@upstash/workflow/express";
import { app, listen } from "./harness.mjs";

const flowControl = { key: "vendor", parallelism: 2, rate: 5, period: "60s" };
const child = createWorkflow(async (context) => await context.run("a", () => 1));
const steps = {
  run: (context) => context.run("run é", () => ({ a: [1, 2.5, true, null, "é"] })),
  sleep: (context) => context.sleep("nap", "90s"),
  until: (context) => context.sleepUntil("until", "2030-01-01T00:00:00Z"),
  call: (context) => context.call("call", { url: "https://vendor.test/x?y=1", method: "PUT", body: { q: "é" }, headers: { Authorization: "Bearer v", "X-A": "b" }, retries: 2, retryDelay: "1000 * (1 + retried)", timeout: "30s", flowControl }),
  plain: (context) => context.call("plain", { url: "https://vendor.test/" }),
  wait: (context) => context.waitForEvent("wait", "é/paid 7", { timeout: "60s" }),
  notify: (context) => context.notify("notify", "é/paid 7", { sum: "é" }),
  told: (context) => context.notify("told", "paid 7", "text", "wfr_other"),
  webhook: (context) => context.createWebhook("webhook"),
  hear: (context) => context.waitForWebhook("hear", { webhookUrl: "https://broker.test/hook", eventId: "evt_given" }, "60s"),
  invoke: (context) => context.invoke("invoke", { workflow: child, body: { n: 1 }, workflowRunId: "kid", headers: { "X-Tenant": "acme" }, retries: 1, retryDelay: "1000", flowControl }),
};
const one = createWorkflow(async (context) => {
  const kind = context.requestPayload;
  if (kind === "cancel") return await context.cancel();
  if (kind === "group") await Promise.all(Object.values(steps).map((step) => step(context)));
  else await (steps[kind] ?? steps.run)(context); // the payload is the answer itself where a call is answered
  return { ended: "é" };
});
app.use("/many", serveMany({ one, child }, { baseUrl: "https://shop.test" }));
listen();
