//! Redirects: which of their goals mean that something was done.

use std::collections::BTreeSet;

use super::group::Group;
use super::sample::{Sample, Target};
use super::selector::{Place, is_word, names_kind, selects};
use super::shape::{Segment, Shape};
use super::success::{Judged, lines};
use super::text::{key, string};
use super::verdict::{Verdict, back_to_itself, thanks, verdict};
use super::words::Verb;

/// Fields of a redirect that tell what was done.
const TOLD: &[&str] = &[
    "message",
    "success",
    "trashed",
    "untrashed",
    "deleted",
    "delete_count",
    "updated",
    "update",
    "changed",
    "removed_item",
    "saved",
    "added",
    "created",
];

/// Different goals of redirects that one condition lists.
const MOST_GOALS: usize = 3;

/// No way to a login, as a condition on a text.
const NO_LOGIN: &str = "{ regex = '(?i)log-?in|sign-?in' }";

impl<'s> Judged<'s> {
    /// Finds the conditions that good redirects fulfil.
    pub(super) fn redirects(&mut self, group: &Group<'s>, verb: Option<Verb>) {
        self.conditions.push("status = \"3xx\"".to_owned());
        self.thanked(group);
        // Whoever logs in or signs up is sent on to where they wanted to go.
        if matches!(verb, Some(Verb::Login | Verb::Register)) {
            self.anywhere();
        } else {
            self.returned(verb);
            if !self.told() && !self.selected(group) {
                self.path(group);
            }
        }
    }

    /// Where some are sent to a page that thanks them, the others did not get there.
    fn thanked(&mut self, group: &Group<'s>) {
        let good = |sample: &&Sample| sample.target.as_ref().is_some_and(|target| thanks(target, &group.routers));
        let (accepted, others): (Vec<_>, Vec<_>) = self.accepted.iter().partition(|sample| good(sample));
        if !accepted.is_empty() && !others.is_empty() {
            self.cautions.push(format!(
                "{} sent elsewhere than to the page that says thanks or success: taken as refused",
                lines(&others)
            ));
            self.accepted = accepted;
            self.refused.extend(others);
        }
    }

    /// Any redirect but one to a login.
    fn anywhere(&mut self) {
        let mut guards = vec![format!("{{ location.path = {NO_LOGIN} }}")];
        let targets = || self.accepted.iter().filter_map(|sample| sample.target.as_ref());
        let fields: BTreeSet<&String> = targets().flat_map(|target| &target.query).map(|(name, _)| name).collect();
        let of = |name: &str| targets().filter_map(|target| target.field(name)).all(is_word);
        guards.extend(
            fields
                .into_iter()
                .filter(|name| selects(name) && of(name))
                .map(|name| format!("{{ location.query.{} = {NO_LOGIN} }}", key(name))),
        );
        self.conditions.push(format!("none = [{}]", guards.join(", ")));
    }

    /// A field of the redirect that says what was done: `message=6`, `trashed=1`.
    fn told(&mut self) -> bool {
        let filled =
            |target: &Target, name: &str| target.field(name).is_some_and(|value| !value.is_empty() && value != "0");
        let has = |sample: &&Sample, name: &str| sample.target.as_ref().is_some_and(|target| filled(target, name));
        for name in TOLD {
            let with = self.accepted.iter().filter(|sample| has(sample, name)).count();
            // Where most say it, those that do not did nothing: a bulk action without a tick.
            if with == 0 || with * 2 < self.accepted.len() {
                continue;
            }
            let (accepted, silent): (Vec<_>, Vec<_>) = self.accepted.iter().partition(|sample| has(sample, name));
            if !silent.is_empty() {
                self.cautions
                    .push(format!("{} without `{name}` in the Location: taken as done nothing", lines(&silent)));
            }
            self.refused.extend(silent);
            self.accepted = accepted;
            self.conditions.push(format!("location.query.{} = true", key(name)));
            return true;
        }
        false
    }

    /// Back to the form it came from: a refusal may lead there too.
    fn returned(&mut self, verb: Option<Verb>) {
        let (back, on): (Vec<&Sample>, Vec<&Sample>) = self.accepted.iter().partition(|sample| back_to_itself(sample));
        if back.is_empty() || back.iter().all(|sample| sample.form.is_empty()) {
            return;
        }
        let of = lines(&back);
        if !on.is_empty() && matches!(verb, Some(Verb::Create | Verb::Copy)) {
            self.doubts.push(format!(
                "{of} led back to the empty form: taken as refused, but `save and add another` does so too"
            ));
            self.accepted = on;
            self.refused.extend(back);
        } else if !on.is_empty() || self.refused.is_empty() {
            self.doubts.push(format!(
                "{of} led back to the very address of the form, as refusals do in many shops: if the page that follows has \
                 a box of success or error, let [flash] with `page` and `flash = \"success\"` tell them apart"
            ));
        }
    }

