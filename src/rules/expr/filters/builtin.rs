//! MiniJinja's own filters, wrapped: an undefined value passes through all of them but `default`.

use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult, Rest};
use minijinja::{Environment, Error, State, Value, filters};

/// Replaces the built-in filters that would make something (an empty text, 0, an error) out of nothing.
pub(super) fn install(env: &mut Environment<'static>) {
    wrap(env, "lower", filters::lower);
    wrap(env, "upper", filters::upper);
    wrap(env, "title", filters::title);
    wrap(env, "capitalize", filters::capitalize);
    wrap(env, "replace", filters::replace);
    wrap(env, "trim", filters::trim);
    wrap(env, "split", filters::split);
    wrap(env, "lines", filters::lines);
    wrap(env, "join", filters::join);
    wrap(env, "round", filters::round);
    wrap(env, "abs", filters::abs);
    wrap(env, "int", filters::int);
    wrap(env, "float", filters::float);
    wrap(env, "attr", filters::attr);
    wrap(env, "first", filters::first);
    wrap(env, "last", filters::last);
    wrap(env, "min", filters::min);
    wrap(env, "max", filters::max);
    wrap(env, "sum", filters::sum);
    wrap(env, "sort", filters::sort);
    wrap(env, "unique", filters::unique);
    wrap(env, "list", filters::list);
    wrap(env, "string", filters::string);
    wrap(env, "bool", filters::bool);
    wrap(env, "length", filters::length);
    wrap(env, "count", filters::length);
    wrap(env, "reverse", filters::reverse);
    wrap(env, "items", filters::items);
    wrap(env, "dictsort", filters::dictsort);
    wrap(env, "groupby", filters::groupby);
    wrap(env, "batch", filters::batch);
    wrap(env, "slice", filters::slice);
    wrap(env, "indent", filters::indent);
    wrap(env, "select", filters::select);
    wrap(env, "reject", filters::reject);
    wrap(env, "selectattr", filters::selectattr);
    wrap(env, "rejectattr", filters::rejectattr);
    wrap(env, "map", filters::map);
    wrap(env, "chain", filters::chain);
    wrap(env, "zip", filters::zip);
    wrap(env, "format", filters::format);
    wrap(env, "tojson", filters::tojson);
    wrap(env, "urlencode", filters::urlencode);
}

/// The filter moves to a name no source can spell; under its own name stands the wrapper, which also charges for the length
/// of what it is given (MiniJinja's public functions do not).
fn wrap<F, Rv, Args>(env: &mut Environment<'static>, name: &'static str, filter: F)
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    let inner = format!("\u{0}{name}");
    env.add_filter(inner.clone(), filter);
    env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<Value>| -> Result<Value, Error> {
        let Some(value) = args.first().filter(|value| !value.is_undefined()) else { return Ok(Value::UNDEFINED) };
        if value.as_str().is_none() {
            state.consume_fuel(value.len().unwrap_or(0) as u64)?;
        }
        state.apply_filter(&inner, &args)
    });
}
