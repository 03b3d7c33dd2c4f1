//! A body as far as it was captured, and what may be concluded from it.

use bytes::Bytes;

/// The captured start of a body.
#[derive(Clone, Debug, Default)]
pub struct CapturedBody {
    /// What was kept: entity bytes, content coding as sent, contents of file parts left out.
    pub bytes: Bytes,
    /// How many bytes went by.
    pub total: u64,
    /// Whether something is missing, and why.
    pub damage: Option<Damage>,
}

impl CapturedBody {
    /// A whole body.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { total: bytes.len() as u64, bytes, damage: None }
    }

    /// A body nobody asked for.
    pub fn unread() -> Self {
        Self { bytes: Bytes::new(), total: 0, damage: Some(Damage::Unread) }
    }
}

/// Why absence cannot be concluded from a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// It was longer than the capture limit, or the capture budget was spent.
    Cut,
    /// It did not arrive whole.
    Incomplete,
    /// Its content coding or its syntax cannot be decoded.
    Undecodable,
    /// It decodes to more than the decoding limit, or has more fields or depth than the limits allow.
    TooLarge,
    /// It was not captured, as no rule reads it.
    Unread,
}

impl Damage {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Cut, Self::Incomplete, Self::Undecodable, Self::TooLarge, Self::Unread];

    /// One word, as recordings and cases carry it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Incomplete => "incomplete",
            Self::Undecodable => "undecodable",
            Self::TooLarge => "too-large",
            Self::Unread => "unread",
        }
    }

    /// The damage of a [`Self::word`].
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|damage| damage.word() == word)
    }

    /// For people, as `explain` and notices say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "longer than the capture limit",
            Self::Incomplete => "not whole",
            Self::Undecodable => "not decodable",
            Self::TooLarge => "larger than the decoding limits",
            Self::Unread => "not captured",
        }
    }
}

/// What a view of a body found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part<T> {
    /// A body of this kind.
    Is(T),
    /// No body, or one of another kind.
    NotThis,
    /// One that claims to be of this kind but cannot be read.
    Damaged(Damage),
}

impl<T> Part<T> {
    /// The same, borrowed.
    pub const fn as_ref(&self) -> Part<&T> {
        match self {
            Self::Is(value) => Part::Is(value),
            Self::NotThis => Part::NotThis,
            Self::Damaged(damage) => Part::Damaged(*damage),
        }
    }

    /// The same with what `change` makes of the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Part<U> {
        match self {
            Self::Is(value) => Part::Is(change(value)),
            Self::NotThis => Part::NotThis,
            Self::Damaged(damage) => Part::Damaged(damage),
        }
    }

    /// The value, where there is one.
    pub fn ok(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::NotThis | Self::Damaged(_) => None,
        }
    }
}
