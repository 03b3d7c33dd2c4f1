//! A visitor with a very small browser: cookies, forms, redirects.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::failure::Failure;

/// A page may be so long, in bytes.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Redirects followed in a row, at most.
const MAX_REDIRECTS: usize = 5;

/// One visitor.
#[derive(Debug)]
pub(super) struct Visitor {
    server: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Somebody who has never been there.
    pub(super) const fn new(server: SocketAddr) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    /// Opens a page (no fields) or posts a form, follows redirects as browsers do (303 is a GET; RFC 9110 section 15.4.4),
    /// and gives the last answer's status and the address it came from.
    pub(super) async fn go(
        &mut self,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<(StatusCode, String), Failure> {
        let (mut method, mut path) = (method.clone(), path.to_owned());
        let mut body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        for _ in 0..=MAX_REDIRECTS {
            let (status, location) = self.ask(&method, &path, std::mem::take(&mut body)).await?;
            match location {
                Some(location) if status.is_redirection() => (method, path) = (Method::GET, location),
                _ => return Ok((status, path)),
            }
        }
        Err(Failure::Failed(format!("{path} redirects in a circle")))
    }

    async fn ask(
        &mut self,
        method: &Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Option<String>), Failure> {
        let broke = |fault: &dyn std::error::Error| Failure::caused(format!("{path} did not answer"), fault);
        let stream = TcpStream::connect(self.server).await.map_err(|fault| broke(&fault))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|fault| broke(&fault))?;
        let driver = tokio::spawn(connection);
        let request = self.request(method, path, body).map_err(|fault| broke(&fault))?;
        let (head, body) = sender.send_request(request).await.map_err(|fault| broke(&fault))?.into_parts();
        let page = Limited::new(body, MAX_PAGE_BYTES).collect().await;
        driver.abort();
        page.map_err(|fault| broke(&*fault))?;
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            let pair =
                cookie.to_str().ok().and_then(|cookie| cookie.split(';').next()).and_then(|pair| pair.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok((head.status, location))
    }

    fn request(&self, method: &Method, path: &str, body: String) -> http::Result<Request<Full<bytes::Bytes>>> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.server.to_string());
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request.body(Full::from(body))
    }
}
