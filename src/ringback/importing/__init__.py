"""Bringing work over from other queues: BullMQ in Redis, and accounts of other QStash-compatible brokers."""
