//! What a request asks a GraphQL endpoint (the GraphQL-over-HTTP draft; batches; Apollo's persisted queries; file uploads by
//! the multipart specification).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::PersistedDocuments;
use crate::exchange::Fields;

/// Operations of one batch.
const MAX_BATCH: usize = 100;

/// One operation as asked for.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Asked {
    /// The document, where it was sent.
    document: Option<String>,
    /// The document's SHA-256, where that was sent.
    hash: Option<String>,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Map<String, Value>,
}

impl Asked {
    /// The document: as sent (and remembered, if its hash came with it), else what is known under its hash.
    pub(super) fn text(&self, documents: &PersistedDocuments) -> Option<Arc<str>> {
        match (&self.document, &self.hash) {
            (Some(text), hash) => {
                if let Some(hash) = hash {
                    documents.learn(hash, text);
                }
                Some(text.as_str().into())
            }
            (None, Some(hash)) => documents.get(hash),
            (None, None) => None,
        }
    }

    fn of(body: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let hash = body.get("extensions").and_then(|all| all.get("persistedQuery")?.get("sha256Hash")?.as_str());
        // A search box sends `{"query": "tea"}` too: a document has a bracket.
        let document = text("query").filter(|text| text.contains('{'));
        if document.is_none() && hash.is_none() {
            return None;
        }
        Some(Self {
            document: document.map(str::to_owned),
            hash: hash.map(str::to_owned),
            operation_name: text("operationName").map(str::to_owned),
            variables: body.get("variables").and_then(Value::as_object).cloned().unwrap_or_default(),
        })
    }
}

/// A JSON body: one operation, or a batch. Empty if it is none.
pub(in crate::exchange) fn from_request_json(body: &Value) -> Vec<Asked> {
    match body {
        Value::Object(body) => Asked::of(body).into_iter().collect(),
        Value::Array(batch) if batch.len() <= MAX_BATCH => {
            let asked: Option<Vec<Asked>> = batch.iter().map(|one| Asked::of(one.as_object()?)).collect();
            asked.unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// A query string: `query`, `variables`, `operationName`, `extensions`, the objects as JSON.
pub(in crate::exchange) fn from_query(query: &Fields) -> Vec<Asked> {
    let pairs = query.pairs().iter().filter_map(|(name, value)| {
        let value = match name.as_str() {
            "query" | "operationName" => Value::String(value.clone()),
            "variables" | "extensions" => serde_json::from_str(value).ok()?,
            _ => return None,
        };
        Some((name.clone(), value))
    });
    Asked::of(&pairs.collect()).into_iter().collect()
}

/// A form: the operation stands as JSON in `operations` where files are sent along, else as in a query string.
pub(in crate::exchange) fn from_form(form: &Fields) -> Vec<Asked> {
    let operations = form.pairs().iter().find(|(name, _)| name == "operations");
    match operations.and_then(|(_, json)| serde_json::from_str(json).ok()) {
        Some(body) => from_request_json(&body),
        None => from_query(form),
    }
}

/// A body of type `application/graphql`: the document alone, with variables in the query string.
pub(in crate::exchange) fn from_text(text: &str, query: &Fields) -> Vec<Asked> {
    let document = Some(text.to_owned());
    let beside = from_query(query).pop().unwrap_or_default();
    let variables = query.pairs().iter().find(|(name, _)| name == "variables");
    let variables = variables.and_then(|(_, json)| serde_json::from_str(json).ok()).unwrap_or(beside.variables);
    let named = query.pairs().iter().find(|(name, _)| name == "operationName");
    vec![Asked { document, hash: beside.hash, operation_name: named.map(|(_, name)| name.clone()), variables }]
}
