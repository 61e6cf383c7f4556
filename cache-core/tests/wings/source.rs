//! A source file as tokens, without comments and the contents of literals; and the blocks and items
//! in it. A scanner for code that rustfmt has formatted, not a parser.

use std::fs;
use std::path::{Path, PathBuf};

/// What a character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

pub(crate) struct Token {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

/// A file of the repository.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) name: String,
    text: String,
    parts: Vec<Part>,
    pub(crate) tokens: Vec<Token>,
}

impl Source {
    /// Reads the files below a folder of the repository, in the order of their names.
    pub(crate) fn all(folder: &str) -> Vec<Source> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut paths = Vec::new();
        collect(&root.join(folder), &mut paths);
        paths.sort();
        assert!(!paths.is_empty(), "there are no sources in {folder}");
        let read = |path: PathBuf| {
            let name = path.strip_prefix(&root).expect("it was found below").to_owned();
            let text = fs::read_to_string(path).expect("a readable file");
            Source::new(name.to_string_lossy().replace('\\', "/"), text)
        };
        paths.into_iter().map(read).collect()
    }

    pub(crate) fn new(name: String, text: String) -> Source {
        let chars: Vec<char> = text.chars().collect();
        let parts = parts(&chars);
        let tokens = tokens(&chars, &parts);
        Source { name, text, parts, tokens }
    }

    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The lines that are wider than this, with their numbers. As rustfmt, it accepts what cannot
    /// be broken: a literal, an address in a comment.
    pub(crate) fn wide_lines(&self, columns: usize) -> Vec<(usize, usize)> {
        let (mut wide, mut start) = (Vec::new(), 0);
        for (index, line) in self.text.split('\n').enumerate() {
            let width = line.chars().count();
            let parts = &self.parts[start..start + width];
            start += width + 1;
            if width > columns && !parts.contains(&Part::Literal) && !line.contains("://") {
                wide.push((index + 1, width));
            }
        }
        wide
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Returns what each character belongs to. The first character of a literal counts as code.
fn parts(chars: &[char]) -> Vec<Part> {
    let mut parts = Vec::with_capacity(chars.len());
    while parts.len() < chars.len() {
        let rest = &chars[parts.len()..];
        let is_first = parts.is_empty() || !is_word(chars[parts.len() - 1]);
        let (length, part) = if rest.starts_with(&['/', '/']) {
            (rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()), Part::Comment)
        } else if rest.starts_with(&['/', '*']) {
            (comment(rest), Part::Comment)
        } else if let Some(length) = raw_string(rest).filter(|_| is_first) {
            (length, Part::Literal)
        } else if rest[0] == '"' {
            (quoted(rest, '"'), Part::Literal)
        } else if rest[0] == '\'' && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
            (quoted(rest, '\''), Part::Literal)
        } else {
            (1, Part::Code)
        };
        let start = parts.len();
        parts.resize((start + length).min(chars.len()), part);
        if part == Part::Literal {
            parts[start] = Part::Code;
        }
    }
    parts
}

/// The length of a block comment. They nest.
fn comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a raw string, if one begins here.
fn raw_string(rest: &[char]) -> Option<usize> {
    let prefix = match rest {
        ['r', ..] => 1,
        ['b' | 'c', 'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[prefix..].iter().take_while(|&&c| c == '#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
    let length = rest[open + 1..].windows(close.len()).position(|window| window == close);
    Some(open + 1 + length? + close.len())
}

/// The length of a literal between quotes.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words, `::`, and single characters. A lifetime is one token.
fn tokens(chars: &[char], parts: &[Part]) -> Vec<Token> {
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let start = at;
        let is_code = |at: usize| parts[at] == Part::Code;
        at += 1;
        if chars[start] == '\n' {
            line += 1;
        }
        if !is_code(start) || chars[start].is_whitespace() {
            continue;
        }
        if is_word(chars[start]) || chars[start] == '\'' {
            while at < chars.len() && is_code(at) && is_word(chars[at]) {
                at += 1;
            }
        } else if chars[start..].starts_with(&[':', ':']) {
            at += 1;
        }
        tokens.push(Token { text: chars[start..at].iter().collect(), line });
    }
    tokens
}

/// What stands before a `{`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Block {
    Module(String),
    /// A module for tests.
    Tests,
    Function(String, usize),
    /// `macro_rules!`.
    Macro,
    Other,
}

