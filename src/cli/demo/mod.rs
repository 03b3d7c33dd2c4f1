//! `shopbell demo`: a shop, shopbell in front of it and a receiver behind it, in one process and with nothing else needed.
//!
//! Nothing is pretended: the visitors speak HTTP with the same proxy that `run` starts, the rules are those of `rules/demo`,
//! and the receiver checks signatures as any WooCommerce client does.

mod receiver;
mod script;
pub mod shop;
mod show;
mod stage;
mod visitor;

use super::args::DemoArgs;
use super::failure::Failure;
use show::Show;
use stage::Stage;

pub(super) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let mut stage = Stage::set(&args).await?;
    let mut show = Show::new(&stage).await?;
    Show::opening(&stage)?;
    let played = play(&args, &mut stage, &mut show).await;
    stage.strike().await;
    played
}

async fn play(args: &DemoArgs, stage: &mut Stage, show: &mut Show) -> Result<(), Failure> {
    let mut visit = script::Visit::new(stage.proxy);
    for step in script::STEPS {
        show.step(step)?;
        visit.take(step).await?;
        show.until_arrived(stage, step).await?;
    }
    let complete = show.summary()?;
    if !args.once {
        Show::invitation(stage)?;
        show.until_stopped(stage).await?;
    }
    if complete { Ok(()) } else { Err(Failure::Said) }
}
