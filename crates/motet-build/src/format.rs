//! Documentation, and how code is laid out.

use prost_reflect::FileDescriptor;

use crate::Error;

/// The comment before what is at this path of a file, by lines.
pub(crate) fn docs(file: &FileDescriptor, path: &[i32]) -> Vec<String> {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let found = info.into_iter().flat_map(|info| &info.location).find(|location| location.path == path);
    let text = found.and_then(|location| location.leading_comments.clone()).unwrap_or_default();
    let mut lines: Vec<String> =
        text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Documentation as attributes. What looks like code is none that compiles: it is marked as text.
pub(crate) fn doc_attributes(lines: &[String]) -> String {
    let mut fenced = false;
    let attribute = |line: &String| {
        let mut line = line.clone();
        if line.trim_start().starts_with("```") {
            if !fenced && line.trim() == "```" {
                line.push_str("text");
            }
            fenced = !fenced;
        } else if !fenced && (line.starts_with("    ") || line.starts_with('\t')) {
            // Four spaces make a block of code.
            line = line.trim_start().to_owned();
        }
        let space = if line.is_empty() { "" } else { " " };
        format!("#[doc = {:?}]\n", format!("{space}{line}"))
    };
    lines.iter().map(attribute).collect()
}

/// The code laid out as rustfmt would.
pub(crate) fn pretty(code: &str) -> Result<String, Error> {
    match syn2::parse_file(code) {
        Ok(file) => Ok(prettyplease::unparse(&file)),
        Err(error) => {
            Err(Error::new(format!("the generated code is no Rust: {error}; please report this with your .proto file")))
        }
    }
}
