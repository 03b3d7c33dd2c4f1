//! What the help texts say below their options: what the command is for, and examples. (`args` has one line for each.)

/// Below `shopbell --help`.
pub(super) const SHOPBELL: &str = "\
First steps: `demo` shows it all at work. `init --shop NAME` lays out the rules of a shop that is known, `init` a starter for \
any other. `record` writes what visitors and staff do to a file, `suggest` proposes rules for it, `explain` says why a rule \
matched or did not, and `case` and `test` keep it so. `check` finds every fault before `run` does.

Exit codes: 0 done, 1 it failed or the files have faults, 2 the command line is wrong.";

pub(super) const RUN: &str = "\
All is forwarded as it comes, whatever happens to rules and deliveries. An edit in the rules directory takes effect within a \
second; one with a fault leaves the old rules in force and says why. SIGTERM lets open requests end.

  shopbell run --upstream http://127.0.0.1:8000 --rules rules --data data";

pub(super) const CHECK: &str = "\
Faults keep a set of rules from taking effect. Warnings do not: they are for rules that can never match, that another rule \
shadows, and for webhooks that would get nothing.

  shopbell check rules/my-shop
  shopbell check --json | jq -r '\"\\(.file):\\(.line) \\(.message)\"'";

pub(super) const INIT: &str = "\
A pack comes with its cases and its manual, README.md. What you set stands in files of your own, my-shop.toml and webhooks.toml: \
`check` and `test` pass at once, and `run` needs no more than the address of your receiver. Nothing is ever overwritten.

  shopbell init --shop opencart-3 rules/my-shop";

pub(super) const RECORD: &str = "\
Records what passes through the running process, from now until Ctrl-C, until --for or until --max. Cookies, passwords, \
tokens and card numbers are replaced by pseudonyms, the same one for the same value, so that rules still follow a visitor. \
The shop does not notice.

  shopbell record --out saves.jsonl --match 'POST /admin/**' --for 10m
  shopbell record --out all.har --har";

pub(super) const EXPLAIN: &str = "\
Goes through a recording in order, as the running process would, and shows each exchange where a rule matched or nearly did. \
✓ is a rule that matched, → the event it gave, … what is waited for, ✗ a rule with the first condition that does not hold and \
what was found instead. Nothing is delivered.

  shopbell explain traffic.har                a recording, or what a browser exported
  shopbell explain traffic.har --seq 12       one exchange: every value, and where it comes from
  shopbell explain traffic.har --rule NAME    one rule, wherever it matched or came near
  shopbell explain --live                     what the running process saw last";

pub(super) const CASE: &str = "\
A case is a text file of exchanges and of the events they must give. Headers that say nothing are left out; read it, shorten \
it, and give it a first line that says what it is about. Cookies, passwords and tokens are replaced, equal ones by equal words.

  shopbell case traffic.har --seq 12-15 --rules rules --out rules/cases/order-by-guest.txt";

pub(super) const TEST: &str = "\
A case states the events that must come, and of each the values that matter. What did not come as stated is shown with both \
values.

  shopbell test                        the cases of ./rules
  shopbell test rules/my-shop order    only those with `order` in their name
  shopbell test --update               write down what came; `git diff` shows what that changes";

pub(super) const SCHEMA: &str = "\
Editors with TOML support complete and check rules files by it. `init` puts it beside them; a first line \
`#:schema ./.schema.json` names it.

  shopbell schema > rules/.schema.json";

pub(super) const REPLAY: &str = "\
Prints what would be delivered, one JSON object a line, and on stderr what rules have to say. No store is opened, no look-up is \
made, nothing is sent; time is that of the recording.

  shopbell replay traffic.har | jq -c '[.topic, .id]'";

pub(super) const SUGGEST: &str = "\
Looks for requests that change something, for the answer that says it worked, and for where the id and the fields stand. Each \
proposal says what it rests on; what is not certain is commented out. Record each thing twice, and once refused: that tells \
the most.

  shopbell suggest traffic.har --out rules/new.toml";

pub(super) const BACKLOG: &str = "\
WAITING counts deliveries that were tried and are tried again, and those behind one of these. EVENTS UNREAD counts events not \
yet looked at for the webhook, whether they are for it or not. What is owed to it of these, `deliveries list` tells:

  shopbell deliveries list --webhook erp --state held";

pub(super) const ROTATE: &str = "\
The new secret is written where the old one is: into the webhook's rules file, whose other lines stay as they are, or into the \
secret file that it names. The old one moves to `secret_previous`, and until its time is over webhook-signature carries the \
signatures of both; X-WC-Webhook-Signature has room for one and switches at once. A running process takes it without a restart. \
A secret from the environment has to be changed there; the command says how.

  shopbell webhooks rotate erp                 a random secret, shown once
  shopbell webhooks rotate erp --keep 7d
  shopbell webhooks rotate erp --keep 0        the old one is known to others: it ends now
  pass show erp | shopbell webhooks rotate erp --stdin     the receiver has made it";
