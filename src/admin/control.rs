//! The control socket: the API on a Unix socket in the data directory. Who may open the file may use it; no token.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// A socket's path may be so long, in bytes (`sun_path` holds 108 with its final zero; unix(7)).
const MAX_PATH_BYTES: usize = 100;

/// Why the control socket does not work.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another process answers there.
    #[error("another shopbell answers at {0}: stop it, or give another --data")]
    InUse(PathBuf),
    /// It cannot be made or served.
    #[error("the control socket {path} does not work: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Binds `path` (mode 0600): from here on commands connect. The file of a process that is gone is replaced.
pub async fn bind_control(path: &Path) -> Result<UnixListener, ControlError> {
    if connect_control(path).await.is_ok() {
        return Err(ControlError::InUse(path.to_owned()));
    }
    bind(path).map_err(|source| ControlError::Io { path: path.to_owned(), source })
}

/// Serves `router` on a listener of [`bind_control`] until `shutdown` turns true or its sender is gone; then removes the
/// file.
pub async fn serve_control(listener: UnixListener, path: PathBuf, router: Router, mut shutdown: watch::Receiver<bool>) {
    let stop = async move {
        let _ = shutdown.wait_for(|stop| *stop).await;
    };
    // axum's serving never fails: it goes on after accept errors.
    let _ = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    let _ = fs::remove_file(path);
}

/// Opens a connection to the process that serves `path`.
pub async fn connect_control(path: &Path) -> io::Result<UnixStream> {
    let (_directory, short) = short(path)?;
    UnixStream::connect(short).await
}

/// Binds beside `path` and moves the socket there once its mode is set: nobody can slip in before, and the file of a dead
/// process is replaced at once.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let (_directory, short) = short(path)?;
    let fresh = short.with_extension(format!("new-{}", std::process::id()));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    fs::rename(&fresh, &short)?;
    Ok(listener)
}

/// The same file by a path that fits into a socket address: over the directory's file descriptor where it is too long.
/// The open directory must live as long as the path is used.
fn short(path: &Path) -> io::Result<(Option<fs::File>, PathBuf)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no path of a file"));
    };
    if path.as_os_str().len() <= MAX_PATH_BYTES {
        return Ok((None, path.to_owned()));
    }
    let directory = fs::File::open(parent)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    Ok((Some(directory), short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        for path in [directory.path().join("control.sock"), deep.join("control.sock")] {
            drop(bind(&path).unwrap());
            assert!(connect_control(&path).await.is_err(), "nobody listens on the stale file");
            let listener = bind(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(connect_control(&path).await.is_ok());
            let second = bind_control(&path).await;
            assert!(matches!(second, Err(ControlError::InUse(_))), "{second:?}");
            drop(listener);
        }
    }
}
