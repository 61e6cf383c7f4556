//! The packages that are published: each has its texts with it, and no link that holds only in the
//! repository.

use std::fs;
use std::path::{Path, PathBuf};

const PACKAGES: [&str; 3] = ["cache-core", "cache-macros", "cache-memcached"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the targets of the links and pictures in a text, those in code excluded.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let targets = prose.flat_map(|prose| prose.split("](").skip(1));
    targets.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// A link within a page, or to an address.
fn holds_anywhere(link: &str) -> bool {
    ["#", "https://"].iter().any(|start| link.starts_with(start))
}

#[test]
fn licences_of_the_packages_are_those_of_the_repository() {
    for package in PACKAGES {
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(text(Path::new(package).join(licence)) == text(licence), "{package}/{licence}");
        }
    }
}

#[test]
fn readmes_of_the_packages_link_to_nothing_that_is_elsewhere() {
    for package in PACKAGES {
        let readme = text(Path::new(package).join("README.md"));
        let astray: Vec<_> = links(&readme).into_iter().filter(|l| !holds_anywhere(l)).collect();
        assert!(astray.is_empty(), "README.md of {package}: {astray:?}");
    }
}

#[test]
fn links_of_the_documents_lead_to_files() {
    let folders = ["", "docs", "cache-core/docs"];
    let documents = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let documents = documents.map(|entry| entry.unwrap().path());
    let mut checked = 0;
    for document in documents.filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = text(&document);
        for link in links(&text).into_iter().filter(|link| !holds_anywhere(link)) {
            let file = link.split('#').next().unwrap();
            // A guide may link to an item of the crate; rustdoc checks those.
            if !file.contains("::") {
                let there = document.with_file_name(file).exists();
                assert!(there, "{} links to {link}", document.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "only {checked} links were found");
}

#[test]
fn manifests_of_the_packages_say_what_a_registry_shows() {
    for package in PACKAGES {
        let manifest = text(Path::new(package).join("Cargo.toml"));
        for key in ["description", "license.workspace", "readme", "keywords", "categories"] {
            let said = manifest.lines().any(|line| line.starts_with(&format!("{key} = ")));
            assert!(said, "Cargo.toml of {package} has no `{key}`");
        }
        assert!(manifest.contains("\n[package.metadata.docs.rs]\nall-features = true\n"));
    }
}
