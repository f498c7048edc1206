// An Express application for workflows in the official SDK: prints its address, counts the requests it gets, and takes
// calls of the SDK's client as lines of JSON on standard input.
import express from "express";
import { Client } from "@upstash/workflow";
import { serve } from "@upstash/workflow/express";

export const app = express();
export const here = { base: "", client: new Client({ baseUrl: process.env.QSTASH_URL, token: process.env.QSTASH_TOKEN }) };
const counts = {};
const seen = {};
app.use(express.json({ limit: "10mb" }));
app.use((request, _response, next) => {
  const name = request.path.split("/").pop();
  counts[name] = (counts[name] ?? 0) + 1;
  (seen[name] ??= []).push({ tenant: request.headers["x-tenant"], label: request.headers["upstash-label"], version: request.headers["upstash-workflow-sdk-version"], retried: request.headers["upstash-retried"] });
  next();
});
app.get("/counts", (_request, response) => response.json({ counts, seen }));
app.post("/plain", (_request, response) => response.send("I am no workflow"));

export const flow = (name, run, options = {}) => app.use(`/${name}`, serve(run, { retries: undefined, ...options }));

export function listen() {
  const server = app.listen(0, "127.0.0.1", () => {
    here.base = `http://127.0.0.1:${server.address().port}`;
    console.log(here.base);
  });
  process.stdin.setEncoding("utf8");
  let text = "";
  process.stdin.on("data", async (part) => {
    text += part;
    let end;
    while ((end = text.indexOf("\n")) >= 0) {
      const { path, args } = JSON.parse(text.slice(0, end));
      text = text.slice(end + 1);
      try {
        const owner = path.length > 1 ? here.client[path[0]] : here.client;
        console.log(JSON.stringify({ value: await owner[path.at(-1)](...args) }));
      } catch (error) {
        console.log(JSON.stringify({ error: error.message, status: error.status }));
      }
    }
  });
  process.stdin.on("end", () => process.exit(0));
}
