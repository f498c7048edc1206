// Whole scenarios in the official SDK: what several step types do together, and what goes wrong in them.
import { WorkflowNonRetryableError } from "@upstash/workflow";
import { createWorkflow, serveMany } from "@upstash/workflow/express";
import { app, flow, here, listen } from "./harness.mjs";

const tries = {};
const times = (name) => (tries[name] = (tries[name] ?? 0) + 1);
app.all("/echo", (request, response) => response.json({ method: request.method, body: request.body ?? null, seen: request.headers["x-seen"] ?? null, count: request.headers["upstash-workflow-invoke-count"] ?? null, user: request.headers["x-user"] ?? null, version: request.headers["upstash-workflow-sdk-version"] ?? null }));
app.all("/flaky-vendor", (request, response) => response.status(times("vendor") % 2 ? 500 : 200).json({ ok: true }));
app.all("/down", (_request, response) => response.status(503).send("down"));
app.all("/slow", (_request, _response) => {});
app.all("/bytes", (_request, response) => response.type("application/octet-stream").send(Buffer.from([255, 0, 254])));

// Members of a group have no order of their own: one that fails after another waits until the broker tells of the other.
async function until(condition) {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 20));
}
async function succeeded(run, name) {
  const { runs } = await here.client.logs({ filter: { workflowRunId: run } });
  const steps = runs.flatMap((one) => one.steps).flatMap((group) => group.steps);
  return steps.some((step) => step.stepName === name && step.state === "STEP_SUCCESS");
}

flow("five-calls", async (context) => {
  const a = await context.call("post", { url: `${here.base}/echo`, method: "POST", body: { a: "ü" }, headers: { "x-seen": "1" } });
  const b = await context.call("get", { url: `${here.base}/echo`, method: "GET" });
  const c = await context.call("retried", { url: `${here.base}/flaky-vendor`, retries: 1, retryDelay: "10" });
  await context.sleep("nap", 1);
  const d = await context.call("put", { url: `${here.base}/echo`, method: "PUT" });
  const e = await context.call("delete", { url: `${here.base}/echo`, method: "DELETE", body: { b: "ß" } });
  return [a.body.body, a.body.seen, a.body.count, a.body.user, a.body.version, b.body.method, c.status, d.body.method, e.body.body];
});
flow("hard-calls", async (context) => {
  const down = await context.call("down", { url: `${here.base}/down`, retries: 2, retryDelay: "10" });
  const slow = await context.call("slow", { url: `${here.base}/slow`, timeout: "1s" });
  const bytes = await context.call("bytes", { url: `${here.base}/bytes` });
  return [down.status, down.body, slow.status, bytes.status];
});
flow("wrong-call", async (context) => {
  await context.call("wrong", { url: `${here.base}/echo`, retries: 1, retryDelay: "no expression" });
});
flow("stacked-sleeps", async (context) => {
  const first = context.sleep("first", 1);
  const second = context.run("second", () => 2);
  await Promise.all([first, second]);
  const group = await Promise.all([context.run("x", () => "x"), context.sleep("y", 1), context.run("z", () => "z")]);
  return group.filter(Boolean).join("");
});
flow("stops-early", async () => "no step", { failureFunction: async ({ failResponse }) => failResponse });
flow("waiting", async (context) => {
  const late = await context.waitForEvent("late", "nobody", { timeout: "1s" });
  const [called, first] = await Promise.all([
    context.call("c1", { url: `${here.base}/echo` }), context.waitForEvent("w1", `one-${context.requestPayload}`, { timeout: "1h" })]);
  const [again, second] = await Promise.all([
    context.call("c2", { url: `${here.base}/echo` }), context.waitForEvent("w2", `two-${context.requestPayload}`, { timeout: "1h" })]);
  await context.sleep("nap", 1);
  return await context.run("sum", () => [late.timeout, called.status, first.eventData, again.status, second.eventData]);
});
flow("listening", async (context) => (await context.waitForEvent("hear", "shared", { timeout: "1h" })).eventData);
flow("group-fails", async (context) => {
  await Promise.all([
    context.run("fine", () => 1),
    context.run("bad", async () => {
      await until(() => succeeded(context.workflowRunId, "fine"));
      throw new WorkflowNonRetryableError("bad member");
    }),
    context.sleep("long", 2)]);
});
flow("outside", async (context) => { await context.run("boom", () => { throw new Error("told elsewhere"); }); },
  { failureUrl: undefined });
app.post("/told", (request, response) => { tries.told = request.body; response.send("ok"); });
app.get("/told", (_request, response) => response.json(tries.told ?? null));
flow("big-results", async (context) => {
  const results = await Promise.all(["a", "b"].map((name) => context.run(name, () => name.repeat(2 * 1024 * 1024))));
  return results.map((text) => text.length);
});
flow("mixed", async (context) => {
  const a = await context.run("sync", () => "sync");
  const b = await context.run("async", async () => { await new Promise((done) => setTimeout(done, 5)); return "async"; });
  const c = await context.run("undefined", () => undefined);
  return [a, b, c === undefined];
});

const leaf = createWorkflow(async (context) => {
  if (context.requestPayload?.wait) await context.waitForEvent("wait", `leaf-${context.requestPayload.wait}`, { timeout: "1h" });
  return await context.run("leaf", () => ({ count: context.requestPayload?.n ?? 0, label: context.label ?? null, header: context.headers.get("x-kid") }));
});
const branch = createWorkflow(async (context) => {
  const kids = await Promise.all([1, 2].map((n) => context.invoke(`leaf-${n}`, { workflow: leaf, body: { n } })));
  return kids.map((kid) => kid.body.count);
});
const tree = createWorkflow(async (context) => {
  const [left, single] = await Promise.all([
    context.invoke("branch", { workflow: branch }), context.invoke("single", { workflow: leaf, body: { n: 7 }, label: "kid", headers: { "x-kid": "yes" } })]);
  return [left.body, single.body];
});
const guardian = createWorkflow(async (context) => {
  const kid = await context.invoke("kid", { workflow: leaf, body: { wait: context.requestPayload }, workflowRunId: `kid-${context.requestPayload}` });
  return [kid.isCanceled, kid.isFailed];
});
const careless = createWorkflow(async (context) => {
  await Promise.all([
    context.invoke("kid", { workflow: leaf, body: { wait: context.requestPayload }, workflowRunId: `kid-${context.requestPayload}` }),
    context.run("fail", async () => {
      await until(async () => (await here.client.getWaiters({ eventId: `leaf-${context.requestPayload}` })).length > 0);
      throw new WorkflowNonRetryableError("parent fails");
    })]);
});
app.use("/family", serveMany({ leaf, branch, tree, guardian, careless }));
flow("stranger", async (context) => {
  const [gone] = await Promise.all([
    context.invoke("gone", { workflow: { routeFunction: undefined, workflowId: "plain", options: {} }, body: 1 }).catch(() => "refused"), context.run("beside", () => 1)]);
  return gone;
});

listen();
