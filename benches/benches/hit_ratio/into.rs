//! Figures into a document: what stands between two marks is replaced.

use std::{fs, path::Path};

/// Replaces what stands between `<!-- hit_ratio SECTION -->` and `<!-- end of SECTION -->`.
pub(crate) fn replace(path: &Path, section: &str, text: &str) -> Result<(), String> {
    let old = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let (from, to) =
        (format!("<!-- hit_ratio {section} -->"), format!("<!-- end of {section} -->"));
    let missing = |mark: &str| format!("the mark {mark} is missing");
    let (before, rest) = old.split_once(&from).ok_or_else(|| missing(&from))?;
    let (_, after) = rest.split_once(&to).ok_or_else(|| missing(&to))?;
    let new = format!("{before}{from}\n\n{}\n\n{to}{after}", text.trim());
    fs::write(path, new).map_err(|error| error.to_string())?;
    println!("\nput into {}, section {section}", path.display());
    Ok(())
}
