//! Where the figures of a benchmark go: a folder of reports, and the sections of a document.
//!
//! A [`Publication`] has the figures three times: as JSON with every round, as tables in Markdown,
//! and as pictures. `--report DIR` writes all of them into a folder, with the circumstances of the
//! measurement. `--into FILE` puts the tables between their marks in a document, and the pictures
//! that the document shows beside it. All benchmarks of one `cargo bench` may be given the same
//! folder and the same document.

use crate::{
    args::Outputs,
    machine::Circumstances,
    markdown::replaced,
    report::{write_json, write_text},
};
use serde_json::Value;
use std::{fmt::Write, fs, path::Path};

/// Tables that a document has between two marks, `<!-- BENCH NAME -->` and `<!-- end of NAME -->`.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The name in the marks.
    pub name: String,
    /// Markdown.
    pub text: String,
}

impl Section {
    /// Makes a section.
    pub fn new(name: &str, text: impl Into<String>) -> Section {
        Section { name: name.to_owned(), text: text.into() }
    }
}

/// A chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The name of its file, without the extension.
    pub name: String,
    /// The picture.
    pub svg: String,
}

/// What a benchmark has to show.
pub struct Publication {
    /// The name of the benchmark.
    pub bench: &'static str,
    /// `true` if the figures mean nothing.
    pub quick: bool,
    /// Everything, for programs.
    pub json: Value,
    /// What a document may have of it.
    pub sections: Vec<Section>,
    /// What is too long for a document: Markdown for the folder.
    pub details: String,
    /// The charts.
    pub pictures: Vec<Picture>,
}

impl Publication {
    /// Makes a publication without details and pictures.
    pub fn new(bench: &'static str, quick: bool, json: Value, sections: Vec<Section>) -> Self {
        Publication { bench, quick, json, sections, details: String::new(), pictures: Vec::new() }
    }

    /// Writes what was asked for. What cannot be written is said; the figures have been printed
    /// already, so nothing ends here.
    pub fn publish(mut self, outputs: &Outputs) {
        if !outputs.any() {
            return;
        }
        let circumstances = Circumstances::now();
        self.json["circumstances"] = circumstances.json();
        if let Some(path) = &outputs.json {
            write_json(path, &self.json);
        }
        if let Some(folder) = &outputs.report {
            self.write_folder(folder, &circumstances);
        }
        if let Some(document) = &outputs.into {
            self.fill_document(document, &circumstances);
        }
    }

    fn write_folder(&self, folder: &Path, circumstances: &Circumstances) {
        if let Err(why) = fs::create_dir_all(folder) {
            eprintln!("cannot make {}: {why}", folder.display());
            return;
        }
        let file = |name: &str, ending: &str| folder.join(format!("{name}.{ending}"));
        write_json(&file(self.bench, "json"), &self.json);
        write_text(&file(self.bench, "md"), &self.markdown(circumstances));
        self.pictures.iter().for_each(|one| write_text(&file(&one.name, "svg"), &one.svg));
    }

    fn fill_document(&self, path: &Path, circumstances: &Circumstances) {
        let mut document = match fs::read_to_string(path) {
            Ok(document) => document,
            Err(why) => return eprintln!("cannot read {}: {why}", path.display()),
        };
        let mut is_changed = false;
        for section in &self.sections {
            let text = self.of_document(section, circumstances);
            match replaced(&document, self.bench, &section.name, &text) {
                Ok(new) => (document, is_changed) = (new, true),
                Err(why) => eprintln!("not put into {}: {why}", path.display()),
            }
        }
        if is_changed {
            write_text(path, &document);
        }
        for picture in &self.pictures {
            let name = format!("{}.svg", picture.name);
            if document.contains(&format!("]({name})")) {
                write_text(&path.with_file_name(name), &picture.svg);
            }
        }
    }

    /// Returns a section with the command and the circumstances above it.
    fn of_document(&self, section: &Section, circumstances: &Circumstances) -> String {
        let quick = if self.quick { " -- --quick` (the figures mean nothing)" } else { "`" };
        format!(
            "`cargo bench -p benches --bench {}{quick}.\n{}\n\n{}",
            self.bench,
            circumstances.text(),
            section.text.trim()
        )
    }

    /// Returns everything that a reader may want.
    fn markdown(&self, circumstances: &Circumstances) -> String {
        let mut text = format!("# {}\n\n{}\n", self.bench, circumstances.text());
        if self.quick {
            text.push_str("\nQUICK: the figures mean nothing.\n");
        }
        // Writing to a string cannot fail.
        for section in &self.sections {
            let _ = write!(text, "\n## {}\n\n{}\n", section.name, section.text.trim());
        }
        for picture in &self.pictures {
            let _ = write!(text, "\n![{}]({}.svg)\n", picture.name, picture.name);
        }
        if !self.details.is_empty() {
            let _ = write!(text, "\n## Every case\n\n{}\n", self.details.trim());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn publication() -> Publication {
        let sections = vec![Section::new("figures", "| a table |"), Section::new("other", "else")];
        let pictures = vec!["shown", "hidden"]
            .into_iter()
            .map(|name| Picture { name: name.to_owned(), svg: format!("<svg>{name}</svg>") });
        Publication {
            pictures: pictures.collect(),
            details: "every case".to_owned(),
            ..Publication::new("hit", true, json!({ "bench": "hit" }), sections)
        }
    }

    /// Returns an empty folder of this test.
    fn folder(name: &str) -> std::path::PathBuf {
        let name = format!("benches-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_folder_receives_json_tables_and_pictures() {
        let folder = folder("report");
        let outputs = Outputs { report: Some(folder.join("new")), ..Outputs::default() };
        publication().publish(&outputs);
        let read = |name: &str| fs::read_to_string(folder.join("new").join(name)).unwrap();
        let json: Value = read("hit.json").parse().unwrap();
        assert!(json["circumstances"]["commit"].is_string());
        let text = read("hit.md");
        for part in ["| a table |", "QUICK", "every case", "](hidden.svg)", "rustc"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(read("hidden.svg"), "<svg>hidden</svg>");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_document_receives_its_sections_and_the_pictures_that_it_shows() {
        let folder = folder("document");
        let document = folder.join("figures.md");
        let marks = "![a picture](shown.svg)\n<!-- hit figures -->old<!-- end of figures -->\n\
                     <!-- load figures -->kept<!-- end of figures -->\n";
        fs::write(&document, marks).unwrap();
        publication().publish(&Outputs { into: Some(document.clone()), ..Outputs::default() });
        let text = fs::read_to_string(&document).unwrap();
        assert!(text.contains("| a table |") && text.contains("kept") && !text.contains("old"));
        assert!(text.contains("the figures mean nothing"));
        assert!(folder.join("shown.svg").exists() && !folder.join("hidden.svg").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
