//! `shopbell erase`: one customer or one order.

use std::io::Write as _;

use crate::admin::ErasedView;

use super::control::Api;
use super::deliveries::confirmed;
use super::delivery_args::EraseArgs;
use super::failure::Failure;
use super::output::{count, json_lines, pairs};

pub(super) async fn run(args: EraseArgs) -> Result<(), Failure> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let given = [("customer", &args.customer), ("order", &args.order)];
    query.extend_pairs(given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let query = query.finish();
    let api = Api::running_or_here(&args.place).await?;
    if args.sure.dry_run || !args.sure.yes {
        let counted: ErasedView = api.post(&format!("/v1/erase?{query}&dry_run=true")).await?;
        if args.sure.dry_run {
            return print(&counted, args.json);
        }
        print(&counted, false)?;
        if !confirmed("erase this for good")? {
            return Err(Failure::Failed("nothing was erased".to_owned()));
        }
    }
    let erased: ErasedView = api.post(&format!("/v1/erase?{query}")).await?;
    print(&erased, args.json)
}

fn print(view: &ErasedView, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(json_lines([view])?);
    }
    let erased = &view.erased;
    let count = |number: u64, word| count(usize::try_from(number).unwrap_or(usize::MAX), word);
    pairs(&[
        (if view.dry_run { "would erase" } else { "erased" }, count(erased.events, "event")),
        ("log", count(erased.log_records, "record")),
        ("copied", count(erased.partitions, "partition")),
        ("known", count(erased.known, "resource")),
        ("keys", erased.aliases.to_string()),
        ("visitors", erased.sessions.to_string()),
        ("waiting matches", erased.pendings.to_string()),
    ])?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "not reached:")?;
    for text in &view.unreached {
        writeln!(out, "  - {text}")?;
    }
    Ok(())
}
