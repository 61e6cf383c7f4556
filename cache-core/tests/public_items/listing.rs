//! Reads a crate's sources and lists the items that its users can name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{
    Attribute, Fields, ImplItem, Item, ItemEnum, ItemImpl, ItemStruct, ItemTrait, TraitItem, Type,
    UseTree, Visibility,
};

/// The items of a crate's files, and the names of those that are exported.
pub(crate) struct Crate {
    items: Vec<Item>,
    /// Files whose public items are exported as they stand.
    roots: Vec<Item>,
    exported: BTreeSet<String>,
}

impl Crate {
    /// Reads all files below `src`. The `roots` are those that are public modules.
    pub(crate) fn read(src: &Path, roots: &[&str]) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    files.push((path.strip_prefix(src).unwrap().to_owned(), text));
                }
            }
        }
        Self::parse(&files, roots)
    }

    pub(crate) fn parse(files: &[(PathBuf, String)], roots: &[&str]) -> Self {
        let mut this = Crate { items: Vec::new(), roots: Vec::new(), exported: BTreeSet::new() };
        for (path, text) in files {
            let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            if roots.iter().any(|root| path == Path::new(root)) {
                this.roots.extend(file.items.iter().filter(|item| !is_hidden(item)).cloned());
            }
            this.add(file.items);
        }
        for item in &this.roots {
            match item {
                Item::Use(it) if is_public(&it.vis) => leaves(&it.tree, &mut this.exported),
                Item::Struct(it) if is_public(&it.vis) => {
                    this.exported.insert(it.ident.to_string());
                }
                _ => {}
            }
        }
        this
    }

    /// Adds items, and those of modules that are written in place.
    fn add(&mut self, items: Vec<Item>) {
        for item in items.into_iter().filter(|item| !is_hidden(item)) {
            match item {
                Item::Mod(module) => self.add(module.content.unwrap_or_default().1),
                item => self.items.push(item),
            }
        }
    }

    /// Returns one line for each item, field, variant and method.
    pub(crate) fn items(&self) -> BTreeSet<String> {
        let mut lines: BTreeSet<_> =
            self.exported.iter().map(|it| format!("pub use {it}")).collect();
        for item in &self.roots {
            match item {
                Item::Mod(it) if is_public(&it.vis) => {
                    lines.insert(format!("pub mod {}", it.ident));
                }
                Item::Fn(it) if is_public(&it.vis) => {
                    lines.insert(format!("pub {}", text(&it.sig)));
                }
                _ => {}
            }
        }
        for item in &self.items {
            match item {
                Item::Struct(it) if is_public(&it.vis) && self.has(&it.ident) => {
                    structure(it, &mut lines)
                }
                Item::Enum(it) if is_public(&it.vis) && self.has(&it.ident) => {
                    enumeration(it, &mut lines)
                }
                Item::Trait(it) if is_public(&it.vis) && self.has(&it.ident) => {
                    interface(it, &mut lines)
                }
                Item::Impl(it) if self.has_type(&it.self_ty) => implementation(it, &mut lines),
                _ => {}
            }
        }
        lines
    }

    fn has(&self, name: &impl ToString) -> bool {
        self.exported.contains(&name.to_string())
    }

    fn has_type(&self, of: &Type) -> bool {
        let Type::Path(path) = of else { return false };
        path.path.segments.last().is_some_and(|segment| self.has(&segment.ident))
    }
}

/// Adds the names that a `pub use` exports.
fn leaves(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => leaves(&path.tree, names),
        UseTree::Name(name) => drop(names.insert(name.ident.to_string())),
        UseTree::Rename(name) => drop(names.insert(name.rename.to_string())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
        UseTree::Glob(_) => panic!("`pub use ..::*` hides what is public: name the items"),
    }
}

fn structure(it: &ItemStruct, lines: &mut BTreeSet<String>) {
    let (head, after) =
        (format!("pub struct {}{}", it.ident, text(&it.generics)), marks(&it.attrs));
    lines.insert(format!("{head}{after}"));
    let fields = it.fields.iter().filter(|field| is_public(&field.vis));
    for (place, field) in fields.enumerate() {
        let name = field.ident.as_ref().map_or(place.to_string(), ToString::to_string);
        lines.insert(format!("{head} :: pub {name}: {}", text(&field.ty)));
    }
}

