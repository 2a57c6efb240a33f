//! Names: each is kept once, for as long as the program runs.
//!
//! A name is given once, and told with every fact and every message. So it is a reference to the only copy of its text that
//! there is: handing it on costs nothing, and two names are equal if they are in the same place. What is kept grows with
//! the names that were ever given, and a deployment has few: of its topics, racks and clients.

use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// Every name there ever was. Nobody can tell from a name who gave it first, so that runs stay independent of each other.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// A text that is kept once. Names are ordered, hashed and shown by their text.
#[derive(Clone, Copy, Eq)]
pub struct Name(&'static str);

impl Name {
    /// The name of this text.
    pub fn of(text: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(text) {
            return Name(known);
        }
        let kept: &'static str = String::from(text).leak();
        names.insert(kept);
        Name(kept)
    }

    /// Its text.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Ord for Name {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match self == other {
            true => Ordering::Equal,
            false => self.0.cmp(other.0),
        }
    }
}

impl PartialOrd for Name {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_ordered_by_its_text() {
        let (orders, again) = (Name::of("orders"), Name::of(&String::from("orders")));
        assert!(std::ptr::eq(orders.as_str(), again.as_str()));
        assert_eq!(orders, again);
        assert_ne!(orders, Name::of("order"));
        assert!(Name::of("order") < orders && orders < Name::of("others"));
        assert_eq!(Name::of(""), Name::of(""));
    }
}
