//! `[access.NAME]`: the rights of look-ups that no visitor has. A login is kept until the shop no longer takes it.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::exchange::{Exchange, Reading};
use crate::model::{LookUp, percent_encoded};
use crate::rules::rule::{AccessConfig, Login};

use super::super::secrets;
use super::client::{self, Shop};

/// What is held of each access: header lines, and values for the path.
#[derive(Debug, Default)]
struct Rights {
    headers: HeaderMap,
    kept: Map<String, Value>,
}

/// Logins that hold, by name. One login at a time: two would push each other out of many a shop.
#[derive(Debug, Default)]
pub(super) struct Accesses(Mutex<HashMap<String, Arc<Rights>>>);

impl Accesses {
    /// A look-up with the rights of `[access.NAME]`; logged in again, once, where the shop turns it away.
    pub(super) async fn get(&self, shop: &Shop<'_>, look_up: &LookUp, name: &str) -> Result<Exchange, String> {
        let config = shop.ruleset.access_named(name).ok_or_else(|| format!("[access.{name}] is not there any more"))?;
        let (held, is_fresh) = self.rights(shop, config, None).await?;
        let answer = shop.get(look_up, &held.kept, &held.headers).await?;
        if is_fresh || config.login.is_none() || !turned_away(&answer) {
            return Ok(answer);
        }
        let (renewed, _) = self.rights(shop, config, Some(&held)).await?;
        shop.get(look_up, &renewed.kept, &renewed.headers).await
    }

    /// The rights held, or fresh ones (`true`); `worn`: those that do not hold any more.
    async fn rights(
        &self,
        shop: &Shop<'_>,
        config: &AccessConfig,
        worn: Option<&Arc<Rights>>,
    ) -> Result<(Arc<Rights>, bool), String> {
        let mut all = self.0.lock().await;
        let held = all.get(&config.name).filter(|held| worn.is_none_or(|worn| !Arc::ptr_eq(worn, held)));
        if let Some(held) = held {
            return Ok((Arc::clone(held), false));
        }
        let fresh = Arc::new(rights(shop, config).await?);
        all.insert(config.name.clone(), Arc::clone(&fresh));
        Ok((fresh, true))
    }
}

/// Whether the shop sent the look-up to a login instead: 3xx, 401 or 403.
fn turned_away(answer: &Exchange) -> bool {
    let status = answer.response.as_ref().map_or(0, |response| response.status.as_u16());
    matches!(status, 300..=399 | 401 | 403)
}

async fn rights(shop: &Shop<'_>, config: &AccessConfig) -> Result<Rights, String> {
    let mut rights = Rights::default();
    for (name, source) in &config.headers {
        let value = secrets::resolve(source)?;
        let name = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is no header name"))?;
        rights.headers.insert(name, sensitive(value.expose())?);
    }
    if let Some(source) = &config.basic {
        let encoded = base64::engine::general_purpose::STANDARD.encode(secrets::resolve(source)?.expose());
        rights.headers.insert(header::AUTHORIZATION, sensitive(&format!("Basic {encoded}"))?);
    }
    if let Some(login) = &config.login {
        log_in(shop, login, &mut rights).await?;
    }
    Ok(rights)
}

fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "a secret of the access cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn log_in(shop: &Shop<'_>, login: &Login, rights: &mut Rights) -> Result<(), String> {
    let mut form = Vec::with_capacity(login.form.len());
    for (name, source) in &login.form {
        form.push(format!("{}={}", percent_encoded(name), percent_encoded(secrets::resolve(source)?.expose())));
    }
    let mut headers = rights.headers.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let answer = shop.send(Method::POST, &login.post, headers, Bytes::from(form.join("&"))).await?;
    let status = answer.response.as_ref().map_or(0, |response| response.status.as_u16());
    if status >= 400 {
        return Err(format!("the login at {} was answered with status {status}", login.post));
    }
    let reading = Reading::new(answer, shop.ruleset.read_options(None));
    let mut cookies = client::Cookies::new();
    client::take_set_cookies(&mut cookies, reading.response_headers());
    if let Some(mut cookie) = client::cookie_header(&cookies) {
        cookie.set_sensitive(true);
        rights.headers.insert(header::COOKIE, cookie);
    }
    rights.kept = shop.ruleset.kept(login, &reading, shop.clock.now());
    Ok(())
}
