//! MiniJinja's own filters, wrapped: an undefined value passes through all of them but `default`.

use std::sync::Arc;

use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters};

/// Filters whose public functions do not count what they make; the built-in ones are called where they stand.
const COUNTED: [&str; 10] =
    ["replace", "length", "count", "dictsort", "items", "reverse", "first", "last", "indent", "groupby"];

/// Replaces the built-in filters that would make something (an empty text, 0, an error) out of nothing.
pub(super) fn install(env: &mut Environment<'static>) {
    let mut pristine = Environment::new();
    pristine.set_fuel(env.fuel());
    pristine.set_undefined_behavior(env.undefined_behavior());
    let pristine = Arc::new(pristine);
    for name in COUNTED {
        counted(env, name, Arc::clone(&pristine));
    }
    wrap(env, "lower", filters::lower);
    wrap(env, "upper", filters::upper);
    wrap(env, "title", filters::title);
    wrap(env, "capitalize", filters::capitalize);
    wrap(env, "trim", filters::trim);
    wrap(env, "split", filters::split);
    wrap(env, "lines", filters::lines);
    wrap(env, "join", filters::join);
    wrap(env, "round", filters::round);
    wrap(env, "abs", filters::abs);
    wrap(env, "int", filters::int);
    wrap(env, "float", filters::float);
    wrap(env, "attr", filters::attr);
    wrap(env, "min", filters::min);
    wrap(env, "max", filters::max);
    wrap(env, "sum", filters::sum);
    wrap(env, "sort", filters::sort);
    wrap(env, "unique", filters::unique);
    wrap(env, "list", filters::list);
    wrap(env, "string", filters::string);
    wrap(env, "bool", filters::bool);
    wrap(env, "batch", filters::batch);
    wrap(env, "slice", filters::slice);
    wrap(env, "select", filters::select);
    wrap(env, "reject", filters::reject);
    wrap(env, "selectattr", filters::selectattr);
    wrap(env, "rejectattr", filters::rejectattr);
    wrap(env, "map", filters::map);
    wrap(env, "chain", filters::chain);
    wrap(env, "zip", filters::zip);
    wrap(env, "format", filters::format);
    wrap(env, "urlencode", filters::urlencode);
}

/// The filter moves to a name no source can spell; under its own name stands the wrapper.
fn wrap<F, Rv, Args>(env: &mut Environment<'static>, name: &'static str, filter: F)
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    let inner = format!("\u{0}{name}");
    env.add_filter(inner.clone(), filter);
    env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let args = args.into_values();
        if args.first().is_none_or(Value::is_undefined) {
            Ok(Value::UNDEFINED)
        } else {
            state.apply_filter(&inner, &args)
        }
    });
}

/// The built-in filter runs in an environment that has kept it, on as much fuel as a whole run; what it spent is charged.
fn counted(env: &mut Environment<'static>, name: &'static str, pristine: Arc<Environment<'static>>) {
    env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let args = args.into_values();
        if args.first().is_none_or(Value::is_undefined) {
            return Ok(Value::UNDEFINED);
        }
        let mut inner = pristine.empty_state();
        let value = inner.apply_filter(name, &args);
        let spent = inner.fuel_levels().map_or(0, |(spent, _)| spent);
        state.consume_fuel(spent)?;
        value
    });
}
