//! One test binary, one module per behaviour. Real sockets or paused time, never both; nothing sleeps.

#![cfg(test)]

mod support; // fake shops and receivers, helpers

mod bad_input; // everything the outside does wrong
mod cli; // the binary: exit codes, stdout and stderr
mod crash; // kill -9 under traffic
mod deliver; // scheduling, retries, signatures, the address guard
mod e2e; // traffic in, webhooks out
mod engine; // commit, overlay, overload
mod exchange; // hostile bodies
mod proxy; // what a shop and its visitors see of us
mod reload; // editing the rules directory
mod rules; // files to diagnostics, exchanges to events
mod store; // conformance of the store, damage, recovery
mod tap; // the middleware alone
mod waits; // matches that wait, through the whole process

mod tidy; // the house's own rules
