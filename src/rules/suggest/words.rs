//! Words that shops use in paths, fields and operation names, and what they mean.

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Create,
    Copy,
    Update,
    Save,
    Delete,
    Restore,
    Apply,
    Register,
    Login,
    Logout,
    /// It only shows or checks something.
    Read,
}

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Noun {
    Product,
    Order,
    Customer,
    Coupon,
    Category,
    Review,
    Cart,
    /// The visitor's own account: who that is stands nowhere in the request.
    Me,
}

impl Noun {
    /// The resource of topics.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Order => "order",
            Self::Customer | Self::Me => "customer",
            Self::Coupon => "coupon",
            Self::Category => "category",
            Self::Review => "review",
            Self::Cart => "cart",
        }
    }
}

/// What one word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Verb(Verb),
    Noun(Noun),
    /// It says nothing by itself: folders, file endings, particles.
    Neutral,
    /// A thing this table does not know.
    Unknown,
}

/// The meaning of a word in lower case.
pub(super) fn meaning(word: &str) -> Meaning {
    if let Some(verb) = verb(word) {
        return Meaning::Verb(verb);
    }
    if let Some(noun) = noun(word) {
        return Meaning::Noun(noun);
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) || NEUTRAL.contains(&word) || is_version(word) {
        return Meaning::Neutral;
    }
    Meaning::Unknown
}

fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "add" | "added" | "adds" | "create" | "insert" | "new" | "place" => Verb::Create,
        "copy" | "duplicate" | "clone" => Verb::Copy,
        "edit" | "edited" | "update" | "modify" | "change" | "changed" | "history" | "mark" | "feature" | "toggle"
        | "setflag" | "updated" => Verb::Update,
        "save" | "publish" | "upsert" => Verb::Save,
        "delete" | "del" | "remove" | "trash" | "destroy" | "deleteconfirm" => Verb::Delete,
        "untrash" | "restore" | "undelete" | "undo" | "reactivate" => Verb::Restore,
        "apply" | "redeem" => Verb::Apply,
        "register" | "signup" | "registration" => Verb::Register,
        "login" | "signin" | "logon" | "authenticate" => Verb::Login,
        "logout" | "signout" | "logoff" => Verb::Logout,
        "list" | "search" | "filter" | "view" | "info" | "preview" | "validate" | "check" | "get" | "load"
        | "heartbeat" | "refresh" | "refreshed" | "autocomplete" | "poll" | "ping" | "track" | "beacon"
        | "currency" | "language" | "setlang" | "locale" | "contact" | "forgotten" | "reset" | "newsletter"
        | "queue" | "queueing" | "lock" | "download" | "export" | "print" | "autosave" => Verb::Read,
        _ => return None,
    })
}

fn noun(word: &str) -> Option<Noun> {
    Some(match word {
        "product" | "products" | "article" | "articles" => Noun::Product,
        "order" | "orders" => Noun::Order,
        "customer" | "customers" | "user" | "users" | "member" | "members" => Noun::Customer,
        "coupon" | "coupons" | "voucher" | "vouchers" | "promocode" | "couponcode" => Noun::Coupon,
        "category" | "categories" | "cat" | "cats" => Noun::Category,
        "review" | "reviews" => Noun::Review,
        "cart" | "basket" | "bag" => Noun::Cart,
        "account" | "accounts" | "profile" | "me" | "password" => Noun::Me,
        _ => return None,
    })
}

