//! Reading a TOML table field by field, so that nothing wrong goes unsaid and nothing goes unread.
//!
//! A [`Table`] remembers which keys it was asked for; [`Table::finish`] reports every other one. A
//! value that cannot be read is reported and read as absent, so that one pass finds all problems.

use crate::amount;
use crate::problem::{Complaint, Log};
use klab_wire::Span;
use klab_wire::config::Release;
use std::cell::RefCell;
use std::ops::Range;
use toml_edit::{Item, TableLike, Value};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// A table of the file that is being read.
pub(crate) struct Table<'t> {
    /// What to call it in a sentence: `[cluster]`.
    of: String,
    entries: &'t dyn TableLike,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
    pub log: &'t Log,
}

impl<'t> Table<'t> {
    pub fn new(
        of: impl Into<String>,
        entries: &'t dyn TableLike,
        span: Range<usize>,
        log: &'t Log,
    ) -> Self {
        Table { of: of.into(), entries, span, asked: RefCell::default(), log }
    }

    /// Where the table stands: its header, or its braces.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub fn complain(&self, span: Range<usize>, complaint: Complaint) {
        self.log.add(span, complaint);
    }

    /// The item of a key, which counts as read from now on.
    pub fn item(&self, key: &'static str) -> Option<&'t Item> {
        self.asked.borrow_mut().push(key);
        self.entries.get(key).filter(|item| !item.is_none())
    }

    /// The item of a key, without reading it.
    pub fn peek(&self, key: &str) -> Option<&'t Item> {
        self.entries.get(key)
    }

    /// Where the value of a key stands.
    pub fn value_span(&self, key: &str) -> Range<usize> {
        let value = self.entries.get(key).and_then(Item::span);
        value.unwrap_or_else(|| self.key_span(key))
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether there are keys besides these.
    pub fn has_others(&self, keys: &[&str]) -> bool {
        self.entries.iter().any(|(key, _)| !keys.contains(&key))
    }

    pub fn key_span(&self, key: &str) -> Range<usize> {
        let key = self.entries.key(key).and_then(|key| key.span());
        key.unwrap_or_else(|| self.span())
    }

    pub fn spanned<T: Readable>(&self, key: &'static str) -> Option<Spanned<T>> {
        let item = self.item(key)?;
        let span = item.span().unwrap_or_else(|| self.key_span(key));
        match T::read(item) {
            Ok(value) => Some(Spanned { value, span }),
            Err(complaint) => {
                self.complain(span, complaint.with_key(key));
                None
            }
        }
    }

    pub fn optional<T: Readable>(&self, key: &'static str) -> Option<T> {
        self.spanned(key).map(|spanned| spanned.value)
    }

    pub fn or<T: Readable>(&self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    pub fn required<T: Readable>(&self, key: &'static str) -> Option<T> {
        self.required_spanned(key).map(|spanned| spanned.value)
    }

    pub fn required_spanned<T: Readable>(&self, key: &'static str) -> Option<Spanned<T>> {
        if !self.has(key) {
            let of = &self.of;
            let message = format!("{of} has no `{key}`");
            let label = format!("`{key}` takes {}", T::FORM);
            self.complain(self.span(), Complaint::new(message).label(label));
        }
        self.spanned(key)
    }

    /// A table below this one.
    pub fn table(&self, key: &'static str, of: &str) -> Option<Table<'t>> {
        let item = self.item(key)?;
        let span = item.span().unwrap_or_else(|| self.key_span(key));
        let table = table_of(item, of, span.clone(), self.log);
        if table.is_none() {
            let message = format!("`{key}` takes a table, not {}", found(item));
            self.complain(span, Complaint::new(message));
        }
        table
    }

    /// The tables of an array: `[[topic]]`, or inline ones in brackets.
    pub fn tables(&self, key: &'static str, of: &str) -> Vec<Table<'t>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let elements: Vec<(&'t dyn TableLike, Option<Range<usize>>)> = match item {
            Item::ArrayOfTables(array) => {
                array.iter().map(|table| (table as &dyn TableLike, table.span())).collect()
            }
            Item::Value(Value::Array(array)) if array.iter().all(Value::is_inline_table) => array
                .iter()
                .filter_map(Value::as_inline_table)
                .map(|table| (table as &dyn TableLike, table.span()))
                .collect(),
            _ => {
                let message = format!("`{key}` is a list of tables, not {}", found(item));
                let label = format!("write each one under a header {of}");
                let complaint = Complaint::new(message).label(label);
                self.complain(item.span().unwrap_or_else(|| self.key_span(key)), complaint);
                Vec::new()
            }
        };
        let place = |span: Option<Range<usize>>| span.unwrap_or_else(|| self.key_span(key));
        elements
            .into_iter()
            .map(|(entries, span)| Table::new(of, entries, place(span), self.log))
            .collect()
    }

    /// Every entry, for a table whose keys are names: each with the key's place.
    pub fn entries(&self) -> Vec<(Spanned<String>, &'t Item)> {
        let keys: Vec<String> = self.entries.iter().map(|(key, _)| key.to_string()).collect();
        keys.into_iter()
            .filter_map(|key| {
                let item = self.entries.get(&key)?;
                let span = self.key_span(&key);
                Some((Spanned { value: key, span }, item))
            })
            .collect()
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.take();
        for (key, _) in self.entries() {
            if !asked.contains(&key.value.as_str()) {
                let message = format!("there is no key `{}` in {}", key.value, self.of);
                let complaint = Complaint::unknown(message, &key.value, asked.iter().copied());
                self.log.add(key.span, complaint);
            }
        }
    }
}

/// A table made of an item that is one.
pub(crate) fn table_of<'t>(
    item: &'t Item,
    of: &str,
    span: Range<usize>,
    log: &'t Log,
) -> Option<Table<'t>> {
    item.as_table_like().map(|entries| Table::new(of, entries, span, log))
}

