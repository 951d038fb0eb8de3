//! What to compile, and how.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

use crate::{Error, generate, source};

/// The name of the generated file in `OUT_DIR`, which `motet::include_proto!()` takes in.
const FILE: &str = "motet.rs";

/// Compiles these `.proto` files for `motet::include_proto!()`: in a build script. `includes` are the
/// folders in which imports are looked up, and to which the names of files are relative.
///
/// # Errors
/// As [`Builder::compile`].
pub fn compile<P: AsRef<Path>, I: AsRef<Path>>(protos: &[P], includes: &[I]) -> Result<(), Error> {
    Builder::new().compile(protos, includes)
}

/// Settings of the generator.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) out: Option<PathBuf>,
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) version: Option<String>,
    pub(crate) optional: bool,
    pub(crate) crate_path: String,
    pub(crate) btree_maps: bool,
    pub(crate) cargo: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            out: None,
            names: BTreeMap::new(),
            version: None,
            optional: true,
            crate_path: "::motet".to_owned(),
            btree_maps: false,
            cargo: true,
        }
    }
}

impl Builder {
    /// The defaults.
    #[must_use]
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Writes into this file instead of `$OUT_DIR/motet.rs`.
    #[must_use]
    pub fn out_file(mut self, file: impl Into<PathBuf>) -> Builder {
        self.out = Some(file.into());
        self
    }

    /// Registers and calls a service by another name than its full one in protobuf:
    /// `.service_name("acme.shop.v1.Cart", "cart")`. gRPC's name stays.
    #[must_use]
    pub fn service_name(mut self, full_name: impl Into<String>, name: impl Into<String>) -> Builder {
        self.names.insert(full_name.into().trim_start_matches('.').to_owned(), name.into());
        self
    }

    /// The version of all services, in place of the crate's.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Builder {
        self.version = Some(version.into());
        self
    }

    /// Makes methods required: an implementation that lacks one does not compile.
    #[must_use]
    pub fn require_all_methods(mut self) -> Builder {
        self.optional = false;
        self
    }

    /// Makes maps `BTreeMap`s, so that equal messages are equal bytes.
    #[must_use]
    pub fn btree_maps(mut self) -> Builder {
        self.btree_maps = true;
        self
    }

    /// The path of the motet crate, where it is not `::motet`.
    #[must_use]
    pub fn crate_path(mut self, path: impl Into<String>) -> Builder {
        self.crate_path = path.into();
        self
    }

    /// Does not tell cargo which files to watch: for use outside a build script.
    #[must_use]
    pub fn without_cargo(mut self) -> Builder {
        self.cargo = false;
        self
    }

    /// Compiles `.proto` files. `includes` are the folders in which imports are looked up, and to which
    /// the names of files are relative; without any, it is the folder of each file.
    ///
    /// # Errors
    /// Mistakes in the files, with file and line; files that cannot be read or written.
    pub fn compile<P: AsRef<Path>, I: AsRef<Path>>(&self, protos: &[P], includes: &[I]) -> Result<(), Error> {
        let out = match &self.out {
            Some(file) => file.clone(),
            None => {
                let folder = env::var_os("OUT_DIR").ok_or_else(|| {
                    Error::new("OUT_DIR is not set: call this from build.rs, or say where to with out_file")
                })?;
                Path::new(&folder).join(FILE)
            }
        };
        let code = self.generate(protos, includes)?;
        // The same again would make everything that includes it compile again.
        if std::fs::read_to_string(&out).is_ok_and(|there| there == code) {
            return Ok(());
        }
        std::fs::write(&out, code).map_err(|error| Error::io("write", &out, &error))
    }

    /// The code that [`Builder::compile`] writes.
    ///
    /// # Errors
    /// As there.
    pub fn generate<P: AsRef<Path>, I: AsRef<Path>>(&self, protos: &[P], includes: &[I]) -> Result<String, Error> {
        let (protos, folders) = within(protos, includes);
        let compiled = source::compile(&protos, &folders)?;
        if self.cargo {
            for file in &compiled.sources {
                println!("cargo::rerun-if-changed={}", file.display());
            }
        }
        let (code, warnings) = generate::generate(self, &compiled)?;
        for warning in warnings {
            match self.cargo {
                true => println!("cargo::warning={warning}"),
                false => eprintln!("warning: {warning}"),
            }
        }
        Ok(code)
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of these `.proto` files and of all that they import,
/// with their comments. Without `includes`, imports are looked up in the folders of the files.
///
/// # Errors
/// As [`Builder::generate`], where a file cannot be read or is wrong.
pub fn descriptor_set<P: AsRef<Path>, I: AsRef<Path>>(protos: &[P], includes: &[I]) -> Result<Vec<u8>, Error> {
    let (protos, folders) = within(protos, includes);
    Ok(source::compile(&protos, &folders)?.pool.encode_to_vec())
}

/// The files, and the folders in which they are looked up: their own unless others are named.
fn within<P: AsRef<Path>, I: AsRef<Path>>(protos: &[P], includes: &[I]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut folders: Vec<PathBuf> = includes.iter().map(|folder| folder.as_ref().to_owned()).collect();
    if folders.is_empty() {
        let own = protos.iter().map(|file| file.as_ref().parent().unwrap_or(Path::new("")).to_owned());
        folders.extend(own.map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder }));
        folders.dedup();
    }
    (protos.iter().map(|file| file.as_ref().to_owned()).collect(), folders)
}
