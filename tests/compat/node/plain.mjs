// A workflow in the official SDK on Node's own HTTP server, without a framework; prints its address and counts requests.
import { createServer } from "node:http";
import { serve } from "@upstash/workflow";

let count = 0;
const { handler } = serve(async (context) => {
  const [a, b] = await Promise.all([context.run("a", () => 1), context.run("b", () => 2)]);
  await context.sleep("nap", 1);
  return await context.run("sum", () => ({ sum: a + b, got: context.requestPayload }));
});

const server = createServer(async (incoming, outgoing) => {
  if (incoming.method === "GET") return outgoing.end(String(count));
  count += 1;
  const parts = [];
  for await (const part of incoming) parts.push(part);
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
    method: incoming.method, headers: incoming.headers, body: Buffer.concat(parts),
  });
  const response = await handler(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
