//! Which attribute of the function goes where.

use syn::punctuated::Punctuated;
use syn::{AttrStyle, Attribute, Meta, MetaList, Token, parse_quote};

/// Attributes of the function as callers see it; all others belong to its body.
const OUTSIDE: [&str; 9] = [
    "doc",
    "must_use",
    "inline",
    "deprecated",
    "cold",
    "no_mangle",
    "export_name",
    "link_section",
    "unsafe",
];

/// Lint levels belong to both, for a lint may be about either.
const LINTS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

/// The attributes of a function, sorted.
#[derive(Default)]
pub(crate) struct Attributes {
    /// For every generated item.
    pub(crate) cfg: Vec<Attribute>,
    /// For the function that callers see.
    pub(crate) outside: Vec<Attribute>,
    /// For the function that holds the body.
    pub(crate) inside: Vec<Attribute>,
    /// The lint levels among them, for code that holds expressions of the attribute.
    pub(crate) lints: Vec<Attribute>,
    /// All but `cfg`, in their order, for a function that holds its body itself.
    pub(crate) all: Vec<Attribute>,
}

impl Attributes {
    /// Sorts the attributes.
    ///
    /// Input: `#[doc = ".."] #[cfg(unix)] #[allow(x)] #[instrument]`.
    /// Output: `cfg` in one place, `doc` outside, `instrument` inside, `allow` on both.
    pub(crate) fn sort(all: Vec<Attribute>) -> Self {
        let mut sorted = Self::default();
        for mut attribute in all {
            // An inner attribute of the body means the function that holds it.
            attribute.style = AttrStyle::Outer;
            sorted.place(attribute);
        }
        sorted
    }

    /// Returns `true` if a use of the function is a warning.
    pub(crate) fn is_deprecated(&self) -> bool {
        self.outside.iter().any(|attribute| word(attribute) == "deprecated")
    }

    fn place(&mut self, attribute: Attribute) {
        let word = word(&attribute);
        if word == "cfg" {
            return self.cfg.push(attribute);
        }
        self.all.push(attribute.clone());
        if LINTS.contains(&word.as_str()) {
            self.lints.push(attribute.clone());
            self.outside.push(attribute.clone());
            self.inside.push(attribute);
        } else if word == "expect" {
            self.place_expect(attribute);
        } else if OUTSIDE.contains(&word.as_str()) {
            self.outside.push(attribute);
        } else {
            self.inside.push(attribute);
        }
    }

    /// An expectation on both functions would fail on one of them. The body has the code, so it
    /// gets the expectation, and the outer function an `allow`. An expectation about whether the
    /// function is used goes outside, where its uses are.
    fn place_expect(&mut self, attribute: Attribute) {
        let Meta::List(list) = &attribute.meta else { return self.inside.push(attribute) };
        let lints = &list.tokens;
        let about_use = metas(list)
            .iter()
            .any(|lint| lint.path().is_ident("dead_code") || lint.path().is_ident("unused"));
        if about_use {
            self.outside.push(attribute);
        } else {
            let allow: Attribute = parse_quote!(#[allow(#lints)]);
            self.lints.push(allow.clone());
            self.outside.push(allow);
            self.inside.push(attribute);
        }
    }
}

/// The word by which an attribute is sorted: `inline` for `cfg_attr(condition, inline)`.
fn word(attribute: &Attribute) -> String {
    let first = |path: &syn::Path| {
        path.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default()
    };
    let Meta::List(list) = &attribute.meta else { return first(attribute.path()) };
    if !list.path.is_ident("cfg_attr") {
        return first(&list.path);
    }
    metas(list).get(1).map_or_else(|| "cfg_attr".to_owned(), |meta| first(meta.path()))
}

/// The entries of `word(entry, entry)`; none if they are no such list.
fn metas(list: &MetaList) -> Vec<Meta> {
    let entries = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    entries.map(|entries| entries.into_iter().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn texts(attributes: &[Attribute]) -> Vec<String> {
        attributes
            .iter()
            .map(|attribute| attribute.to_token_stream().to_string().replace(' ', ""))
            .collect()
    }

    #[test]
    fn sort_puts_each_attribute_where_it_belongs() {
        let sorted = Attributes::sort(vec![
            parse_quote!(#[cfg(unix)]),
            parse_quote!(#[doc = "text"]),
            parse_quote!(#[cfg_attr(unix, inline)]),
            parse_quote!(#[cfg_attr(unix, instrument)]),
            parse_quote!(#[tracing::instrument]),
            parse_quote!(#[allow(a)]),
            parse_quote!(#[expect(b, reason = "unused")]),
            parse_quote!(#[expect(dead_code)]),
            parse_quote!(#![warn(c)]),
        ]);
        assert_eq!(texts(&sorted.cfg), ["#[cfg(unix)]"]);
        assert_eq!(
            texts(&sorted.outside),
            [
                "#[doc=\"text\"]",
                "#[cfg_attr(unix,inline)]",
                "#[allow(a)]",
                "#[allow(b,reason=\"unused\")]",
                "#[expect(dead_code)]",
                "#[warn(c)]",
            ]
        );
        assert_eq!(
            texts(&sorted.lints),
            ["#[allow(a)]", "#[allow(b,reason=\"unused\")]", "#[warn(c)]"]
        );
        assert_eq!(
            texts(&sorted.inside),
            [
                "#[cfg_attr(unix,instrument)]",
                "#[tracing::instrument]",
                "#[allow(a)]",
                "#[expect(b,reason=\"unused\")]",
                "#[warn(c)]",
            ]
        );
    }
}
