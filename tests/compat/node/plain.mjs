// A workflow in the official SDK on Node's own HTTP server, without a framework; prints its address and counts requests.
import { createServer } from "node:http";
import { serve } from "@upstash/workflow";
import { serve as serveBefore } from "@upstash/qstash/workflow";

let count = 0;
let told = null;
const { handler } = serve(async (context) => {
  const [a, b] = await Promise.all([context.run("a", () => 1), context.run("b", () => 2)]);
  await context.sleep("nap", 1);
  return await context.run("sum", () => ({ sum: a + b, got: context.requestPayload }));
});

// The SDK of before, which the message client still brings: it knows no feature set.
const before = serveBefore(async (context) => {
  await context.run("only", () => { throw new Error(`bad ${context.requestPayload.n}`); });
}, { retries: 0, failureFunction: (context, status, response) => { told = [context.requestPayload, status, response]; } });

const server = createServer(async (incoming, outgoing) => {
  if (incoming.method === "GET") return outgoing.end(incoming.url === "/told" ? JSON.stringify(told) : String(count));
  count += 1;
  const parts = [];
  for await (const part of incoming) parts.push(part);
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
    method: incoming.method, headers: incoming.headers, body: Buffer.concat(parts),
  });
  const response = await (incoming.url === "/before" ? before : handler)(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
