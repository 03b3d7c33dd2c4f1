//! The whole of shopbell in this process, as `app` puts it together, in front of a scripted shop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shopbell::app::{self, AppError, Running};
use shopbell::id::Seq;
use shopbell::model::record::LogEntry;
use shopbell::model::{Event, Notice};
use shopbell::settings::Settings;
use shopbell::store::{LogLine, LogQuery};

use super::upstream::{PATIENCE, Peer, Scripted};

/// A running shopbell with a directory of its own. Must be used on a runtime with several threads: tests block.
pub(crate) struct House {
    pub(crate) running: Running,
    dir: Arc<tempfile::TempDir>,
    settings: Settings,
}

impl House {
    /// Writes `rules` into one file and starts in front of `shop`.
    pub(crate) async fn open(shop: &Scripted, rules: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a directory"));
        std::fs::create_dir(dir.path().join("rules")).expect("a directory");
        std::fs::write(dir.path().join("rules/rules.toml"), rules).expect("a file");
        Self::open_in(dir, shop.address).await.unwrap_or_else(|error| panic!("{error}: {:#?}", error.diagnostics()))
    }

    /// Starts over the rules and data of `dir`.
    pub(crate) async fn open_in(dir: Arc<tempfile::TempDir>, upstream: SocketAddr) -> Result<Self, AppError> {
        let settings = settings(dir.path(), upstream);
        Self::open_with(dir, settings).await
    }

    /// Starts with other settings; `dir` is kept as long as this.
    pub(crate) async fn open_with(dir: Arc<tempfile::TempDir>, settings: Settings) -> Result<Self, AppError> {
        let running = app::start(settings.clone()).await?;
        Ok(Self { running, dir, settings })
    }

    /// Stops; gives the directory, for the next start.
    pub(crate) async fn close(self) -> Arc<tempfile::TempDir> {
        self.running.stop().await;
        self.dir
    }

    /// Stops and starts again over the same directory.
    pub(crate) async fn restart(self) -> Self {
        let settings = self.settings.clone();
        let dir = self.close().await;
        Self::open_with(dir, settings).await.unwrap_or_else(|error| panic!("{error}: {:#?}", error.diagnostics()))
    }

    /// The rules directory.
    pub(crate) fn rules(&self) -> PathBuf {
        self.dir.path().join("rules")
    }

    /// Overwrites the rules file and has it read.
    pub(crate) async fn rewrite(&self, rules: &str) {
        std::fs::write(self.rules().join("rules.toml"), rules).expect("a file");
        let report = self.running.rules.reload().await.expect("it runs");
        assert!(report.ok, "{:#?}", report.diagnostics);
    }

    /// A visitor's connection.
    pub(crate) fn visitor(&self) -> Peer {
        Peer::connect(self.running.proxy_addr)
    }

    /// The sequence the next record of the events journal gets.
    pub(crate) fn head(&self) -> Seq {
        *self.running.store.head().borrow()
    }

    /// All events so far.
    pub(crate) async fn events(&self) -> Vec<Arc<Event>> {
        let (mut events, mut from) = (Vec::new(), Seq(1));
        while from < self.head() {
            let (page, next) = self.running.store.events(from, 4_096).await.expect("the journal is read");
            events.extend(page.into_iter().map(|(_, event)| event));
            from = next;
        }
        events
    }

    /// Waits until there are so many events, and gives them.
    pub(crate) async fn wait_for_events(&self, count: usize) -> Vec<Arc<Event>> {
        let mut head = self.running.store.head();
        let all = async {
            loop {
                let events = self.events().await;
                if events.len() >= count {
                    return events;
                }
                head.changed().await.expect("the store is open");
            }
        };
        let Ok(events) = tokio::time::timeout(PATIENCE, all).await else {
            panic!("{count} events were expected, got {:#?}", self.events().await)
        };
        events
    }

    /// Notices of the log, oldest first.
    pub(crate) async fn notices(&self) -> Vec<Notice> {
        let query = LogQuery { limit: 1_000, kinds: vec!["notice".into()], ..LogQuery::default() };
        let lines = self.running.store.search(query).await.expect("the log is searched");
        let notices = lines.into_iter().rev().filter_map(|line| match line {
            LogLine::Log { entry: LogEntry::Notice(notice), .. } => Some(notice),
            _ => None,
        });
        notices.collect()
    }

    /// Waits for a notice that holds `text`.
    pub(crate) async fn wait_for_notice(&self, text: &str) -> Notice {
        let found = async {
            loop {
                if let Some(notice) = self.notices().await.into_iter().find(|notice| notice.text.contains(text)) {
                    return notice;
                }
                tokio::task::yield_now().await;
            }
        };
        let Ok(notice) = tokio::time::timeout(PATIENCE, found).await else {
            panic!("no notice says {text:?}: {:#?}", self.notices().await)
        };
        notice
    }

    /// A metric of `/metrics`, labels and all as written there; 0 where it is absent.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        metric(&self.metrics(), name)
    }

    /// The whole metrics page.
    pub(crate) fn metrics(&self) -> String {
        control(&self.running.control, "GET /metrics")
    }
}

/// The value of a metric on a metrics page; 0 where it is absent.
pub(crate) fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.trim().parse().expect("a number"))
}

/// Settings for tests over `dir`.
pub(crate) fn settings(dir: &Path, upstream: SocketAddr) -> Settings {
    let mut settings = Settings::new(format!("http://{upstream}"), dir.join("rules"), dir.join("data"));
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.cores = 2;
    settings.allow_delivery_to = vec!["127.0.0.0/8".parse().expect("a network")];
    settings
}

/// Asks the control socket; gives the whole answer.
pub(crate) fn control(socket: &Path, request: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("the control socket");
    let request = format!("{request} HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// A form's POST, as bytes.
pub(crate) fn form(path: &str, fields: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{fields}",
        fields.len()
    )
}
