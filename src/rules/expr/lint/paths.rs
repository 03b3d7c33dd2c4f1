//! Which paths of an exchange an expression names: what must be stored for it to run later.

use minijinja::machinery::ast::Expr;

/// The variable at the bottom of a chain of attributes and its constant keys, as far as they go: of
/// `session.cart[item.key].id` it is `session`, `cart`.
pub(super) fn path(expr: &Expr<'_>) -> Option<Vec<String>> {
    let mut at = expr;
    let mut keys = Vec::new();
    loop {
        match at {
            Expr::GetAttr(attr) => {
                keys.push(attr.name.to_owned());
                at = &attr.expr;
            }
            Expr::GetItem(item) => {
                match item.subscript_expr.as_const() {
                    Some(key) if key.as_str().is_some() || key.is_integer() => {
                        keys.push(key.as_str().map_or_else(|| key.to_string(), str::to_owned));
                    }
                    // What stands behind a key that is not known yet may be anything below.
                    _ => keys.clear(),
                }
                at = &item.expr;
            }
            Expr::Var(var) => {
                keys.push(var.id.to_owned());
                keys.reverse();
                return Some(keys);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use minijinja::machinery::parse_expr;

    use super::path;

    #[test]
    fn paths_end_where_a_key_is_not_constant() {
        let rows = [
            ("form", "form"),
            ("session.me.email", "session me email"),
            ("session.cart[item.key].id", "session cart"),
            ("form['x[]'][0].y", "form x[] 0 y"),
            ("then.find.row", "then find row"),
        ];
        for (source, expected) in rows {
            let expr = parse_expr(source).unwrap();
            assert_eq!(path(&expr).unwrap().join(" "), expected, "{source}");
        }
        assert_eq!(path(&parse_expr("(a or b).c").unwrap()), None);
    }
}
