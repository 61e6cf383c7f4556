//! The modules of a crate, and which of them uses which.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Block, Source, Step, Token, Walk};

/// The files of a crate that are compiled outside of tests.
pub(crate) struct Modules {
    pub(crate) files: Vec<Source>,
    /// The file of each module, by its path from the crate's root.
    by_path: BTreeMap<Vec<String>, usize>,
}

/// A path in the code of a file.
pub(crate) struct Use {
    /// The file that it is in, and the one that it leads to.
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) line: usize,
    /// As it is written.
    pub(crate) written: String,
}

impl Modules {
    /// Reads the crate whose root is `lib.rs` in this folder.
    pub(crate) fn read(folder: &str) -> Modules {
        let files = Source::all(folder);
        let path = |file: &Source| {
            let name = file.name.strip_prefix(folder).expect("it is in the folder");
            let name = name.trim_start_matches('/').trim_end_matches(".rs");
            let mut path: Vec<String> = name.split('/').map(str::to_owned).collect();
            if path.last().is_some_and(|last| last == "mod") || path == ["lib"] {
                path.pop();
            }
            path
        };
        let paths: Vec<Vec<String>> = files.iter().map(path).collect();
        let tests: Vec<Vec<String>> =
            files.iter().zip(&paths).flat_map(|(file, path)| test_modules(file, path)).collect();
        let is_kept = |path: &[String]| !tests.iter().any(|test| path.starts_with(test));
        let kept = files.into_iter().zip(paths).filter(|(_, path)| is_kept(path));
        let (files, paths): (Vec<_>, Vec<_>) = kept.unzip();
        let by_path = paths.into_iter().enumerate().map(|(index, path)| (path, index)).collect();
        Modules { files, by_path }
    }

    /// The path of a file's module.
    pub(crate) fn path(&self, file: usize) -> &[String] {
        let (path, _) = self.by_path.iter().find(|(_, index)| **index == file).expect("a module");
        path
    }

    /// All paths that lead from one file to another. A declaration of a module is none; a re-export
    /// is one.
    pub(crate) fn uses(&self) -> Vec<Use> {
        (0..self.files.len()).flat_map(|file| self.uses_of(file)).collect()
    }

    fn uses_of(&self, from: usize) -> Vec<Use> {
        let (tokens, mut walk) = (&self.files[from].tokens, Walk::new(&self.files[from]));
        let mut uses = Vec::new();
        let mut done = 0;
        while let Some(step) = walk.next() {
            let Step::Token(at) = step else { continue };
            if at < done || walk.is_in_tests() || !begins_path(tokens, at) {
                continue;
            }
            // Inside functions and the like, `self` is the module that they are in.
            let modules = walk.around.iter().filter_map(|block| match block {
                Block::Module(name) => Some(name.clone()),
                _ => None,
            });
            let here: Vec<String> = self.path(from).iter().cloned().chain(modules).collect();
            let Some(start) = self.start(&here, &tokens[at].text) else { continue };
            let mut leaves = Vec::new();
            done = leaf_paths(tokens, at + 2, &mut start.clone(), &mut leaves);
            for leaf in leaves {
                let to = self.file_of(&leaf);
                let written = written(&tokens[at].text, &leaf[start.len().min(leaf.len())..]);
                uses.push(Use { from, to, line: tokens[at].line, written });
            }
        }
        uses.retain(|it| it.to != from);
        uses
    }

    /// The module that a path begins in with this word, if it is one of the crate.
    fn start(&self, here: &[String], word: &str) -> Option<Vec<String>> {
        match word {
            "crate" => Some(Vec::new()),
            "self" => Some(here.to_vec()),
            "super" => Some(here.split_last()?.1.to_vec()),
            child => {
                let path: Vec<String> = here.iter().cloned().chain([child.to_owned()]).collect();
                self.by_path.contains_key(&path).then_some(path)
            }
        }
    }

    /// The file of the innermost module in a path.
    fn file_of(&self, path: &[String]) -> usize {
        let prefixes = (0..=path.len()).rev().map(|length| &path[..length]);
        *prefixes.filter_map(|prefix| self.by_path.get(prefix)).next().expect("there is a root")
    }

