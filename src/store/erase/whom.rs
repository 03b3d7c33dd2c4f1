//! Who is erased, and what is about them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::{Event, Identity, Known, Pending, SessionMemory};

/// A key at least so long, in characters, is also found inside longer texts.
const INSIDE: usize = 6;

/// The customer or order, by all names that are known of it.
#[derive(Clone, Debug)]
pub(super) struct Whom {
    resource: String,
    /// As text, trimmed.
    ids: BTreeSet<String>,
    /// Natural keys that tell who it is wherever they stand, case-folded. Numbers are none: they mean many things.
    keys: BTreeSet<String>,
}

impl Whom {
    pub(super) fn new(resource: &str, name: &str) -> Self {
        let mut whom = Self { resource: resource.to_owned(), ids: BTreeSet::new(), keys: BTreeSet::new() };
        whom.ids.insert(name.trim().to_owned());
        whom.learn_key(name);
        whom
    }

    pub(super) fn resource(&self) -> &str {
        &self.resource
    }

    fn learn_key(&mut self, key: &str) {
        let key = key.trim().to_lowercase();
        if key.chars().any(|letter| !letter.is_ascii_digit()) {
            self.keys.insert(key);
        }
    }

    /// Learns other names of a customer: an id and a key that belong together. An order keeps the names it was given: its
    /// keys may be those of the customer, who has other orders. Gives whether anything was new.
    pub(super) fn learn<'a>(&mut self, id: Option<&str>, keys: impl Iterator<Item = &'a str> + Clone) -> bool {
        let is_it = id.is_some_and(|id| self.ids.contains(id)) || keys.clone().any(|key| self.is_key(key));
        if !is_it || self.resource != "customer" {
            return false;
        }
        let before = self.ids.len() + self.keys.len();
        self.ids.extend(id.map(str::to_owned));
        keys.for_each(|key| self.learn_key(key));
        self.ids.len() + self.keys.len() > before
    }

    fn is_key(&self, key: &str) -> bool {
        self.keys.contains(&key.trim().to_lowercase())
    }

    /// Whether it is the resource.
    pub(super) fn is(&self, resource: &str, identity: &Identity) -> bool {
        resource == self.resource
            && match identity {
                Identity::Id(id) => self.ids.contains(id),
                Identity::Key { value, .. } => self.is_key(value) || self.ids.contains(value),
                Identity::None => false,
            }
    }

    /// Whether an alias leads to it, or tells of it.
    pub(super) fn has_alias(&self, resource: &str, value: &str, id: Option<&str>) -> bool {
        self.is_key(value) || (resource == self.resource && id.is_some_and(|id| self.ids.contains(id)))
    }

    /// Whether an event is about it, or tells of it.
    pub(super) fn is_told_by(&self, event: &Event) -> bool {
        let by_id = event.resource == self.resource && event.id.as_ref().is_some_and(|id| self.ids.contains(id));
        by_id
            || self.is(&event.group.0, &event.group.1)
            || event.key.values().any(|value| self.stands_in(value))
            || serde_json::from_str(event.body.get()).is_ok_and(|body| self.stands_in(&body))
    }

    /// The natural keys of an event of the resource.
    pub(super) fn keys_of(event: &Event) -> impl Iterator<Item = &str> + Clone {
        event.key.values().filter_map(Value::as_str)
    }

    /// Whether a value tells of it: one of its keys, or a field such as `customer_id` with its id.
    pub(super) fn stands_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.stands_in_text(text),
            Value::Array(list) => list.iter().any(|value| self.stands_in(value)),
            Value::Object(map) => {
                map.iter().any(|(name, value)| (self.is_id_field(name) && self.is_id(value)) || self.stands_in(value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn is_id_field(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        name.strip_suffix("_id").unwrap_or(&name) == self.resource
    }

    fn is_id(&self, value: &Value) -> bool {
        match value {
            Value::String(id) => self.ids.contains(id.trim()),
            Value::Number(id) => self.ids.contains(&id.to_string()),
            _ => false,
        }
    }

    /// Whether one of its keys stands in a text.
    pub(super) fn stands_in_text(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.keys.iter().any(|key| text.trim() == key || (key.chars().count() >= INSIDE && text.contains(key.as_str())))
    }

    /// Whether `about` of the log (`order 7`, `customer email=a@b.example`) is it.
    pub(super) fn is_about(&self, about: &str) -> bool {
        let is_it =
            |name: &str| self.ids.contains(name) || name.split_once('=').is_some_and(|(_, key)| self.is_key(key));
        about.strip_prefix(&self.resource).is_some_and(|rest| is_it(rest.trim())) || self.stands_in_text(about)
    }

    pub(super) fn is_in_known(&self, known: &Known) -> bool {
        let tells = |map: &serde_json::Map<String, Value>| self.stands_in(&Value::Object(map.clone()));
        tells(&known.fields) || tells(&known.facts)
    }

    pub(super) fn is_in_session(&self, memory: &SessionMemory) -> bool {
        self.stands_in(&Value::Object(memory.memory.clone()))
    }

    pub(super) fn is_in_pending(&self, pending: &Pending) -> bool {
        [&pending.values, &pending.stored].into_iter().any(|map| self.stands_in(&Value::Object(map.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_customer_is_found_by_all_names_and_nobody_else_is() {
        let mut ann = Whom::new("customer", " Ann@Example.com ");
        assert!(ann.learn(Some("7"), ["ann@example.com", "+44 1"].into_iter()));
        assert!(!ann.learn(Some("8"), ["bob@example.com"].into_iter()));
        let rows = [
            (json!({"billing": {"email": "ANN@example.com"}}), true),
            (json!({"note": ["write to ann@example.com, please"]}), true),
            (json!({"customer_id": 7}), true),
            (json!({"customer": "7"}), true),
            (json!({"id": 7, "quantity": "7"}), false),
            (json!({"customer_id": 77, "email": "joann@example.net"}), false),
            (json!({"phone": "+44 1"}), true),
            (json!({"phone": "+44 12"}), false),
        ];
        for (value, told) in rows {
            assert_eq!(ann.stands_in(&value), told, "{value}");
        }
        assert!(ann.is("customer", &Identity::Id("7".into())) && !ann.is("order", &Identity::Id("7".into())));
        assert!(ann.is_about("customer 7") && ann.is_about("customer email=ann@example.com"));
        assert!(!ann.is_about("customer 77") && !ann.is_about("order 7"));
    }

    #[test]
    fn an_order_does_not_lead_to_its_customer() {
        let mut order = Whom::new("order", "7");
        assert!(!order.learn(Some("7"), ["ann@example.com"].into_iter()));
        assert!(!order.stands_in(&json!({"email": "ann@example.com", "customer_id": 7})));
        assert!(order.stands_in(&json!({"refunds": [{"order_id": "7"}]})) && !order.stands_in_text("7"));
    }
}
