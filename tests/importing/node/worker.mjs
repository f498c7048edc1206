// Works on a queue until standard input ends: node worker.mjs <package> <port> <queue> <ms a job>. Tells each job it has done in `processed`.
import { createRequire } from "node:module";

const [name, port, queueName, pause] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const bullmq = require(name);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const client = new (require("ioredis"))(connection);
const work = async (job) => {
  await client.rpush("processed", job.id);
  if (pause !== "0") await new Promise((done) => setTimeout(done, Number(pause)));
};
const worker = new bullmq.Worker(queueName, work, { connection, concurrency: 8 });
if (bullmq.QueueScheduler) new bullmq.QueueScheduler(queueName, { connection });
await worker.waitUntilReady();
process.stdout.write("working\n");
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