/// Words of folders, files and particles.
const NEUTRAL: &[&str] = &[
    "",
    "admin",
    "api",
    "backend",
    "catalog",
    "catalogue",
    "dashboard",
    "manage",
    "marketing",
    "sale",
    "sales",
    "shop",
    "store",
    "index",
    "php",
    "html",
    "htm",
    "asp",
    "aspx",
    "jsp",
    "cgi",
    "do",
    "json",
    "rest",
    "wp",
    "wc",
    "ajax",
    "common",
    "main",
    "page",
    "listing",
    "grid",
    "to",
    "from",
    "the",
    "of",
    "in",
    "post",
    "posts",
    "form",
    "data",
    "submit",
    "process",
    "confirm",
    "confirmed",
    "action",
    "status",
    "inline",
    "auth",
    "id",
    "ids",
    "checkout",
    "zadmin",
    "administrator",
    "backoffice",
    "back",
    "office",
    "myadmin",
    "bulk",
    "woocommerce",
    "shopping",
    "my",
    "secure",
    "web",
    "site",
    "default",
    "module",
    "extension",
    "item",
    "items",
    "edit-tags",
    "button",
    "btn",
    "code",
    "continue",
    "another",
];

/// `v1`, `v2`, …
fn is_version(word: &str) -> bool {
    word.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Verbs that stand glued before a noun or behind `do`: `createuser`, `deleteproduct`, `dodelete`.
const GLUED: &[&str] = &["create", "delete", "update", "insert", "edit", "add", "remove", "edited", "submit", "do"];

/// The words of a name: `change_order_status`, `wc-ajax`, `createUser`, `editpost`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last_lower = false;
    for letter in text.chars() {
        if !letter.is_alphanumeric() {
            words.push(String::new());
        } else if letter.is_uppercase() && last_lower {
            words.push(letter.to_lowercase().collect());
        } else if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        last_lower = letter.is_lowercase();
    }
    words.into_iter().filter(|word| !word.is_empty()).flat_map(unglued).collect()
}

fn unglued(word: String) -> Vec<String> {
    if meaning(&word) != Meaning::Unknown {
        return vec![word];
    }
    for start in GLUED {
        if let Some(rest) =
            word.strip_prefix(start).filter(|rest| !rest.is_empty() && meaning(rest) != Meaning::Unknown)
        {
            return vec![(*start).to_owned(), rest.to_owned()];
        }
    }
    vec![word]
}

/// Whether all of a name is in these tables: then it is the shop's, and no product's or person's.
pub(super) fn is_vocabulary(text: &str) -> bool {
    const ALSO: &[&str] = &[
        "success",
        "received",
        "thank",
        "you",
        "thanks",
        "complete",
        "completed",
        "done",
        "batch",
        "line",
        "lines",
        "address",
        "addresses",
        "shipping",
        "payment",
        "billing",
        "details",
        "method",
        "methods",
        "variant",
        "variants",
        "sets",
        "set",
        "offers",
        "offer",
        "condition",
        "incentive",
        "metadata",
        "restrictions",
        "wishlist",
        "wishlists",
        "guest",
        "tag",
        "tags",
        "notes",
        "note",
        "images",
        "image",
        "i18n",
        "attributes",
        "options",
        "settings",
        "comments",
        "es",
        "de",
    ];
    let words = words(text);
    !words.is_empty() && words.iter().all(|word| meaning(word) != Meaning::Unknown || ALSO.contains(&word.as_str()))
}

/// Whether some word of a name has this meaning.
pub(super) fn says(text: &str, wanted: impl Fn(Meaning) -> bool) -> bool {
    words(text).iter().any(|word| wanted(meaning(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        for (name, expected) in [
            ("catalog/product/add", "catalog product add"),
            ("change_order_status", "change order status"),
            ("createUser", "create user"),
            ("createuser", "create user"),
            ("editpost", "edit post"),
            ("dodelete", "do delete"),
            ("deleteproduct", "delete product"),
            ("user-new.php", "user new php"),
            ("address", "address"),
            ("HTML", "html"),
            ("", ""),
            ("--", ""),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn what_a_shop_says_is_told_from_what_it_sells() {
        for (name, is) in
            [("products", true), ("thank-you", true), ("order-received", true), ("green-tea", false), ("", false)]
        {
            assert_eq!(is_vocabulary(name), is, "{name}");
        }
    }
}
