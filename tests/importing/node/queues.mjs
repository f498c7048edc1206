// Writes a queue with one version of BullMQ: node queues.mjs <package> <port> <queue>, operations as JSON on standard input.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const [name, port, queueName] = process.argv.slice(2);
const bullmq = createRequire(import.meta.url)(name);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };
const queue = new bullmq.Queue(queueName, { connection });

const operations = {
  add: async (job, data, opts) => (await queue.add(job, data, opts)).id,
  addMany: async (count, job, opts) => {
    for (let from = 0; from < count; from += 500) {
      const numbers = Array.from({ length: Math.min(500, count - from) }, (_, number) => from + number);
      await queue.addBulk(numbers.map((number) => ({ name: job, data: { number }, opts })));
    }
  },
  upsert: async (id, repeat, template) => (await queue.upsertJobScheduler(id, repeat, template)).id,
  flow: async (tree) => (await new bullmq.FlowProducer({ connection }).add(tree)).job.id,
  // takes jobs as a worker does, and never finishes them
  take: async (count) => {
    const worker = new bullmq.Worker(queueName, null, { connection });
    const ids = [];
    for (let taken = 0; taken < count; taken += 1) ids.push((await worker.getNextJob("a token")).id);
    return ids;
  },
  // takes jobs as a worker does, and fails them
  fail: async (count, reason) => {
    const worker = new bullmq.Worker(queueName, null, { connection });
    for (let taken = 0; taken < count; taken += 1) {
      const job = await worker.getNextJob("a token");
      await job.moveToFailed(new Error(reason), "a token", false);
    }
  },
  counts: () => queue.getJobCounts("waiting", "paused", "active", "delayed", "prioritized", "failed", "completed"),
  pause: () => queue.pause(),
};

const results = [];
for (const [operation, ...given] of JSON.parse(await text(process.stdin))) {
  results.push((await operations[operation](...given)) ?? null);
}
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
