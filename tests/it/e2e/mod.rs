//! Traffic in, webhooks out: the whole of shopbell between a scripted shop and a recording receiver.

mod answers; // the shop's answers in every form, and the end that is held
mod deliveries; // the bytes at the receiver, order, statuses
mod requests; // what visitors send, and visitors who leave
mod state; // created, updated, restored; restarts