/// What an item is, to stand after "not".
pub(crate) fn found(item: &Item) -> String {
    match item {
        Item::None => "nothing".into(),
        Item::Table(_) => "a table".into(),
        Item::ArrayOfTables(_) => "a list of tables".into(),
        Item::Value(Value::String(text)) => format!("the text \"{}\"", text.value()),
        Item::Value(Value::Array(_)) => "a list".into(),
        Item::Value(Value::InlineTable(_)) => "a table".into(),
        Item::Value(value) => raw(value),
    }
}

/// A scalar as it stands in the file, without the blanks and comments around it.
pub(crate) fn raw(value: &Value) -> String {
    value.clone().decorated("", "").to_string()
}

/// A type that can be read from a value of the file.
pub(crate) trait Readable: Sized {
    /// What the value looks like, to stand after "takes": `a duration such as "250ms"`.
    const FORM: &'static str;

    /// The value, or what to say of it after the key.
    fn read(item: &Item) -> Result<Self, Complaint>;

    fn refused(item: &Item) -> Complaint {
        Complaint::of_key(format!("takes {}, not {}", Self::FORM, found(item)))
    }
}

macro_rules! readable {
    ($($type:ty, $form:literal, |$item:ident| $read:expr;)*) => {$(
        impl Readable for $type {
            const FORM: &'static str = $form;
            fn read(item: &Item) -> Result<Self, Complaint> {
                fn value($item: &Item) -> Option<$type> {
                    $read
                }
                value(item).ok_or_else(|| Self::refused(item))
            }
        }
    )*};
}

readable! {
    String, "a text", |item| item.as_str().map(String::from);
    bool, "true or false", |item| item.as_bool();
    u64, "a whole number from 0", |item| item.as_integer()?.try_into().ok();
    u32, "a whole number from 0", |item| item.as_integer()?.try_into().ok();
    u16, "a whole number from 0 to 65535", |item| item.as_integer()?.try_into().ok();
    i32, "a whole number", |item| item.as_integer()?.try_into().ok();
    amount::SignedSpan, "a duration such as \"50ms\" or \"-2s\"", |item| amount::signed_span(item.as_str()?);
    amount::Rate, "a rate such as \"200/s\"", |item| amount::rate(item.as_str()?);
    Bytes, "a size such as \"100B\" or \"1KiB\"", |item| size(item);
    Bandwidth, "a bandwidth such as \"125MB/s\" or \"1Gbit/s\"", |item| amount::bandwidth(item.as_str()?).map(Bandwidth);
    Share, "a share such as \"1%\" or \"250ppm\"", |item| amount::share(item.as_str()?).map(Share);
}

/// A number of bytes; a bare integer is one too.
pub(crate) struct Bytes(pub u64);

/// Bytes per second.
pub(crate) struct Bandwidth(pub u64);

/// Parts per million.
pub(crate) struct Share(pub u32);

fn size(item: &Item) -> Option<Bytes> {
    let bytes = match item.as_integer() {
        Some(bytes) => bytes.try_into().ok(),
        None => item.as_str().and_then(amount::bytes),
    };
    bytes.map(Bytes)
}

impl Readable for Span {
    const FORM: &'static str = "a duration such as \"250ms\" or \"1m30s\"";

    fn read(item: &Item) -> Result<Self, Complaint> {
        let number = match item {
            Item::Value(Value::Integer(number)) => Some(*number.value()),
            _ => item.as_str().and_then(|text| text.trim().parse().ok()),
        };
        match (item.as_str().and_then(amount::span), number) {
            (Some(span), _) => Ok(span),
            (None, Some(number)) => {
                Err(Self::refused(item).label(format!("say the unit: \"{number}s\"?")))
            }
            (None, None) => Err(Self::refused(item)),
        }
    }
}

impl Readable for Release {
    const FORM: &'static str = "a release of Kafka such as \"3.9\" or \"4.0\"";

    /// Reads a text, or what looks like a number: `4.0`.
    fn read(item: &Item) -> Result<Self, Complaint> {
        let text = match item {
            Item::Value(value @ Value::Float(_)) => Some(raw(value)),
            _ => item.as_str().map(String::from),
        };
        let text = text.ok_or_else(|| Self::refused(item))?;
        text.parse().map_err(|()| {
            let message = format!("there is no release `{text}` of Kafka");
            Complaint::new(message).help(format!("releases are {}", Release::ALL.join(", ")))
        })
    }
}

/// A number of things that there is at least one of.
pub(crate) struct Positive<T>(pub T);

impl<T: Readable + PartialOrd + From<u8>> Readable for Positive<T> {
    const FORM: &'static str = "a whole number from 1";

    fn read(item: &Item) -> Result<Self, Complaint> {
        let number = T::read(item).ok().filter(|number| *number >= T::from(1));
        number.map(Positive).ok_or_else(|| Self::refused(item))
    }
}

impl<T: Readable> Readable for Vec<Spanned<T>> {
    const FORM: &'static str = "a list in brackets";

    fn read(item: &Item) -> Result<Self, Complaint> {
        let array = item.as_array().ok_or_else(|| Self::refused(item))?;
        let read = |value: &Value| {
            let element = Item::Value(value.clone());
            let value_span = value.span().unwrap_or_default();
            T::read(&element).map(|value| Spanned { value, span: value_span })
        };
        array.iter().map(read).collect()
    }
}
