//! Expansions as code: what is in them, and what must not be.

use super::*;

/// Every kind of expansion, with every part of a return value that can be cached.
fn all_shapes(attribute: &TokenStream) -> Vec<TokenStream> {
    vec![
        expand_attribute(attribute.clone(), quote! { fn f(a: &str) -> u64 { 1 } }),
        expand_attribute(attribute.clone(), quote! { async fn f(a: u8) -> Result<u8, E> { g() } }),
        expand_attribute(
            quote! { #attribute, skip(self) },
            quote! { fn f<T>(&self, a: &str) -> Option<T> { g() } },
        ),
        expand_attribute(
            quote! { #attribute, key(self.a) },
            quote! { async fn f(&self) -> std::io::Result<u8> { g() } },
        ),
        expand_attribute(
            quote! { #attribute, companion = true, key(a: u64 = self.a) },
            quote! { fn f(&self) -> Alias { g() } },
        ),
        expand_attribute(
            quote! { #attribute, thread_local, ttl = 60, weigher = w, max_capacity = 5 },
            quote! { fn f(a: u8) -> Alias { g() } },
        ),
        expand_attribute(
            quote! { #attribute, cache = self.cache, bypass = a > 1 },
            quote! { fn f(&self, a: u8) -> u8 { g() } },
        ),
        expand_attribute(
            quote! { #attribute, many = a, bypass = b > 1 },
            quote! { async fn f(a: &[u8], b: u8) -> Vec<(u8, T)> { g() } },
        ),
        expand_attribute(
            quote! { #attribute, many = a, skip(self) },
            quote! { fn f(&self, a: &[u8]) -> Result<Vec<(u8, T)>, E> { g() } },
        ),
    ]
}

/// A crate that knows cache-core under another name has nothing called `cache_core`.
#[test]
fn expand_attribute_crate_path_is_the_only_way() {
    for tokens in all_shapes(&quote! { crate = renamed }) {
        let code = tokens.to_string();
        assert!(code.contains("renamed :: __private") && !code.contains("cache_core"), "{code}");
        assert!(!code.contains("compile_error"), "{code}");
    }
}

/// Paths of the standard library begin at the root: no name that the user may shadow.
#[test]
fn expand_attribute_paths_begin_at_the_root() {
    for tokens in all_shapes(&quote! { crate = ::krate }) {
        syn::parse2::<syn::File>(quote! { impl X { const X: () = { #tokens }; } })
            .expect("an expansion is code");
        for word in ["core ::", "std ::"] {
            let code = tokens.to_string().replace("std :: io", "");
            let rooted = code.matches(&format!(":: {word}")).count();
            assert_eq!(code.matches(word).count(), rooted, "{code}");
        }
    }
}

/// An ordinary word in the user's edition may be a keyword in that of the macro, to which names
/// belong that lints ignore.
#[test]
fn expand_attribute_words_of_older_editions_stay_words() {
    let code = expand_attribute(quote! {}, quote! { fn gen(gen: u8) -> u8 { gen } }).to_string();
    assert!(code.contains("enum r#gen"), "{code}");
    let item = quote! { async fn f(ids: &[u8], gen: u8) -> Vec<(u8, u8)> { g(gen) } };
    let code = expand_attribute(quote! { many = ids }, item).to_string();
    assert!(code.contains("let cached_gen ="), "{code}");
}

/// With any mistake, the function is emitted once and as it was.
#[test]
fn expand_attribute_errors_leave_the_function() {
    let item = quote! { #[inline] fn f(a: f64) -> u8 { g(a) } };
    for attribute in [quote! { tll = 5 }, quote! { ttl = = }, quote! { key(b) }, quote! { , }] {
        let code = expand_attribute(attribute, item.clone()).to_string();
        assert!(code.contains("compile_error") && code.ends_with(&item.to_string()), "{code}");
    }
}

/// The examples of `docs/macro-expansion.md` are what the attribute makes of them.
///
/// `EXPANSIONS=overwrite` rewrites them, with the help of rustfmt.
#[test]
fn expand_attribute_examples_of_the_documents_are_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/macro-expansion.md");
    let text = std::fs::read_to_string(path).expect("the document is there");
    let mut blocks: Vec<&str> = text.split("```").collect();
    let code = |block: &str| block.strip_prefix("rust\n").map(str::to_owned);
    let examples: Vec<usize> = (0..blocks.len()).filter(|&at| code(blocks[at]).is_some()).collect();
    assert!(examples.len() >= 2 && examples.len().is_multiple_of(2), "inputs and outputs");
    let written: Vec<(usize, String)> = examples
        .chunks(2)
        .map(|pair| {
            let input = code(blocks[pair[0]]).expect("an input");
            (pair[1], format!("rust\n{}", formatted(&expansion(&input))))
        })
        .collect();
    if std::env::var_os("EXPANSIONS").is_some_and(|what| what == "overwrite") {
        written.iter().for_each(|(at, output)| blocks[*at] = output);
        std::fs::write(path, blocks.join("```")).expect("the document can be written");
        return;
    }
    for (at, output) in written {
        assert_eq!(bare(blocks[at]), bare(&output), "the expansion has changed: {output}");
    }
}

/// The expansion of one annotated function, its absolute paths cut short.
fn expansion(input: &str) -> String {
    let mut function: syn::ItemFn = syn::parse_str(input).expect("one function");
    let attribute = function.attrs.remove(0);
    let attribute = attribute.meta.require_list().map(|list| list.tokens.clone());
    let function = quote! { #function };
    let code = expand_attribute(attribute.unwrap_or_default(), function).to_string();
    let roots = [
        ":: cache_core :: ",
        ":: core :: result :: Result :: ",
        ":: core :: option :: ",
        ":: core :: primitive :: ",
        ":: core :: time :: ",
        ":: std :: borrow :: ",
    ];
    let code = code.replace(":: core :: option :: Option :: Some", "Some");
    roots.iter().fold(code, |code, root| code.replace(root, ""))
}

/// The code as rustfmt writes it, in a module.
fn formatted(code: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=100,use_small_heuristics=Max"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut rustfmt) = rustfmt else { return code.to_owned() };
    let mut input = rustfmt.stdin.take().expect("a pipe");
    write!(input, "mod it {{ {code} }}").expect("rustfmt reads");
    drop(input);
    let output = rustfmt.wait_with_output().expect("rustfmt ends");
    let text = String::from_utf8(output.stdout).expect("rustfmt writes text");
    let lines = text.lines().filter(|line| line.starts_with(' ') || line.is_empty());
    lines.map(|line| format!("{}\n", line.get(4..).unwrap_or_default())).collect()
}

/// The code without matters of form: spaces, and commas before a bracket.
fn bare(code: &str) -> String {
    let mut bare: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    for bracket in [")", "]", "}", ">", "|"] {
        bare = bare.replace(&format!(",{bracket}"), bracket);
    }
    bare
}
