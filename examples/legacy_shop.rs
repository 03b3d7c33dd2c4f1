//! The demo's old-fashioned shop on a port of its own, to put shopbell (or anything else) in front of.
//!
//! ```text
//! cargo run --example legacy_shop -- 127.0.0.1:8000
//! shopbell run --listen 127.0.0.1:8080 --upstream http://127.0.0.1:8000 --rules rules/demo --data data/
//! ```

use shopbell::cli::demo::shop::{self, Shop};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let address = listener.local_addr()?;
    #[expect(clippy::print_stdout, reason = "an example that tells where it is")]
    {
        println!(
            "shop: http://{address}/  admin: http://{address}/admin ({} / {})",
            shop::ADMIN_USER,
            shop::ADMIN_PASSWORD
        );
    }
    axum::serve(listener, shop::router(Shop::new())).await
}
