//! From `.proto` text to descriptors, by protox.

use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;
use protox::{
    Compiler, Error as ProtoxError,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver},
};

use crate::Error;

/// What was compiled.
pub(crate) struct Compiled {
    /// All files, with those that they import.
    pub(crate) pool: DescriptorPool,
    /// Where the files were read.
    pub(crate) sources: Vec<PathBuf>,
}

/// The files of `google.api` that an option needs, for those who do not have them.
struct Annotations;

impl FileResolver for Annotations {
    fn open_file(&self, name: &str) -> Result<File, ProtoxError> {
        let source = match name {
            "google/api/annotations.proto" => include_str!("../proto/google/api/annotations.proto"),
            "google/api/http.proto" => include_str!("../proto/google/api/http.proto"),
            _ => return Err(ProtoxError::file_not_found(name)),
        };
        File::from_source(name, source)
    }
}

pub(crate) fn compile(protos: &[PathBuf], includes: &[PathBuf]) -> Result<Compiled, Error> {
    if protos.is_empty() {
        return Err(Error::new("no .proto file is named"));
    }
    let mut files = ChainFileResolver::new();
    for folder in includes {
        files.add(IncludeFileResolver::new(folder.clone()));
    }
    files.add(GoogleFileResolver::new());
    files.add(Annotations);
    let mut compiler = Compiler::with_file_resolver(files);
    compiler.include_imports(true).include_source_info(true);
    for proto in protos {
        let name = name_of(proto, includes)?;
        compiler.open_file(&name).map_err(|error| explain(&error, includes))?;
    }
    let sources = compiler.files().filter_map(|file| file.path().map(Path::to_owned)).collect();
    Ok(Compiled { pool: compiler.descriptor_pool(), sources })
}

/// The name of a file as others import it: its path within the first folder that holds it.
fn name_of(proto: &Path, includes: &[PathBuf]) -> Result<String, Error> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let within =
        includes.iter().find_map(|folder| absolute(proto).strip_prefix(absolute(folder)).ok().map(Path::to_owned));
    // A name within one of the folders is taken as it is.
    let named = || proto.is_relative() && includes.iter().any(|folder| folder.join(proto).is_file());
    let within = within.or_else(|| named().then(|| proto.to_owned()));
    let Some(within) = within else {
        let folders: Vec<_> = includes.iter().map(|folder| folder.display().to_string()).collect();
        let problem = if proto.is_file() { "is in none of the include folders" } else { "is not there" };
        return Err(Error::new(format!(
            "{} {problem} ({}); name a folder that holds it as an include",
            proto.display(),
            folders.join(", ")
        )));
    };
    let parts: Vec<_> = within.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    Ok(parts.join("/"))
}

/// The compiler's error with its place, and what to do about it.
fn explain(error: &ProtoxError, includes: &[PathBuf]) -> Error {
    let text = error.to_string();
    let folders: Vec<_> = includes.iter().map(|folder| folder.display().to_string()).collect();
    let place = match (error.file(), place(error)) {
        (Some(file), Some((line, column))) => format!("{}:{line}:{column}: ", shown(file, includes)),
        (Some(file), None) => format!("{}: ", shown(file, includes)),
        (None, _) => String::new(),
    };
    let text = text.strip_prefix(&place).unwrap_or(&text);
    let advice = if error.is_file_not_found() {
        format!("\n  it was looked for in {}; add the folder that holds it to the includes", folders.join(", "))
    } else if text.contains("is not defined") {
        "\n  import the file that declares it, or write its full name".to_owned()
    } else {
        String::new()
    };
    Error::new(format!("{place}{text}{advice}"))
}

fn shown(name: &str, includes: &[PathBuf]) -> String {
    let found = includes.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.map_or_else(|| name.to_owned(), |path| path.display().to_string())
}

/// Line and column, which protox gives in the long form of its errors only: `[a.proto:3:9]`.
fn place(error: &ProtoxError) -> Option<(u32, u32)> {
    let long = format!("{error:?}");
    let file = error.file()?;
    let (_, behind) = long.split_once(&format!("{file}:"))?;
    let mut numbers = behind.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
