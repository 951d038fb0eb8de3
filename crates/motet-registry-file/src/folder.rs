//! The folder: private to one user, and there whenever it is needed.

use std::{
    fs::{self, DirBuilder, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use motet_core::{Code, Result, Status};

/// The folder of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// What tells a folder from another that took its place. The time is needed since file systems give
/// the number of a removed folder to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FolderId {
    device: u64,
    inode: u64,
    created: Option<SystemTime>,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Folder {
        Folder { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder when it is absent, and makes sure that nobody else can write into it.
    pub(crate) fn ensure(&self) -> Result<FolderId> {
        let found = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.create(),
            found => found,
        };
        let found = found.map_err(|error| failed("open or create the registry's folder", &self.path, &error))?;
        self.check(&found)?;
        Ok(FolderId { device: found.dev(), inode: found.ino(), created: found.created().ok() })
    }

    fn create(&self) -> io::Result<Metadata> {
        // Another process may be quicker: what then stands there is checked all the same.
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        fs::symlink_metadata(&self.path)
    }

    fn check(&self, found: &Metadata) -> Result<()> {
        let (path, user) = (self.path.display(), rustix::process::geteuid().as_raw());
        let problem = if found.is_symlink() {
            format!("{path} is a symbolic link: remove it, or configure the folder that it points to")
        } else if !found.is_dir() {
            format!("{path} is not a folder: remove it, or configure another folder")
        } else if found.uid() != user {
            let owner = found.uid();
            format!("{path} belongs to user {owner}, but user {user} runs this: configure a folder of your own")
        } else if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o777;
            format!("{path} has mode {mode:04o}, which lets other users in: run `chmod 700 {path}`")
        } else {
            return Ok(());
        };
        Err(Status::failed_precondition(format!("the registry's folder is not safe to use: {problem}")))
    }
}

/// What the system said when `what` was tried with `path`.
pub(crate) fn failed(what: &str, path: &Path, error: &io::Error) -> Status {
    let (code, fix) = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            (Code::PermissionDenied, "make it writable (`chmod 700`), or configure another folder")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (Code::ResourceExhausted, "free some space, or configure a folder on another disk")
        }
        ErrorKind::NotADirectory | ErrorKind::InvalidFilename => (Code::FailedPrecondition, "configure another folder"),
        ErrorKind::Unsupported => {
            (Code::FailedPrecondition, "configure a folder on a local disk, where files can be locked")
        }
        _ => (Code::Unavailable, "see whether the folder is there and in order"),
    };
    Status::new(code, format!("cannot {what}, {}: {error}; {fix}", path.display())).with_source(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refusal(path: &Path) -> String {
        let status = Folder::new(path.into()).ensure().expect_err("refused");
        assert_eq!(status.code(), Code::FailedPrecondition);
        status.message().to_owned()
    }

    #[test]
    fn an_absent_folder_is_created_for_its_user_alone() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("deep").join("registry");
        Folder::new(path.clone()).ensure().expect("created");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o700);
    }

    #[test]
    fn a_symbolic_link_is_refused_even_to_a_good_folder() {
        let temp = tempfile::tempdir().expect("temp");
        let (target, link) = (temp.path().join("target"), temp.path().join("link"));
        Folder::new(target.clone()).ensure().expect("created");
        symlink(target, &link).expect("link");
        assert!(refusal(&link).contains("is a symbolic link: remove it"));
    }

    #[test]
    fn a_folder_that_lets_others_in_is_refused_with_the_command_that_helps() {
        let temp = tempfile::tempdir().expect("temp");
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o750)).expect("chmod");
        let message = refusal(temp.path());
        assert!(message.contains("mode 0750") && message.contains("run `chmod 700 /"), "{message}");
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let temp = tempfile::tempdir().expect("temp");
        // Only root can give a folder away; for everybody else, root's will do.
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(temp.path(), Some(65534), None).expect("chown");
        }
        let message = refusal(if root { temp.path() } else { Path::new("/usr") });
        assert!(message.contains("belongs to user"), "{message}");
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let temp = tempfile::NamedTempFile::new().expect("temp");
        assert!(refusal(temp.path()).contains("is not a folder"));
        let below = temp.path().join("registry");
        assert!(refusal(&below).contains("configure another folder"));
    }

    #[test]
    fn a_folder_that_took_the_place_of_another_is_told_apart() {
        let temp = tempfile::tempdir().expect("temp");
        let folder = Folder::new(temp.path().join("registry"));
        let first = folder.ensure().expect("created");
        assert_eq!(folder.ensure(), Ok(first));
        fs::remove_dir(folder.path()).expect("removed");
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_ne!(folder.ensure(), Ok(first));
    }
}
