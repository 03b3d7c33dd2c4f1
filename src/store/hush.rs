//! Panics of the database engine over a damaged file: caught, told as damage, and no trace on stderr.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Part of the path of the engine's sources.
const ENGINE: &str = "/sled-0.34.7/";

thread_local! {
    /// Whether this thread is inside [`quietly`].
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs one call into the engine; its panic comes back as the text of it. It is for the caller to tell.
pub(super) fn quietly<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(hook);
    let before = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(before);
    done.map_err(|panic| text(&*panic).to_owned())
}

/// Puts a hook before the one there is, which goes on to tell all panics but these.
fn hook() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if QUIET.get() {
            return;
        }
        // The engine has threads of its own; who waits for them hears of it as an error.
        match info.location().filter(|at| at.file().contains(ENGINE)) {
            Some(at) => tracing::warn!(text = text(info.payload()), line = at.line(), "the database engine panicked"),
            None => others(info),
        }
    }));
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied()).unwrap_or("panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_comes_back_as_its_text_and_others_stay_panics() {
        assert_eq!(quietly(|| 7), Ok(7));
        assert_eq!(quietly(|| -> u8 { panic!("a {} file", "damaged") }), Err("a damaged file".to_owned()));
        assert!(!QUIET.get(), "what comes after it is told");
        assert_eq!(quietly(|| quietly(|| panic!("in")).is_err() && QUIET.get()), Ok(true));
    }
}
