// Works on a queue until standard input ends: node worker.mjs <package> <port> <queue>. Tells each job it has done in `processed`.
import { createRequire } from "node:module";

const [name, port, queueName] = process.argv.slice(2);
const bullmq = createRequire(import.meta.url)(name);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const queue = new bullmq.Queue(queueName, { connection });
const client = await queue.client;
const worker = new bullmq.Worker(queueName, async (job) => client.rpush("processed", job.id), { connection, concurrency: 8 });
if (bullmq.QueueScheduler) new bullmq.QueueScheduler(queueName, { connection });
await worker.waitUntilReady();
process.stdout.write("working\n");
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
