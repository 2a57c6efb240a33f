//! Reading a value after the other from a line of JSON or EDN.
//!
//! The two notations say the same with other signs: a keyword for a string, no colon after a key, commas or none.
//! So there is one reader for both, which never builds a tree: a history has millions of lines.

use std::borrow::Cow;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// JSON, one object a line.
    Json,
    /// EDN, as Jepsen prints it, one map a line.
    Edn,
}

/// A place in a line.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    notation: Notation,
}

/// What is wrong with a line, and where: the number of the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The byte, from 0.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

/// A list or a map that is being read.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    close: u8,
    is_first: bool,
}

impl<'a> Cursor<'a> {
    /// The beginning of a line.
    pub const fn new(text: &'a str, notation: Notation) -> Self {
        Cursor { text, at: 0, notation }
    }

    /// The next sign that is not blank.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b',' if self.notation == Notation::Edn => self.at += 1,
                b'#' => self.skip_tag(),
                next => return Some(next),
            }
        }
    }

    /// `#jepsen.history.Op{..}` is a map, `#{..}` is to us a list of another kind.
    fn skip_tag(&mut self) {
        self.at += 1;
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|sign| !b"{[(\" ".contains(sign)).count();
    }

    /// A complaint about what comes next.
    pub fn complain<T>(&self, what: impl Into<String>) -> Result<T, Complaint> {
        Err(Complaint { at: self.at, what: what.into() })
    }

    /// Goes over the sign, if it comes next.
    pub fn eat(&mut self, sign: u8) -> bool {
        let comes = self.peek() == Some(sign);
        self.at += usize::from(comes);
        comes
    }

    /// A list or map begins.
    ///
    /// # Errors
    ///
    /// Something else comes.
    pub fn open(&mut self, sign: u8) -> Result<Open, Complaint> {
        match self.eat(sign) {
            true => Ok(Open { close: if sign == b'[' { b']' } else { b'}' }, is_first: true }),
            false if sign == b'[' => self.complain("a list is expected here: [.."),
            false => self.complain("a map is expected here: {.."),
        }
    }

    /// Whether another element comes in a list or map; goes to it, or behind the end.
    ///
    /// # Errors
    ///
    /// Neither an element comes nor the end.
    pub fn more(&mut self, open: &mut Open) -> Result<bool, Complaint> {
        if self.eat(open.close) {
            return Ok(false);
        }
        let is_first = std::mem::replace(&mut open.is_first, false);
        let notation = self.notation;
        match notation {
            Notation::Json if !is_first && !self.eat(b',') => {
                self.complain(format!("a comma or a {} is missing here", open.close as char))
            }
            _ if self.peek().is_none() => {
                self.complain(format!("the line ends before its {}", open.close as char))
            }
            _ => Ok(true),
        }
    }

    /// The key of a map's next element.
    ///
    /// # Errors
    ///
    /// No key comes.
    pub fn key(&mut self) -> Result<Cow<'a, str>, Complaint> {
        let (key, notation) = (self.word()?, self.notation);
        match notation {
            Notation::Json if !self.eat(b':') => self.complain("a colon is missing here"),
            _ => Ok(key),
        }
    }

    /// A string, a keyword, a number or a bare word, as its text.
    ///
    /// # Errors
    ///
    /// Something else comes.
    pub fn word(&mut self) -> Result<Cow<'a, str>, Complaint> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'[' | b'{' | b'(' | b']' | b'}') | None => {
                self.complain("a word is expected here")
            }
            Some(sign) => {
                self.at += usize::from(sign == b':' && self.notation == Notation::Edn);
                let begin = self.at;
                let rest = &self.text.as_bytes()[begin..];
                let ends = |sign: &u8| {
                    matches!(
                        sign,
                        b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b']' | b'}' | b')' | b'"'
                    )
                };
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                match self.at > begin {
                    true => Ok(Cow::Borrowed(&self.text[begin..self.at])),
                    false => self.complain("a word is expected here"),
                }
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Complaint> {
        let begin = self.at;
        let bytes = &self.text.as_bytes()[begin + 1..];
        let mut escaped = false;
        let mut ahead = 0;
        loop {
            let next = bytes[ahead..].iter().position(|sign| matches!(sign, b'"' | b'\\'));
            let Some(next) = next else { return self.complain("this string has no end") };
            ahead += next;
            if bytes[ahead] == b'"' {
                break;
            }
            escaped = true;
            ahead = (ahead + 2).min(bytes.len());
        }
        self.at = begin + ahead + 2;
        match escaped {
            false => Ok(Cow::Borrowed(&self.text[begin + 1..=begin + ahead])),
            true => self.unescape(begin),
        }
    }

    /// A string with escapes is rare. Both notations write them as JSON does.
    fn unescape(&self, begin: usize) -> Result<Cow<'a, str>, Complaint> {
        match serde_json::from_str(&self.text[begin..self.at]) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(error) => Err(Complaint {
                at: begin,
                what: format!("this string is not written well: {error}"),
            }),
        }
    }

    /// A number that is not negative.
    ///
    /// # Errors
    ///
    /// Something else comes.
    pub fn number(&mut self) -> Result<u64, Complaint> {
        self.peek();
        let bytes = &self.text.as_bytes()[self.at..];
        let mut number: u64 = 0;
        let mut digits = 0;
        for digit in bytes.iter().take_while(|sign| sign.is_ascii_digit()) {
            let next = number.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0')));
            match next {
                Some(next) => number = next,
                None => return self.complain("this number does not fit into 64 bits"),
            }
            digits += 1;
        }
        let goes_on = bytes.get(digits).is_some_and(|sign| b".eE-+_N".contains(sign));
        if digits == 0 || goes_on {
            return self.complain("a whole number that is not negative is expected here");
        }
        self.at += digits;
        Ok(number)
    }

    /// Nothing: `null` or `nil`. Tells whether it came.
    pub fn nothing(&mut self) -> bool {
        if !matches!(self.peek(), Some(b'n')) {
            return false;
        }
        let rest = &self.text[self.at..];
        let length = if rest.starts_with("null") { 4 } else { 3 };
        let comes = rest.starts_with("null") || rest.starts_with("nil");
        self.at += if comes { length } else { 0 };
        comes
    }

    /// Goes over a whole value; gives back a cursor at its beginning.
    ///
    /// # Errors
    ///
    /// The line ends before it.
    pub fn skip(&mut self) -> Result<Self, Complaint> {
        self.peek();
        let begin = *self;
        let mut depth = 0_u32;
        loop {
            match self.peek() {
                Some(b'[' | b'{' | b'(') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b']' | b'}' | b')') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                // In a map or list of JSON the signs between values are no values.
                Some(b',' | b':') if depth > 0 && self.notation == Notation::Json => self.at += 1,
                Some(_) => {
                    self.word()?;
                }
                None => return self.complain("the line ends in the middle of a value"),
            }
            if depth == 0 {
                return Ok(begin);
            }
        }
    }

    /// Nothing comes any more.
    ///
    /// # Errors
    ///
    /// Something does.
    pub fn end(&mut self) -> Result<(), Complaint> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.complain("the line should end here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a map of words to lists of numbers.
    fn read(text: &str, notation: Notation) -> Result<Vec<(String, Vec<u64>)>, Complaint> {
        let mut cursor = Cursor::new(text, notation);
        let (mut map, mut found) = (cursor.open(b'{')?, Vec::new());
        while cursor.more(&mut map)? {
            let key = cursor.key()?.into_owned();
            let (mut list, mut numbers) = (cursor.open(b'[')?, Vec::new());
            while cursor.more(&mut list)? {
                numbers.push(cursor.number()?);
            }
            found.push((key, numbers));
        }
        cursor.end()?;
        Ok(found)
    }

    #[test]
    fn json_and_edn_say_the_same() {
        let said = vec![("a".to_string(), vec![1, 22]), ("b\"".to_string(), vec![])];
        let json = r#" {"a": [1, 22] , "b\"":[]} "#;
        assert_eq!(read(json, Notation::Json), Ok(said.clone()));
        let edn = r#"#some.Record{:a [1, 22] "b\"" []}"#;
        assert_eq!(read(edn, Notation::Edn), Ok(said));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = [
            (r#"{"a" [1]}"#, 5),
            (r#"{"a": [1 2]}"#, 9),
            (r#"{"a": [1, -2]}"#, 10),
            (r#"{"a": [1.5]}"#, 7),
            (r#"{"a": [99999999999999999999]}"#, 7),
            (r#"{"a": [1]"#, 9),
            (r#"{"a"#, 1),
            (r#"{"a": [1]} 5"#, 11),
        ];
        for (text, at) in wrong {
            let complaint = read(text, Notation::Json).expect_err(text);
            assert_eq!(complaint.at, at, "{text}: {}", complaint.what);
        }
    }

    #[test]
    fn a_whole_value_is_skipped() {
        for (text, notation) in [
            (r#"{"a": [1, {"b": "]"}], "c": null} 7"#, Notation::Json),
            ("#{:a (1 nil) {:b \"}\"}} 7", Notation::Edn),
            (":word 7", Notation::Edn),
        ] {
            let mut cursor = Cursor::new(text, notation);
            cursor.skip().expect(text);
            assert_eq!(cursor.number(), Ok(7), "{text}");
        }
    }
}
