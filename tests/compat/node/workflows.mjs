// A catalogue of workflows in the official SDK, one for each step type.
import { WorkflowNonRetryableError } from "@upstash/workflow";
import { createWorkflow, serveMany } from "@upstash/workflow/express";
import { app, flow, here, listen } from "./harness.mjs";

app.all("/vendor", (request, response) => response.status(Number(request.query.status ?? 200)).set("X-Vendor", "yes").json({ method: request.method, body: request.body ?? null, tenant: request.headers["x-tenant"] ?? null, auth: request.headers.authorization ?? null }));
const fails = {};

flow("three", async (context) => {
  const a = await context.run("a", () => 1);
  const b = await context.run("b", async () => a + 1);
  const c = await context.run("c", () => ({ sum: a + b, got: context.requestPayload }));
  return { ...c, labels: context.labels };
});
flow("sleeps", async (context) => {
  await context.run("one", () => 1);
  await context.sleepUntil("until", new Date(Date.now() - 5000));
  await context.run("two", () => 2);
  await context.sleep("nap", 1);
  return await context.run("three", () => "slept");
});
flow("parallel", async (context) => {
  const [a, b, c] = await Promise.all([
    context.run("p1", () => 1), context.run("p2", () => 2), context.sleep("p3", 1).then(() => 3),
  ]);
  const rest = await Promise.all([context.run("q1", () => a + b), context.run("q2", () => "é")]);
  await context.run("last", () => "end");
  return [a, b, c, ...rest];
});
flow("calls", async (context) => {
  const ok = await context.call("ok", { url: `${here.base}/vendor?x=1&y=2`, method: "POST", body: { q: "é" }, headers: { authorization: "Bearer v" } });
  const bad = await context.call("bad", { url: `${here.base}/vendor?status=404`, method: "PUT", body: "text", headers: { "content-type": "text/plain" } });
  const gone = await context.call("gone", { url: "http://127.0.0.1:1/", retries: 1, retryDelay: "10" });
  return { ok: [ok.status, ok.body, ok.header["X-Vendor"]], bad: bad.status, gone: gone.status };
});
flow("fails", async (context) => {
  await context.run("boom", () => { fails.times = (fails.times ?? 0) + 1; throw new Error("bad thing"); });
}, { failureFunction: async ({ failStatus, failResponse, context }) => `${failStatus} ${failResponse} ${JSON.stringify(context.requestPayload)}` });
flow("stops", async (context) => {
  await context.run("stop", () => { throw new WorkflowNonRetryableError("never again"); });
});
flow("flaky", async (context) => {
  const a = await context.run("first", () => { fails.first = (fails.first ?? 0) + 1; return fails.first; });
  const b = await context.run("second", () => { fails.second = (fails.second ?? 0) + 1; if (fails.second < 3) throw new Error("not yet"); return fails.second; });
  return [a, b];
});
flow("resumable", async (context) => {
  const a = await context.run("kept", () => { fails.kept = (fails.kept ?? 0) + 1; return fails.kept; });
  const b = await context.run("broken", () => { fails.broken = (fails.broken ?? 0) + 1; if (fails.broken === 1) throw new WorkflowNonRetryableError("broken once"); return "mended"; });
  return [a, b];
});
flow("waits", async (context) => {
  const { eventData, timeout } = await context.waitForEvent("wait", `order/ü ${context.requestPayload.order}`, { timeout: "1h" });
  const late = await context.waitForEvent("late", "never", { timeout: "1s" });
  return { eventData, timeout, late };
});
flow("notifies", async (context) => {
  const { notifyResponse } = await context.notify("tell", context.requestPayload.event, { from: "workflow" });
  return notifyResponse.length;
});
flow("webhooks", async (context) => {
  const webhook = await context.createWebhook("make");
  await context.call("ring", { url: `${webhook.webhookUrl}?a=b`, method: "PUT", body: "ding", headers: { "x-h": "1" } });
  const { request, timeout } = await context.waitForWebhook("hear", webhook, "1h");
  return { timeout, method: request.method, url: request.url.endsWith("?a=b"), body: await request.text(), header: request.headers.get("x-h") };
});
flow("cancels", async (context) => {
  await context.run("a", () => 1);
  await context.cancel();
});
flow("large", async (context) => {
  const big = await context.run("big", () => "x".repeat(3 * 1024 * 1024));
  const size = await context.run("size", () => big.length);
  return size;
});

const child = createWorkflow(async (context) => {
  const doubled = await context.run("double", () => context.requestPayload * 2);
  if (doubled > 100) throw new WorkflowNonRetryableError("too much");
  return doubled;
});
const parent = createWorkflow(async (context) => {
  const good = await context.invoke("good", { workflow: child, body: 21 });
  const bad = await context.invoke("bad", { workflow: child, body: 99, retries: 0 });
  return { good, bad: bad.isFailed };
});
app.use("/many", serveMany({ parent, child }));

listen();
