//! Which visitors have an open wait, by the keys their requests carry: what narrows a wait's `on` in the index.

use std::collections::{HashMap, HashSet};

use crate::model::{EventUid, Write};

/// Session keys with an open wait, and the rules whose waits they are. Small: most visitors have none.
#[derive(Clone, Debug, Default)]
pub struct OpenWaits {
    /// By session: its open waits with their rules, and the keys that lead to it.
    sessions: HashMap<String, Session>,
    /// Key → session.
    keys: HashMap<String, String>,
    /// Open wait → its session.
    waits: HashMap<EventUid, String>,
}

#[derive(Clone, Debug, Default)]
struct Session {
    /// Their rules, and whether the next page's messages are still to confirm them.
    waits: HashMap<EventUid, (String, bool)>,
    keys: HashSet<String>,
}

/// What a request may bring an open wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaiting<'a> {
    /// What a rule of this name waits for.
    Rule(&'a str),
    /// The messages of a page.
    Messages,
}

impl OpenWaits {
    /// Follows the writes of an exchange, or of state as read at the start: every open [`crate::model::Pending`] with the
    /// [`crate::model::SessionMemory`] of its session. The two may come in either order within one call, but not the
    /// memory alone in an earlier one.
    pub fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Pending { uid, pending } = write {
                self.close(*uid);
                if let Some(pending) = pending.as_ref().filter(|pending| !pending.session.is_empty()) {
                    self.waits.insert(*uid, pending.session.clone());
                    let session = self.sessions.entry(pending.session.clone()).or_default();
                    session.waits.insert(*uid, (pending.rule.clone(), pending.unconfirmed.is_some()));
                }
            }
        }
        for write in writes {
            match write {
                Write::Session { session, memory: Some(memory) } => self.link(session, &memory.keys),
                Write::Session { session, memory: None } => self.link(session, &[]),
                _ => {}
            }
        }
        self.sessions.retain(|_, session| !session.waits.is_empty());
        let sessions = &self.sessions;
        self.keys.retain(|_, session| sessions.contains_key(session));
    }

    /// Whether there is any open wait at all.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether a visitor with this key has an open wait for this.
    pub fn has(&self, key: &str, awaited: Awaiting<'_>) -> bool {
        let session = self.keys.get(key).and_then(|session| self.sessions.get(session));
        session.is_some_and(|session| {
            session.waits.values().any(|(rule, unconfirmed)| match awaited {
                // One that the same page confirms goes on with it at once.
                Awaiting::Rule(name) => rule == name,
                Awaiting::Messages => *unconfirmed,
            })
        })
    }

    fn close(&mut self, uid: EventUid) {
        if let Some(session) = self.waits.remove(&uid).and_then(|session| self.sessions.get_mut(&session)) {
            session.waits.remove(&uid);
        }
    }

    fn link(&mut self, session: &str, keys: &[String]) {
        let Some(open) = self.sessions.get_mut(session) else { return };
        for gone in open.keys.drain() {
            // Another session may have taken the key over.
            if self.keys.get(&gone).is_some_and(|led| led == session) {
                self.keys.remove(&gone);
            }
        }
        for key in keys {
            open.keys.insert(key.clone());
            self.keys.insert(key.clone(), session.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pending, SessionMemory};

    fn wait(uid: u8, session: &str) -> Write {
        let uid = EventUid([uid; 16]);
        let pending = Pending { uid, session: session.into(), rule: "r".into(), ..Pending::default() };
        Write::Pending { uid, pending: Some(Box::new(pending)) }
    }

    fn memory(session: &str, keys: &[&str]) -> Write {
        let keys = keys.iter().map(ToString::to_string).collect();
        Write::Session { session: session.into(), memory: Some(SessionMemory { keys, ..SessionMemory::default() }) }
    }

    #[test]
    fn keys_follow_their_session_while_it_waits() {
        let mut open = OpenWaits::default();
        open.apply(&[memory("s", &["a"])]);
        assert!(open.is_empty() && !open.has("a", Awaiting::Rule("r")));
        open.apply(&[memory("s", &["a"]), wait(1, "s"), wait(2, "s")]);
        assert!(
            open.has("a", Awaiting::Rule("r"))
                && !open.has("a", Awaiting::Rule("other"))
                && !open.has("b", Awaiting::Rule("r"))
        );
        open.apply(&[memory("s", &["b"])]);
        assert!(
            open.has("b", Awaiting::Rule("r")) && !open.has("a", Awaiting::Rule("r")),
            "a login rotated the cookie"
        );
        open.apply(&[Write::Pending { uid: EventUid([1; 16]), pending: None }]);
        assert!(open.has("b", Awaiting::Rule("r")), "one of two is settled");
        assert!(!open.has("b", Awaiting::Messages));
        let Write::Pending { uid, pending: Some(pending) } = wait(3, "s") else { unreachable!() };
        let pending = Some(Box::new(Pending { unconfirmed: Some(Box::default()), ..*pending }));
        open.apply(&[Write::Pending { uid, pending }]);
        assert!(open.has("b", Awaiting::Messages));
        open.apply(&[Write::Pending { uid, pending: None }]);
        // Another session takes the second one over.
        open.apply(&[wait(2, "t"), memory("t", &["b", "c"]), Write::Session { session: "s".into(), memory: None }]);
        assert!(open.has("b", Awaiting::Rule("r")) && open.has("c", Awaiting::Rule("r")));
        open.apply(&[Write::Pending { uid: EventUid([2; 16]), pending: None }]);
        assert!(
            open.is_empty() && !open.has("b", Awaiting::Rule("r")) && open.keys.is_empty() && open.waits.is_empty()
        );
    }
}
