//! The middleware alone: scripted bodies in paused time, and the same over real sockets.

mod capture; // bounds, damage, multipart
mod hold; // what waits for the observer, and how long
mod leave; // visitors who go before the end
mod script; // scripted bodies, shops and observers
mod unchanged; // what the visitor gets is what the shop gave
mod wire; // hyper and axum over real sockets
