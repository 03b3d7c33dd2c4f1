//! Everything the outside does wrong: a clear message or status, a counter, no crash, bounded memory, and the visitor's answer
//! as the shop gave it.

mod bombs; // bodies that decode to far more than they are, in a process whose memory is measured
mod start; // what a process does not start with, and what it starts with all the same
mod traffic; // requests, answers, forms, templates
