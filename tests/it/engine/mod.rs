//! The engine under load and in trouble: slow and full disks, full queues, receivers that go away.

mod full_disk; // a process whose files may not grow
mod gauges; // webhooks on the metrics page
mod retention; // budgets of a running process
mod slow_store; // a writer that is busy
mod trouble; // metrics, receivers, upstreams
