"""An account of another QStash-compatible broker: its schedules, URL groups, queues and pinned limits come over."""