    /// A front controller's redirect: `route=catalog/product`, and none of what the request said and this does not say.
    fn selected(&mut self, group: &Group<'s>) -> bool {
        let Some(first) = self.accepted.first().and_then(|sample| sample.target.as_ref()) else { return false };
        let mut found = false;
        let names = |name: &&String| (selects(name) || group.routers.contains(name)) && !names_kind(name);
        for name in first.query.iter().map(|(name, _)| name).filter(names) {
            let word = |target: &'s Target| target.field(name).filter(|value| is_word(value));
            let of = |sample: &&'s Sample| word(sample.target.as_ref()?);
            let Some(values) = self.accepted.iter().map(of).collect::<Option<BTreeSet<&str>>>() else { continue };
            if values.len() <= MOST_GOALS {
                let values: Vec<String> = values.into_iter().map(string).collect();
                self.conditions.push(format!("location.query.{} = {}", key(name), one_of(&values)));
                found = true;
                if group.routers.is_empty() {
                    break;
                }
            }
        }
        let gone = |name: &str| {
            self.accepted.iter().all(|sample| sample.target.as_ref().is_some_and(|target| target.field(name).is_none()))
        };
        if found && !group.routers.is_empty() {
            let own = group.selectors.iter().filter(|own| own.place == Place::Query && gone(&own.name));
            self.conditions.extend(own.map(|own| format!("location.query.{} = false", key(&own.name))));
        }
        found
    }

    /// The path that all lead to, if it is the shop's own; else anywhere but to the login.
    fn path(&mut self, group: &Group<'s>) {
        let shape = |sample: &&Sample| Some(Shape::of(&sample.target.as_ref()?.segments));
        let shapes: BTreeSet<Shape> = self.accepted.iter().filter_map(shape).collect();
        let root = |shape: &Shape| shape.template() == "/";
        let own = shapes.iter().all(|shape| shape.is_plain(&group.shape) && !root(shape));
        if shapes.len() > MOST_GOALS || !own {
            self.cautions
                .push("the redirects lead to different places: any but a login page counts as done".to_owned());
            return self.anywhere();
        }
        let templates: Vec<String> = shapes.iter().map(|shape| string(&shape.template())).collect();
        self.conditions.push(format!("location = {}", one_of(&templates)));
        self.location = shapes.into_iter().next().filter(|_| templates.len() == 1);
    }

    /// Django's flash messages: where a refusal may look just like success, that is a doubt; elsewhere a caution.
    pub(super) fn flash(&mut self, group: &Group<'_>, action: bool) {
        let redirected = |sample: &&&Sample| verdict(sample, true, &group.routers) == Verdict::Redirected;
        if !self.accepted.iter().filter(redirected).any(|sample| sample.flash) {
            return;
        }
        let page = self.refused.iter().any(|sample| verdict(sample, false, &group.routers) == Verdict::Page);
        // One is sent up to the list from what was done, or to what was made; and back to what was refused.
        let moved = |target: &Target| {
            Shape::of(&target.segments).is_above(&group.shape)
                || numbers(&Shape::of(&target.segments)) > numbers(&group.shape)
        };
        let on = self.accepted.iter().all(|sample| sample.target.as_ref().is_some_and(moved));
        let text = "these answers carry Django's `messages` cookie";
        if page || (on && !action) {
            self.cautions.push(format!("{text}: with [flash] set, flash = \"success\" would be surer"));
        } else {
            self.conditions.push("flash = \"success\"".to_owned());
            self.doubts.push(format!(
                "{text}, and no refusal by another answer was seen: a refusal may have this status and Location too; the \
                 `flash` below, which needs [flash], tells them apart"
            ));
        }
    }
}

/// How many numbers a path holds: one more than in the request names what was made.
fn numbers(shape: &Shape) -> usize {
    shape.0.iter().filter(|segment| **segment == Segment::Int).count()
}

/// One value, or a list.
fn one_of(values: &[String]) -> String {
    if let [one] = values { one.clone() } else { format!("[{}]", values.join(", ")) }
}
