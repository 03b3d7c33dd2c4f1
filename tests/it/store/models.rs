//! Random use of a store against a model in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use shopbell::id::{Seq, WebhookId};
use shopbell::model::{Identity, Write};
use shopbell::store::{Options, Store};

use super::support::{cursor, entry, ids, notice, open_with, remember, title};

/// One thing done to a store.
#[derive(Clone, Debug)]
enum Step {
    Commit { events: usize, writes: Vec<(u8, Option<u16>)> },
    Log { records: usize, cursor: (u64, u64) },
    Reopen,
    Read(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let writes = prop::collection::vec((0u8..6, prop::option::weighted(0.8, any::<u16>())), 0..4);
    prop_oneof![
        5 => (0usize..4, writes).prop_map(|(events, writes)| Step::Commit { events, writes }),
        3 => (0usize..3, (0u64..3, any::<u64>())).prop_map(|(records, cursor)| Step::Log { records, cursor }),
        1 => Just(Step::Reopen),
        2 => any::<Index>().prop_map(Step::Read),
    ]
}

/// What should be there.
#[derive(Default)]
struct Model {
    events: Vec<(Seq, String)>,
    known: BTreeMap<u8, Option<u16>>,
    cursors: BTreeMap<u64, u64>,
    last: Seq,
}

impl Model {
    async fn take(&mut self, store: &Store, step: &Step) {
        match step {
            Step::Commit { events, writes } => {
                let names: Vec<_> = (0..*events).map(|at| format!("{}-{at}", self.events.len())).collect();
                let made = writes.iter().map(|(id, title)| write(*id, *title)).collect();
                let first = store.commit(names.iter().map(|id| entry(id)).collect(), made).await.unwrap();
                assert!(first > self.last, "sequences ascend");
                self.last = Seq(first.0 + (*events).max(1) as u64 - 1);
                self.events.extend(names.into_iter().zip(first.0..).map(|(name, seq)| (Seq(seq), name)));
                self.known.extend(writes.iter().copied());
            }
            Step::Log { records, cursor: (webhook, next) } => {
                let records = (0..*records).map(|_| notice("x")).collect();
                store.log(records, vec![cursor(*webhook, *next)]).await.unwrap();
                self.cursors.insert(*webhook, *next);
            }
            Step::Reopen => {}
            Step::Read(at) => {
                if !self.events.is_empty() {
                    let (seq, name) = at.get(&self.events);
                    let (found, next) = store.events(*seq, 1).await.unwrap();
                    assert_eq!((found[0].0, found[0].1.id.as_ref(), next), (*seq, Some(name), Seq(seq.0 + 1)));
                }
            }
        }
    }

    async fn compare(&self, store: &Store) {
        let names: Vec<_> = self.events.iter().map(|(_, name)| name.clone()).collect();
        assert_eq!(ids(store).await, names);
        for (id, expected) in &self.known {
            let expected = expected.map(|number| number.to_string());
            assert_eq!(title(store, &id.to_string()).await, expected);
        }
        for (webhook, next) in &self.cursors {
            assert_eq!(store.webhook_state(WebhookId(*webhook)).await.unwrap().cursor, Seq(*next));
        }
    }
}

fn write(id: u8, title: Option<u16>) -> Write {
    match title {
        Some(title) => remember(&id.to_string(), &title.to_string()),
        None => Write::Known { resource: "order".to_owned(), identity: Identity::Id(id.to_string()), known: None },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_its_model_does(steps in prop::collection::vec(step(), 1..25), small in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let options = Options { partition_bytes: if small { 1 } else { 1 << 20 }, ..Options::default() };
        runtime.block_on(async {
            let mut model = Model::default();
            let (mut store, _) = open_with(dir.path(), options.clone());
            for step in &steps {
                model.take(&store, step).await;
                if matches!(step, Step::Reopen) {
                    drop(store);
                    let (again, recovery) = open_with(dir.path(), options.clone());
                    assert_eq!(recovery.notes, Vec::<String>::new());
                    store = again;
                    model.compare(&store).await;
                }
            }
            model.compare(&store).await;
        });
    }
}