    /// The loops, each as the uses that make it, one after the other.
    pub(crate) fn loops(&self) -> Vec<Vec<Use>> {
        let mut edges: BTreeMap<usize, Vec<Use>> = BTreeMap::new();
        for it in self.uses() {
            edges.entry(it.from).or_default().push(it);
        }
        let (mut loops, mut finished) = (Vec::new(), BTreeSet::new());
        for file in 0..self.files.len() {
            search(file, &edges, &mut Vec::new(), &mut finished, &mut loops);
        }
        loops
    }
}

/// The modules for tests that a file declares.
fn test_modules(file: &Source, path: &[String]) -> Vec<Vec<String>> {
    let mut walk = Walk::new(file);
    let mut found = Vec::new();
    while let Some(step) = walk.next() {
        if let Step::File(name, true) = step {
            let inside = walk.modules().unwrap_or_default();
            found.push(path.iter().cloned().chain(inside).chain([name]).collect());
        }
    }
    found
}

/// Returns `true` if a path begins at this token that is not one of a macro's expansion, nor the
/// scope of a visibility.
fn begins_path(tokens: &[Token], at: usize) -> bool {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let before = |back: usize| at.checked_sub(back).map_or("", text);
    let is_scope = before(1) == "in" && before(2) == "(";
    text(at + 1) == "::" && !["::", "$", "."].contains(&before(1)) && !is_scope
}

/// Collects the paths of a tree as in `a::{b, c::d}`, whose beginning is `path`. Returns the index
/// after it.
fn leaf_paths(
    tokens: &[Token],
    mut at: usize,
    path: &mut Vec<String>,
    leaves: &mut Vec<Vec<String>>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let length = path.len();
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while !["}", ""].contains(&text(at)) {
                    at = leaf_paths(tokens, at, path, leaves);
                    // A comma, or what a name is imported `as`.
                    while !["}", ",", ""].contains(&text(at)) {
                        at += 1;
                    }
                    at += usize::from(text(at) == ",");
                }
                path.truncate(length);
                return at + 1;
            }
            "super" => _ = path.pop(),
            "self" => {}
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push(word.to_owned());
            }
            // `*`, or the arguments of a generic.
            _ => break,
        }
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    leaves.push(path.clone());
    path.truncate(length);
    at
}

fn written(start: &str, rest: &[String]) -> String {
    std::iter::once(start).chain(rest.iter().map(String::as_str)).collect::<Vec<_>>().join("::")
}

/// Continues from a file, depth first. An edge back to a file on the way closes a loop.
fn search<'e>(
    file: usize,
    edges: &'e BTreeMap<usize, Vec<Use>>,
    way: &mut Vec<&'e Use>,
    finished: &mut BTreeSet<usize>,
    loops: &mut Vec<Vec<Use>>,
) {
    if finished.contains(&file) {
        return;
    }
    let mut seen = BTreeSet::new();
    for edge in edges.get(&file).into_iter().flatten().filter(|edge| seen.insert(edge.to)) {
        way.push(edge);
        match way.iter().position(|passed| passed.from == edge.to) {
            Some(start) => loops.push(way[start..].iter().map(|edge| edge.copy()).collect()),
            None => search(edge.to, edges, way, finished, loops),
        }
        way.pop();
    }
    finished.insert(file);
}

impl Use {
    fn copy(&self) -> Use {
        Use { written: self.written.clone(), ..*self }
    }
}

#[test]
fn paths_are_found_in_code_and_only_there() {
    let text = r##"
        use crate::a::{b::{self, C}, d::*, e as f};
        pub(in crate::scope) fn g() -> super::h::I { "crate::text" }
        // crate::comment
        #[cfg(all(test, not(loom)))]
        mod tests { use crate::tested; }
        macro_rules! m { () => { $crate::expanded } }
    "##;
    let source = Source::new("x.rs".to_owned(), text.to_owned());
    let mut leaves = Vec::new();
    let (mut walk, mut done) = (Walk::new(&source), 0);
    while let Some(step) = walk.next() {
        let Step::Token(at) = step else { continue };
        let is_root = ["crate", "super"].contains(&&*source.tokens[at].text);
        if at >= done && is_root && !walk.is_in_tests() && begins_path(&source.tokens, at) {
            done = leaf_paths(&source.tokens, at + 2, &mut Vec::new(), &mut leaves);
        }
    }
    let paths: Vec<String> = leaves.iter().map(|leaf| leaf.join("::")).collect();
    assert_eq!(paths, ["a::b", "a::b::C", "a::d", "a::e", "h::I"]);
}
