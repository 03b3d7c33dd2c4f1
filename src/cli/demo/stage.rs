//! The three parts of the demo, set up on free ports, and the directory they live in.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::app;
use crate::settings::Settings;

use super::super::args::{DemoArgs, Place};
use super::super::control::Api;
use super::super::failure::Failure;
use super::super::run::refused;
use super::receiver::{self, Received};
use super::shop::{self, Shop};

/// The rules of the demo, as they stand in `rules/demo`.
const RULES: [(&str, &str); 5] = [
    ("shop.toml", include_str!("../../../rules/demo/shop.toml")),
    ("products.toml", include_str!("../../../rules/demo/products.toml")),
    ("orders.toml", include_str!("../../../rules/demo/orders.toml")),
    ("customers.toml", include_str!("../../../rules/demo/customers.toml")),
    ("coupons.toml", include_str!("../../../rules/demo/coupons.toml")),
];

/// Deliveries that the screen has not shown yet, at most; a receiver beyond that waits with its answer.
const RECEIVED_QUEUE: usize = 64;

/// Everything that runs in the demo.
pub(super) struct Stage {
    /// Where visitors go in: shopbell.
    pub(super) proxy: SocketAddr,
    /// Where the shop itself listens.
    pub(super) shop: SocketAddr,
    /// Where the receiver listens.
    pub(super) receiver: SocketAddr,
    /// The rules directory, which may be edited while the demo runs.
    pub(super) rules: PathBuf,
    /// The data directory.
    pub(super) data: PathBuf,
    /// What arrives at the receiver.
    pub(super) received: mpsc::Receiver<Received>,
    running: app::Running,
    servers: Vec<JoinHandle<()>>,
    /// Removed with everything in it when the demo ends.
    _temporary: Option<tempfile::TempDir>,
}

impl Stage {
    /// Writes the rules, starts shop, receiver and shopbell.
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let temporary = match args.dir {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|error| fault("a temporary directory cannot be made", &error))?),
        };
        let kept = args.dir.clone().or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()));
        let dir = kept.unwrap_or_default();
        let (shop_listener, shop) = listen().await?;
        let (receiver_listener, receiver) = listen().await?;
        let secret = secret();
        let (rules, data) = (dir.join("rules"), dir.join("data"));
        if data.exists() {
            let text = "is from an earlier demo, and the shop always opens anew: remove it, or name another --dir";
            return Err(Failure::Usage(format!("{} {text}", data.display())));
        }
        let written = write_rules(&rules, receiver, &secret);
        written.map_err(|error| fault(&format!("the rules cannot be written to {}", rules.display()), &error))?;

        let (sender, received) = mpsc::channel(RECEIVED_QUEUE);
        let servers = vec![
            serve(shop_listener, shop::router(Shop::new())),
            serve(receiver_listener, receiver::router(secret, sender)),
        ];
        let mut settings = Settings::new(format!("http://{shop}"), &rules, &data);
        settings.listen = args.listen;
        settings.allow_delivery_to = vec![ipnet::IpNet::from(receiver.ip())];
        let running = app::start(settings).await;
        let running = running.map_err(|error| refused(&error))?;
        let proxy = running.proxy_addr;
        Ok(Self { proxy, shop, receiver, rules, data, received, running, servers, _temporary: temporary })
    }

    /// The operator's API of the process on stage, over its control socket.
    pub(super) async fn api(&self) -> Result<Api, Failure> {
        Api::running(&Place { data: self.data.clone(), rules: self.rules.clone() }).await
    }

    /// Ends everything.
    pub(super) async fn strike(self) {
        self.running.stop().await;
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

fn fault(text: &str, error: &io::Error) -> Failure {
    Failure::caused(text, error)
}

async fn listen() -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.map_err(|error| fault("no free port on 127.0.0.1", &error))?;
    let address = listener.local_addr().map_err(|error| fault("no free port on 127.0.0.1", &error))?;
    Ok((listener, address))
}

fn serve(listener: TcpListener, router: axum::Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    })
}

/// Shared by shopbell and the receiver; as random as a session key of the shop.
fn secret() -> String {
    shop::random_key()
}

/// Writes the rules, but no file that is there already: with `--dir` they are the visitor's to edit. The webhook is written
/// anew each time, since the receiver's port changes.
fn write_rules(dir: &Path, receiver: SocketAddr, secret: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, text) in RULES {
        let path = dir.join(name);
        if !path.exists() {
            fs::write(path, text)?;
        }
    }
    let webhook = format!(
        "# The demo's receiver. Written by `shopbell demo` at each start.\n\n[webhook.demo]\ntopic  = \"*\"\n\
         url    = \"http://{receiver}/webhook\"\nsecret = \"{secret}\"\n"
    );
    fs::write(dir.join("webhook-demo.toml"), webhook)
}
