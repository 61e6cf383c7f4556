//! What stands around the function: the body of an `impl` or a `trait`, or something else.
//!
//! An attribute is given the function alone. A function that takes no `self` and does not name
//! `Self` looks like a free one, but no type can stand beside it in an `impl`. Where the function
//! begins in the source is known, and the source can be read; so the braces around that place are
//! looked at, without understanding more of the text than strings, comments and the words that
//! blocks begin with. Where the place or the file is not known (the function comes out of another
//! macro, or an editor asks), the answer is that nothing is known.

use proc_macro2::Span;
use std::iter::Peekable;
use std::str::Chars;

/// Returns `true` if the source shows that an item at this place is one of an `impl` or a `trait`.
pub(crate) fn is_in_impl(place: Span) -> bool {
    // Outside of a compiler there are no places.
    if !proc_macro::is_available() {
        return false;
    }
    let place = place.unwrap();
    // An item at the margin is in nothing.
    if place.column() <= 1 {
        return false;
    }
    let source = place.local_file().and_then(|path| std::fs::read_to_string(path).ok());
    source.is_some_and(|source| is_inside(&source, place.line(), place.column()))
}

/// As `is_in_impl`, for a line and a column of a text, both counted from 1.
fn is_inside(source: &str, line: usize, column: usize) -> bool {
    let before = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let (Some(start), Some(rest)) = (source.get(..before), source.get(before..)) else {
        return false;
    };
    let last = rest.chars().take(column.saturating_sub(1)).collect::<String>();
    let mut scan = Scan::default();
    scan.read(&format!("{start}{last}"));
    scan.blocks.last() == Some(&Block::Impl)
}

/// What a pair of braces is around.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// The body of an `impl` or a `trait`.
    Impl,
    Other,
}

/// A reading of the text up to some place.
#[derive(Default)]
struct Scan {
    /// The braces that are open there.
    blocks: Vec<Block>,
    /// Parentheses and brackets that are open.
    nested: usize,
    /// The first word of the present item that says what it is.
    word: Option<String>,
}

impl Scan {
    fn read(&mut self, text: &str) {
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '/' if rest.peek() == Some(&'/') => skip_line(&mut rest),
                '/' if rest.peek() == Some(&'*') => skip_comment(&mut rest),
                '"' => skip_text(&mut rest),
                '\'' => skip_char(&mut rest),
                '(' | '[' => self.nested += 1,
                ')' | ']' => self.nested = self.nested.saturating_sub(1),
                '{' => self.open(),
                '}' => self.close(),
                ';' => self.word = None,
                c if c.is_alphanumeric() || c == '_' => self.word(c, &mut rest),
                _ => {}
            }
        }
    }

    fn open(&mut self) {
        let is_impl = matches!(self.word.as_deref(), Some("impl" | "trait"));
        self.blocks.push(if is_impl { Block::Impl } else { Block::Other });
        self.word = None;
    }

    fn close(&mut self) {
        self.blocks.pop();
        self.word = None;
    }

    /// A word, or a string with something before its quote.
    fn word(&mut self, first: char, rest: &mut Peekable<Chars<'_>>) {
        let mut word = String::from(first);
        while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        let is_raw = matches!(word.as_str(), "r" | "br" | "cr");
        if is_raw && matches!(rest.peek(), Some('#' | '"')) {
            return skip_raw(rest);
        }
        let modifies = matches!(word.as_str(), "pub" | "unsafe" | "default" | "auto" | "const");
        if self.nested == 0 && self.word.is_none() && !modifies {
            self.word = Some(word);
        }
    }
}

fn skip_line(rest: &mut Peekable<Chars<'_>>) {
    rest.find(|c| *c == '\n');
}

/// A comment, perhaps with others inside.
fn skip_comment(rest: &mut Peekable<Chars<'_>>) {
    let (mut depth, mut last) = (0_usize, '/');
    for c in rest.by_ref() {
        match (last, c) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                last = c;
                continue;
            }
        }
        if depth == 0 {
            return;
        }
        // Neither character belongs to another pair.
        last = ' ';
    }
}

fn skip_text(rest: &mut Peekable<Chars<'_>>) {
    while let Some(c) = rest.next() {
        match c {
            '\\' => _ = rest.next(),
            '"' => return,
            _ => {}
        }
    }
}

/// A string that ends with as many `#` as it begins with; or the `r#` of a raw identifier.
fn skip_raw(rest: &mut Peekable<Chars<'_>>) {
    let mut hashes = 0;
    while rest.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    if rest.next_if_eq(&'"').is_none() {
        return;
    }
    while rest.find(|c| *c == '"').is_some() {
        let mut left = hashes;
        while left > 0 && rest.next_if_eq(&'#').is_some() {
            left -= 1;
        }
        if left == 0 {
            return;
        }
    }
}

/// A character, or nothing of what follows the quote of a lifetime.
fn skip_char(rest: &mut Peekable<Chars<'_>>) {
    if rest.next_if_eq(&'\\').is_some() {
        rest.next();
        rest.find(|c| *c == '\'');
        return;
    }
    let mut ahead = rest.clone();
    ahead.next();
    if ahead.next() == Some('\'') {
        *rest = ahead;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the place of the `@` is in an `impl`.
    fn shown(text: &str) -> bool {
        let at = text.find('@').expect("a place");
        let line = text[..at].matches('\n').count() + 1;
        let column = at - text[..at].rfind('\n').map_or(0, |end| end + 1) + 1;
        is_inside(text, line, column)
    }

    #[test]
    fn is_inside_of_impls_and_traits() {
        assert!(shown("struct S;\nimpl S {\n    @fn f() {}\n}"));
        assert!(shown("impl<T: Into<u8>> From<T> for S where T: Copy { fn a() { b(); } @ }"));
        assert!(shown("pub(crate) unsafe trait T: Send { const N: [u8; 2] = [1, 2]; @ }"));
        assert!(shown("#[a = \"{\"] /* { /* { */ */ impl S { // }\n @ }"));
        assert!(shown("const A: char = '{'; const B: &[u8] = br#\"}\"{\"#; impl S<'_> { @ }"));
        assert!(shown("mod r#impl { impl super::S { fn f(&self) -> char { '\\'' } @ } }"));
    }

    #[test]
    fn is_inside_of_nothing_else() {
        assert!(!shown("@fn f() {}"));
        assert!(!shown("mod tests { @ }"));
        assert!(!shown("impl S { fn f() { @ } }"));
        assert!(!shown("impl S { fn f() {} } fn g() -> impl Sized { @ }"));
        assert!(!shown("fn f() { let s = \"impl S {\"; { @ } }"));
        assert!(!shown("impl S {} const fn g<const N: u8>() { @ }"));
        assert!(!shown("macro_rules! m { () => { impl S { } } } mod x { @ }"));
    }
}
