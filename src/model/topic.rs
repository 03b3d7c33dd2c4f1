//! Topics: `order.created`, `action.woocommerce_add_to_cart`, and the patterns webhooks subscribe with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of thing happened: `resource.event`, or `action.<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic {
    text: String,
    dot: usize,
}

/// Why a text is no topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no topic: it must read `resource.event` (order.created) or `action.name`, in lower case letters, digits, `_` and `-`"
)]
pub struct TopicError(pub String);

impl Topic {
    /// The part before the dot: `order`, or `action`.
    pub fn resource(&self) -> &str {
        &self.text[..self.dot]
    }

    /// The part after the dot: `created`, or the name of the action.
    pub fn event(&self) -> &str {
        &self.text[self.dot + 1..]
    }

    /// Whether this is an action, whose body is `{"action":…,"arg":…}`.
    pub fn is_action(&self) -> bool {
        self.resource() == "action"
    }

    /// The whole topic.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same resource with another event (`saved` becomes `created` when state has decided).
    #[must_use]
    pub fn with_event(&self, event: &str) -> Self {
        Self { text: format!("{}.{event}", self.resource()), dot: self.dot }
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let fault = || TopicError(text.to_owned());
        let (resource, event) = text.split_once('.').ok_or_else(fault)?;
        let word = |part: &str, upper: bool| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
            // Hook names of WordPress plugins may hold capitals; resources and events never do.
            !part.is_empty() && part.bytes().all(|byte| fits(byte) || (upper && byte.is_ascii_uppercase()))
        };
        if !word(resource, false) || !word(event, resource == "action") {
            return Err(fault());
        }
        Ok(Self { text: text.to_owned(), dot: resource.len() })
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;
    fn try_from(text: String) -> Result<Self, TopicError> {
        text.parse()
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.text
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A topic with `*` standing for any run of characters: `order.*`, `action.woocommerce_*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicPattern(String);

impl TopicPattern {
    /// Whether `topic` fits.
    pub fn matches(&self, topic: &Topic) -> bool {
        glob(&self.0, topic.as_str())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicPattern {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, TopicError> {
        let plain = text.replace('*', "x");
        if text != "*" && plain.parse::<Topic>().is_err() && format!("{plain}.x").parse::<Topic>().is_err() {
            return Err(TopicError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters and all else for itself.
pub fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_told_from_other_text() {
        for good in ["order.created", "stock-item.moved", "action.woocommerce_add_to_cart", "action.wcPay_done"] {
            assert_eq!(good.parse::<Topic>().map(|topic| topic.to_string()), Ok(good.to_owned()));
        }
        for bad in ["order", "order.", ".created", "Order.created", "wc.product.updated", "with space.x", ""] {
            assert!(bad.parse::<Topic>().is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_match_with_stars() {
        let rows = [
            ("order.*", "order.created", true),
            ("order.*", "orders.created", false),
            ("*", "action.x", true),
            ("*.deleted", "coupon.deleted", true),
            ("action.woocommerce_*_cart", "action.woocommerce_add_to_cart", true),
            ("order.created", "order.created", true),
            ("order.created", "order.updated", false),
        ];
        for (pattern, topic, fits) in rows {
            let (pattern, topic): (TopicPattern, Topic) = (pattern.parse().unwrap(), topic.parse().unwrap());
            assert_eq!(pattern.matches(&topic), fits, "{pattern:?} {topic}");
        }
        assert!("no dot".parse::<TopicPattern>().is_err());
    }
}
