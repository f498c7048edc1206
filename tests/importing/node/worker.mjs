// Works on a queue until standard input ends: node worker.mjs <package> <port> <queue>. A job ends when there is a ticket for it in the
// list `tickets`, so that tests and not the speed of the machine decide how many; those that have ended are told in `processed`.
import { createRequire } from "node:module";

const [name, port, queueName] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const bullmq = require(name);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const [tickets, client] = [new (require("ioredis"))(connection), new (require("ioredis"))(connection)];
const work = async (job) => {
  await tickets.blpop("tickets", 0);
  await client.rpush("processed", job.id);
};
const worker = new bullmq.Worker(queueName, work, { connection, concurrency: 8, lockDuration: 600_000 });
if (bullmq.QueueScheduler) new bullmq.QueueScheduler(queueName, { connection });
await worker.waitUntilReady();
process.stdout.write("working\n");
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
