// Calls every public method of @upstash/qstash once and prints what came back, one JSON object.
import { Client, Receiver } from "@upstash/qstash";

const endpoint = process.env.ENDPOINT;
const client = process.env.QSTASH_DEV ? new Client() : new Client({ baseUrl: process.env.QSTASH_URL, token: process.env.QSTASH_TOKEN });
const out = {};
const id = Math.random().toString(36).slice(2, 10);
const caught = async (promise) => { try { return await promise; } catch (error) { return { status: error.status, message: error.message }; } };
const until = async (ask) => {
  for (let at = 0; at < 400; at++) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing came of ${ask}`);
};

out.publish = await client.publishJSON({ url: `${endpoint}/js`, body: { hello: "wörld" }, headers: { "x-js": "1" }, retries: 1, label: `l-${id}` });
out.delivered = (await until(async () => {
  const { logs } = await client.logs({ filter: { messageId: out.publish.messageId } });
  return logs.some((log) => log.state === "DELIVERED") && logs;
})).map((log) => log.state);
out.byLabel = (await client.logs({ filter: { label: `l-${id}` } })).logs.length;

const later = await client.publish({ url: endpoint, body: "x", delay: "1h", headers: { "bypass-tunnel-reminder": "1" }, flowControl: { key: `f-${id}`, parallelism: 2, ratePerSecond: 3 } });
out.message = await client.messages.get(later.messageId);
out.canceled = await client.messages.cancel(later.messageId);
const two = await Promise.all([1, 2].map(() => client.publish({ url: endpoint, delay: "1h", label: `c-${id}` })));
out.canceledMany = await client.messages.cancel(two.map((one) => one.messageId));
await client.publish({ url: endpoint, delay: "1h", label: `c-${id}` });
out.canceledByFilter = await client.messages.cancel({ filter: { label: `c-${id}` } });
out.canceledAgain = await client.messages.cancel({ filter: { label: `c-${id}` } });

out.batch = await client.batchJSON([{ url: `${endpoint}/b1`, body: { a: 1 } }, { url: `${endpoint}/b2`, body: { a: 2 }, delay: "1h" }]);

const queue = client.queue({ queueName: `q-${id}` });
await queue.upsert({ parallelism: 2 });
out.queue = await queue.get();
out.enqueued = await queue.enqueueJSON({ url: `${endpoint}/q`, body: { n: 1 } });
await queue.pause();
out.paused = (await queue.get()).paused;
await queue.resume();
out.queues = (await queue.list()).map((one) => one.name).includes(`q-${id}`);
await queue.delete();

const { scheduleId } = await client.schedules.create({ destination: `${endpoint}/s`, cron: "0 5 1 1 *", scheduleId: `s-${id}`, body: "tick", retries: 2, delay: 10 });
out.schedule = await client.schedules.get(scheduleId);
await client.schedules.pause({ schedule: scheduleId });
out.schedulePaused = (await client.schedules.get(scheduleId)).isPaused;
await client.schedules.resume({ schedule: scheduleId });
out.schedules = (await client.schedules.list()).length;
await client.schedules.delete(scheduleId);
out.scheduleGone = await caught(client.schedules.get(scheduleId));

await client.urlGroups.addEndpoints({ name: `g-${id}`, endpoints: [{ url: `${endpoint}/g1`, name: "one" }, { url: `${endpoint}/g2` }] });
out.group = await client.urlGroups.get(`g-${id}`);
out.groupPublish = await client.publishJSON({ urlGroup: `g-${id}`, body: { g: 1 } });
await client.urlGroups.removeEndpoints({ name: `g-${id}`, endpoints: [{ name: "one" }] });
out.groups = (await client.urlGroups.list()).find((one) => one.name === `g-${id}`).endpoints.length;
await client.urlGroups.delete(`g-${id}`);

const failing = await Promise.all([1, 2, 3].map(() => client.publish({ url: `${endpoint}/fail`, retries: 0, label: `d-${id}` })));
const letters = await until(async () => {
  const { messages } = await client.dlq.listMessages({ filter: { label: `d-${id}` } });
  return messages.length === 3 && messages;
});
out.letter = letters[0];
out.failing = failing.map((one) => one.messageId).sort().join() === letters.map((one) => one.messageId).sort().join();
out.retried = await client.dlq.retry(letters[0].dlqId);
await client.dlq.delete(letters[1].dlqId);
out.deleteGone = await caught(client.dlq.delete(letters[1].dlqId));
out.deleteMany = await client.dlq.deleteMany({ dlqIds: [letters[2].dlqId] });
await until(async () => (await client.dlq.listMessages({ filter: { label: `d-${id}` } })).messages.length === 1);
out.deleteByFilter = await client.dlq.delete({ filter: { label: `d-${id}` } });

await client.flowControl.pin(`p-${id}`, { parallelism: 4, rate: 9, period: 30 });
await client.flowControl.pause(`p-${id}`);
out.flow = await client.flowControl.get(`p-${id}`);
await client.flowControl.resume(`p-${id}`);
await client.flowControl.unpin(`p-${id}`, { parallelism: true, rate: true });
await client.flowControl.resetRate(`p-${id}`);
out.global = await client.flowControl.getGlobalParallelism();

out.badUrl = await caught(client.publish({ url: "ftp://nowhere.example" }));
out.unknownFilter = await caught(client.http.request({ path: ["v2", "dlq"], method: "DELETE", query: { lable: "x" } }));
const receiver = new Receiver({ currentSigningKey: process.env.CURRENT ?? "x", nextSigningKey: process.env.NEXT ?? "y" });
if (process.env.SIGNATURE) out.verified = await receiver.verify({ signature: process.env.SIGNATURE, body: process.env.BODY, url: process.env.SIGNED_URL });
console.log(JSON.stringify(out));