fn enumeration(it: &ItemEnum, lines: &mut BTreeSet<String>) {
    let (head, after) = (format!("pub enum {}{}", it.ident, text(&it.generics)), marks(&it.attrs));
    lines.insert(format!("{head}{after}"));
    for variant in &it.variants {
        let mut fields = variant.fields.clone();
        fields.iter_mut().for_each(|field| field.attrs.clear());
        let fields = if let Fields::Unit = fields { String::new() } else { text(&fields) };
        lines.insert(format!("{head} :: {}{fields}", variant.ident));
    }
}

fn interface(it: &ItemTrait, lines: &mut BTreeSet<String>) {
    let mut head = format!("pub trait {}{}", it.ident, text(&it.generics));
    if !it.supertraits.is_empty() {
        head = format!("{head}: {}", text(&it.supertraits));
    }
    lines.insert(format!("{head}{}", marks(&it.attrs)));
    for item in &it.items {
        let (item, provided) = match item {
            TraitItem::Fn(it) => (text(&it.sig), it.default.is_some()),
            TraitItem::Type(it) => {
                (format!("type {}: {}", it.ident, text(&it.bounds)), it.default.is_some())
            }
            TraitItem::Const(it) => {
                (format!("const {}: {}", it.ident, text(&it.ty)), it.default.is_some())
            }
            other => (text(other), false),
        };
        lines.insert(format!("{head} :: {item}{}", if provided { " = default" } else { "" }));
    }
}

fn implementation(it: &ItemImpl, lines: &mut BTreeSet<String>) {
    let of = text(&it.self_ty);
    let generics = text(&it.generics);
    let bounds = it.generics.where_clause.as_ref().map_or(String::new(), |it| text(it) + " ");
    if let Some((name, _)) = &it.trait_ {
        lines.insert(format!("impl{generics} {} for {of} {bounds}", text(name)).trim_end().into());
        return;
    }
    for item in &it.items {
        let item = match item {
            ImplItem::Fn(it) if is_public(&it.vis) && !is_cut(&it.attrs) => text(&it.sig),
            ImplItem::Const(it) if is_public(&it.vis) && !is_cut(&it.attrs) => {
                format!("const {}: {}", it.ident, text(&it.ty))
            }
            _ => continue,
        };
        lines.insert(format!("impl{generics} {of} {bounds}:: pub {item}"));
    }
}

/// Returns the attributes that say something to users.
fn marks(attributes: &[Attribute]) -> String {
    let said = |it: &&Attribute| ["derive", "non_exhaustive"].iter().any(|w| it.path().is_ident(w));
    attributes.iter().filter(said).map(|it| format!(" {}", text(it))).collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_hidden(item: &Item) -> bool {
    match item {
        Item::Mod(it) => is_cut(&it.attrs),
        Item::Impl(it) => is_cut(&it.attrs),
        Item::Struct(it) => is_cut(&it.attrs),
        Item::Fn(it) => is_cut(&it.attrs),
        Item::Use(it) => is_cut(&it.attrs),
        _ => false,
    }
}

/// Returns `true` of what tests or a model have alone, and of what the documentation leaves out.
fn is_cut(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|it| {
        let words = text(&it.meta);
        ["cfg(test)", "cfg(loom)", "cfg(doc)", "doc(hidden)"].contains(&words.as_str())
            || words.starts_with("cfg(all(test")
            || words.starts_with("cfg(all(doctest")
    })
}

/// Writes tokens as a reader would, more or less.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string().replace('\n', " ");
    for (written, wanted) in [
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ::", "::"),
        (":: ", "::"),
        (" :", ":"),
        (" ,", ","),
        (" ;", ";"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("& ", "&"),
        ("[ ", "["),
        (" ]", "]"),
        ("# [", "#["),
        ("? ", "?"),
        // Says nothing to a caller.
        ("(mut self", "(self"),
    ] {
        text = text.replace(written, wanted);
    }
    text.replace("->(", "-> (").replace(",>", ">").replace(",)", ")").trim_end_matches(',').into()
}
