//! What a shop and its visitors see of the proxy: raw bytes on real sockets.

mod bodies; // streaming, framing, trailers, sizes
mod failures; // slow, dead and foreign ends
mod heads; // what changes in a head and what does not
mod http2; // prior knowledge
mod lifecycle; // pool, limits, drain
mod smuggling; // requests that two readers could take differently
mod upgrades;
mod with_tap; // as app puts them together // WebSocket and others
