"""BullMQ queues of versions 1 to 6 in Redis: read, planned, moved job by job with a ledger, and rolled back."""
