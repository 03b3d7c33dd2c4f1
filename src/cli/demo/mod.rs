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

use std::io::Write as _;

use crate::app::StopSignal;

use super::args::DemoArgs;
use super::failure::Failure;
use show::Show;
use stage::Stage;

pub(super) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let mut stop = StopSignal::new().map_err(|fault| Failure::caused("signals cannot be taken", &fault))?;
    let mut stage = Stage::set(&args).await?;
    let played = tokio::select! {
        played = play(&args, &mut stage) => played,
        () = stop.recv() => Err(Failure::Failed("stopped before the visit was over".to_owned())),
    };
    // After the visit the demo runs until somebody stops it; before, only a failure or Ctrl-C ends it.
    let played = match played {
        Ok(mut show) if !args.once => tokio::select! {
            watched = show.watch(&mut stage) => watched.map(|()| show.is_complete()),
            () = stop.recv() => writeln!(anstream::stdout(), "\nstopping").map(|()| show.is_complete()).map_err(Failure::from),
        },
        other => other.map(|show| show.is_complete()),
    };
    tokio::select! {
        () = stage.strike() => {}
        () = stop.recv() => {}
    }
    if played? { Ok(()) } else { Err(Failure::Said) }
}

/// The scripted visit.
async fn play(args: &DemoArgs, stage: &mut Stage) -> Result<Show, Failure> {
    let mut show = Show::new(stage).await?;
    Show::opening(stage)?;
    let mut visit = script::Visit::new(stage.proxy);
    for step in script::STEPS {
        show.step(step)?;
        visit.take(step).await?;
        show.until_arrived(stage, step).await?;
    }
    show.summary()?;
    if !args.once {
        Show::invitation(stage)?;
    }
    Ok(show)
}