/// A walk over the tokens of a file that knows the blocks around each.
pub(crate) struct Walk<'s> {
    tokens: &'s [Token],
    at: usize,
    /// The beginning of the statement or item.
    head: usize,
    pub(crate) around: Vec<Block>,
}

/// What a walk comes to.
pub(crate) enum Step {
    /// The token of this index.
    Token(usize),
    /// The end of a function: its name and its lines.
    Function(String, usize, usize),
    /// `mod name;`, and whether it is for tests.
    File(String, bool),
}

impl<'s> Walk<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Walk { tokens: &source.tokens, at: 0, head: 0, around: Vec::new() }
    }

    /// The inner modules of the file that the walk is inside of; `None` inside anything else.
    pub(crate) fn modules(&self) -> Option<Vec<String>> {
        let name = |block: &Block| match block {
            Block::Module(name) => Some(name.clone()),
            _ => None,
        };
        self.around.iter().map(name).collect()
    }

    pub(crate) fn is_in_tests(&self) -> bool {
        self.around.contains(&Block::Tests)
    }

    fn word_after(&self, word: &str) -> Option<&'s Token> {
        let head = &self.tokens[self.head..self.at];
        let pair = head.windows(2).find(|pair| pair[0].text == word)?;
        pair[1].text.starts_with(|c: char| is_word(c)).then_some(&pair[1])
    }

    /// Returns `true` if the item is compiled for tests only.
    fn is_for_tests(&self) -> bool {
        let has = |word| self.word_after(word).is_some() || self.has(word);
        let negated = self.tokens[self.head..self.at].windows(3);
        let negated = negated
            .into_iter()
            .any(|three| three[0].text == "not" && three[1].text == "(" && three[2].text == "test");
        has("cfg") && has("test") && !has("any") && !negated
    }

    fn has(&self, word: &str) -> bool {
        self.tokens[self.head..self.at].iter().any(|token| token.text == word)
    }

    /// The kind of the block that begins here.
    fn block(&self) -> Block {
        if let Some(name) = self.word_after("fn") {
            return Block::Function(name.text.clone(), name.line);
        }
        match self.word_after("mod") {
            Some(_) if self.is_for_tests() => Block::Tests,
            Some(name) => Block::Module(name.text.clone()),
            None if self.has("macro_rules") => Block::Macro,
            None => Block::Other,
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let token = self.tokens.get(self.at)?;
        let mut step = Step::Token(self.at);
        match token.text.as_str() {
            "{" => {
                self.around.push(self.block());
                self.head = self.at + 1;
            }
            "}" => {
                if let Some(Block::Function(name, line)) = self.around.pop()
                    && !self.around.contains(&Block::Macro)
                {
                    step = Step::Function(name, line, token.line);
                }
                self.head = self.at + 1;
            }
            ";" => {
                if let Some(name) = self.word_after("mod") {
                    step = Step::File(name.text.clone(), self.is_for_tests());
                }
                self.head = self.at + 1;
            }
            _ => {}
        }
        self.at += 1;
        Some(step)
    }
}

#[test]
fn literals_and_comments_are_no_tokens() {
    let text =
        r##"let a = "x\"{"; /* { /* } */ */ let b = r#"}"#; let c = '{'; fn f<'a>() {} // }"##;
    let source = Source::new("x.rs".to_owned(), text.to_owned());
    let words = source.tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ");
    assert_eq!(words, "let a = \" ; let b = r ; let c = ' ; fn f < 'a > ( ) { }");
    let functions = Walk::new(&source).filter(|step| matches!(step, Step::Function(..)));
    assert_eq!(functions.count(), 1);
}
