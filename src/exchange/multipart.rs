//! `multipart/form-data`: reading fields, and leaving out what files hold while a body passes.

/// Copies a multipart body as it streams by, without the contents of file parts, so that fields after an upload are
/// still within the capture limit. What it gives is valid multipart again, with empty files.
#[derive(Debug)]
pub struct FilePartSkipper {}

impl FilePartSkipper {
    /// For a body of this `Content-Type`; `None` if it is not multipart.
    pub fn for_content_type(_content_type: &str) -> Option<Self> {
        todo!()
    }

    /// Appends what is to be kept of the next chunk to `kept`, never more than `room` bytes; false once something that
    /// should have been kept did not fit.
    pub fn push(&mut self, _chunk: &[u8], _kept: &mut Vec<u8>, _room: usize) -> bool {
        todo!()
    }
}
