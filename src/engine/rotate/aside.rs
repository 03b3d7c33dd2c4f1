//! Files written aside and put in place whole: whoever reads sees the old text or the new one, and never a part.

use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Permission of everybody to read.
const READ_BY_ALL: u32 = 0o004;

/// A text on disk beside the place where it is to stand; gone if it is dropped before.
#[derive(Debug)]
pub(super) struct Aside {
    file: NamedTempFile,
    place: PathBuf,
    /// What must still stand there; `None`: nothing may.
    before: Option<Vec<u8>>,
}

impl Aside {
    /// A new text for the file at `path`, which holds `before`. Of a link, the file it leads to is meant.
    pub(super) fn change(path: &Path, before: Vec<u8>, text: &[u8]) -> io::Result<Self> {
        let place = fs::canonicalize(path)?;
        let file = write(&place, text, &fs::metadata(&place)?)?;
        Ok(Self { file, place, before: Some(before) })
    }

    /// A new file at `path`, to be read by whoever may read the file at `like`.
    pub(super) fn create(path: &Path, text: &[u8], like: &Path) -> io::Result<Self> {
        let file = write(path, text, &fs::metadata(like)?)?;
        Ok(Self { file, place: path.to_owned(), before: None })
    }

    /// Puts it in place, for good when this returns.
    pub(super) fn put(self) -> io::Result<()> {
        match self.before {
            Some(before) if fs::read(&self.place)? != before => {
                return Err(io::Error::other("somebody has changed it meanwhile"));
            }
            Some(_) => self.file.persist(&self.place)?,
            None => self.file.persist_noclobber(&self.place)?,
        };
        fs::File::open(directory(&self.place))?.sync_all()
    }
}

/// Writes aside. The name begins with a dot and ends in `.tmp`: twice what the rules directory leaves out.
fn write(place: &Path, text: &[u8], like: &Metadata) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".shopbell-").suffix(".tmp").tempfile_in(directory(place))?; // made 0600
    file.write_all(text)?;
    let own = file.as_file().metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid())
        && fchown(file.as_file(), Some(like.uid()), Some(like.gid())).is_err()
        && like.mode() & READ_BY_ALL == 0
    {
        let (user, group) = (like.uid(), like.gid());
        let text =
            format!("it belongs to user {user} and group {group}, and you cannot leave it to them: run this as root");
        return Err(io::Error::other(text));
    }
    // After its owner, whose change takes bits away.
    file.as_file().set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_changed_whole_and_keeps_its_mode_and_its_links() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &link).unwrap();
        let aside = Aside::change(&link, b"old".to_vec(), b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"old", "not before it is put in place");
        aside.put().unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let kept = dir.path().join("kept");
        Aside::create(&kept, b"old", &real).unwrap().put().unwrap();
        assert_eq!((fs::read(&kept).unwrap(), fs::metadata(&kept).unwrap().mode() & 0o7777), (b"old".to_vec(), 0o640));
        assert!(Aside::create(&kept, b"x", &real).unwrap().put().is_err(), "what is there is not written over");

        let late = Aside::change(&real, b"old".to_vec(), b"newer").unwrap();
        assert!(late.put().unwrap_err().to_string().contains("changed it meanwhile"));
        let dropped = Aside::change(&real, b"new".to_vec(), b"newer").unwrap();
        drop(dropped);
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.count(), 3, "nothing is left beside them");
    }
}
