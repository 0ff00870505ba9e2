//! Statements, and which of them take something away or ask for more than before.

use crate::tokens::{Kind, Token, Unreadable, tokens};

/// A reason has so many characters, at least.
pub const REASON_CHARS_MIN: usize = 20;
const REASON: &str = "not expand-only:";
/// Beginnings of statements that add.
const ADDING: [&str; 9] = [
    "comment on",
    "grant",
    "insert into",
    "update",
    "select",
    "set",
    "analyze",
    "with",
    "alter default privileges",
];
/// What may be made: nobody has known it before.
const MAKES: [&str; 15] = [
    "table",
    "unlogged table",
    "index",
    "sequence",
    "schema",
    "type",
    "domain",
    "extension",
    "function",
    "procedure",
    "view",
    "materialized view",
    "role",
    "statistics",
    "aggregate",
];
/// What is asked of all rows of a table.
const RULES: [&str; 6] = [
    "constraint",
    "primary",
    "unique",
    "foreign",
    "check",
    "exclude",
];
/// What may be done to a table.
const ADDING_TO_TABLE: [&str; 3] = [
    "validate constraint",
    "attach partition",
    "replica identity",
];
/// What may be done to a column.
const HARMLESS: [&str; 5] = [
    "set default",
    "drop not null",
    "set statistics",
    "set storage",
    "set compression",
];

/// A statement that a version of before may not survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it begins, from 1.
    pub line: usize,
    /// Its first words.
    pub statement: String,
    /// What is the matter.
    pub why: &'static str,
}

impl core::fmt::Display for Finding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            line,
            statement,
            why,
        } = self;
        write!(f, "line {line}: {statement} …: {why}")
    }
}

/// One statement without its comments, and the reason that they give.
struct Statement {
    line: usize,
    tokens: Vec<Kind>,
    has_reason: bool,
}

/// What in `sql` may break who runs the version before, and has no written reason.
///
/// # Errors
/// Where it cannot be read.
pub fn breaking(sql: &str) -> Result<Vec<Finding>, Unreadable> {
    let statements = statements(tokens(sql)?);
    let made: Vec<String> = statements.iter().filter_map(made_by).collect();
    let judged = statements
        .iter()
        .filter(|statement| !statement.has_reason)
        .filter_map(|statement| {
            Some(Finding {
                line: statement.line,
                statement: first_words(&statement.tokens),
                why: judge(&statement.tokens, &made)?,
            })
        });
    Ok(judged.collect())
}

fn statements(tokens: Vec<Token>) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut now = Statement {
        line: 0,
        tokens: Vec::new(),
        has_reason: false,
    };
    for Token { kind, line } in tokens {
        match kind {
            Kind::Comment(text) => now.has_reason |= gives_reason(&text),
            Kind::Sign(';') => {
                found.push(core::mem::replace(
                    &mut now,
                    Statement {
                        line: 0,
                        tokens: Vec::new(),
                        has_reason: false,
                    },
                ));
            }
            kind @ (Kind::Word(_) | Kind::Name(_) | Kind::Text | Kind::Sign(_)) => {
                if now.tokens.is_empty() {
                    now.line = line;
                }
                now.tokens.push(kind);
            }
        }
    }
    found.push(now);
    found.retain(|statement| !statement.tokens.is_empty());
    found
}

fn gives_reason(comment: &str) -> bool {
    let reason = comment.split_once(REASON).map(|(_, reason)| reason.trim());
    reason.is_some_and(|reason| reason.chars().count() >= REASON_CHARS_MIN)
}

fn first_words(tokens: &[Kind]) -> String {
    let words = tokens.iter().filter_map(|token| match token {
        Kind::Word(word) | Kind::Name(word) => Some(word.as_str()),
        Kind::Text | Kind::Sign(_) | Kind::Comment(_) => None,
    });
    words.take(5).collect::<Vec<_>>().join(" ")
}

fn is(token: Option<&Kind>, word: &str) -> bool {
    matches!(token, Some(Kind::Word(found)) if found == word)
}

/// Whether `tokens` begin with these words, and what follows them.
fn after<'a>(tokens: &'a [Kind], words: &str) -> Option<&'a [Kind]> {
    let mut rest = tokens;
    for word in words.split(' ') {
        let (first, others) = rest.split_first()?;
        if !is(Some(first), word) {
            return None;
        }
        rest = others;
    }
    Some(rest)
}

/// What follows the first of `all` that `tokens` begin with.
fn after_any<'a>(tokens: &'a [Kind], all: &[&str]) -> Option<&'a [Kind]> {
    all.iter().find_map(|words| after(tokens, words))
}

fn has(tokens: &[Kind], words: &str) -> bool {
    (0..tokens.len()).any(|at| {
        tokens
            .get(at..)
            .and_then(|rest| after(rest, words))
            .is_some()
    })
}

/// A name with its schema, and what follows it.
fn name(tokens: &[Kind]) -> Option<(String, &[Kind])> {
    let mut rest = after_any(tokens, &["if not exists", "if exists"]).unwrap_or(tokens);
    rest = after(rest, "only").unwrap_or(rest);
    let mut full = String::new();
    loop {
        let (first, others) = rest.split_first()?;
        let (Kind::Word(part) | Kind::Name(part)) = first else {
            return None;
        };
        full.push_str(part);
        match others.split_first() {
            Some((Kind::Sign('.'), others)) => {
                full.push('.');
                rest = others;
            }
            Some(_) | None => return Some((full, others)),
        }
    }
}

/// The table or function that a statement makes: whoever runs the version before does not know it.
fn made_by(statement: &Statement) -> Option<String> {
    const MADE: [&str; 3] = ["create table", "create unlogged table", "create function"];
    let rest = after_any(&statement.tokens, &MADE)?;
    name(rest).map(|(name, _)| name)
}

/// What may break, of one statement; `made` is what the same migration makes.
fn judge(tokens: &[Kind], made: &[String]) -> Option<&'static str> {
    let is_made = |rest: &[Kind]| name(rest).is_some_and(|(name, _)| made.contains(&name));
    let on_made = || {
        let at = tokens.iter().position(|token| is(Some(token), "on"));
        let rest = at.and_then(|at| tokens.get(at.checked_add(1)?..));
        rest.is_some_and(|rest| is_made(after_any(rest, &["table", "function"]).unwrap_or(rest)))
    };
    if let Some(rest) = after(tokens, "alter table") {
        return if is_made(rest) {
            None
        } else {
            table_altered(rest)
        };
    }
    if let Some(rest) = after(tokens, "create") {
        return created(rest, on_made);
    }
    if after(tokens, "revoke").is_some() && on_made() {
        return None;
    }
    if after_any(tokens, &ADDING).is_some() {
        // `WITH … DELETE`.
        return has(tokens, "delete from").then_some("deletes rows");
    }
    if after(tokens, "alter type").is_some() && has(tokens, "add value")
        || after(tokens, "alter sequence").is_some() && has(tokens, "owned by")
    {
        return None;
    }
    for (words, why) in [
        ("drop", "takes away what the version before may use"),
        ("revoke", "takes a permission away"),
        ("truncate", "deletes rows"),
        ("delete", "deletes rows"),
        ("do", "its effect cannot be read"),
    ] {
        if after(tokens, words).is_some() {
            return Some(why);
        }
    }
    Some("is not known to add only")
}

fn created(rest: &[Kind], on_made: impl Fn() -> bool) -> Option<&'static str> {
    if after(rest, "or replace").is_some() {
        return Some("replaces what the version before calls");
    }
    if after_any(rest, &MAKES).is_some() || on_made() {
        return None;
    }
    Some(if after(rest, "policy").is_some() {
        if has(rest, "as restrictive") {
            "narrows what the version before sees or writes"
        } else {
            return None;
        }
    } else if after(rest, "unique index").is_some() {
        "refuses rows that the version before may write"
    } else if after_any(rest, &["trigger", "constraint trigger"]).is_some() {
        "changes what the version before writes"
    } else {
        "is not known to add only"
    })
}

fn table_altered(rest: &[Kind]) -> Option<&'static str> {
    let Some((_, mut rest)) = name(rest) else {
        return Some("is not known to add only");
    };
    if let Some((Kind::Sign('*'), others)) = rest.split_first() {
        rest = others;
    }
    let mut depth = 0_i32;
    let actions = rest.split(|token| {
        match token {
            Kind::Sign('(') => depth = depth.saturating_add(1),
            Kind::Sign(')') => depth = depth.saturating_sub(1),
            Kind::Word(_) | Kind::Name(_) | Kind::Text | Kind::Sign(_) | Kind::Comment(_) => {}
        }
        depth == 0 && *token == Kind::Sign(',')
    });
    actions.into_iter().find_map(action)
}

/// One action of an `ALTER TABLE`.
fn action(tokens: &[Kind]) -> Option<&'static str> {
    if let Some(rest) = after(tokens, "add") {
        return if after_any(rest, &RULES).is_some() {
            Some("refuses rows that the version before may write")
        } else {
            column_added(after(rest, "column").unwrap_or(rest))
        };
    }
    let sets = after(tokens, "set").and_then(<[_]>::first);
    if after_any(tokens, &ADDING_TO_TABLE).is_some() || sets == Some(&Kind::Sign('(')) {
        return None;
    }
    if let Some(rest) = after(tokens, "alter") {
        let rest = after(rest, "column").unwrap_or(rest);
        let change = name(rest).map_or(rest, |(_, change)| change);
        return if after_any(change, &HARMLESS).is_some() {
            None
        } else if after(change, "set not null").is_some() {
            Some("refuses rows that the version before may write")
        } else if after_any(change, &["type", "set data type"]).is_some() {
            Some("gives a column another type")
        } else {
            Some("is not known to add only")
        };
    }
    for (words, why) in [
        ("drop", "takes away what the version before may use"),
        (
            "rename",
            "takes a name away that the version before may use",
        ),
        ("detach", "takes rows away"),
    ] {
        if after(tokens, words).is_some() {
            return Some(why);
        }
    }
    Some("is not known to add only")
}

fn column_added(definition: &[Kind]) -> Option<&'static str> {
    let filled = has(definition, "default") || has(definition, "generated");
    if has(definition, "not null") && !filled {
        return Some("has no value in rows that the version before writes");
    }
    // A check on a column that only has its default there holds or the migration fails.
    if has(definition, "unique") || has(definition, "primary key") {
        return Some("refuses rows that the version before may write");
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    const BREAKS: [&str; 34] = [
        "DROP TABLE souk.a",
        "DROP FUNCTION souk.f(int)",
        "drop index souk.i",
        "ALTER TABLE souk.a DROP COLUMN b",
        "ALTER TABLE souk.a DROP CONSTRAINT b, ADD COLUMN c int",
        "ALTER TABLE souk.a ADD COLUMN c int, DROP CONSTRAINT b",
        "ALTER TABLE IF EXISTS ONLY souk.a RENAME TO b",
        "ALTER TABLE souk.a RENAME COLUMN b TO c",
        "ALTER TABLE souk.a ALTER COLUMN b TYPE text",
        "ALTER TABLE souk.a ALTER b SET DATA TYPE text",
        "ALTER TABLE souk.a ALTER COLUMN b SET NOT NULL",
        "ALTER TABLE souk.a ALTER COLUMN b DROP DEFAULT",
        "ALTER TABLE souk.a ADD COLUMN b int NOT NULL",
        "ALTER TABLE souk.a ADD b int NOT NULL CHECK (b > 0)",
        "ALTER TABLE souk.a ADD COLUMN b int UNIQUE",
        "ALTER TABLE souk.a ADD CONSTRAINT c CHECK (b > 0)",
        "ALTER TABLE souk.a ADD CONSTRAINT c CHECK (b > 0) NOT VALID",
        "ALTER TABLE souk.a ADD FOREIGN KEY (b) REFERENCES souk.c",
        "ALTER TABLE souk.a ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE souk.a DETACH PARTITION b",
        "ALTER TABLE souk.a OWNER TO b",
        "ALTER TYPE souk.t RENAME VALUE 'a' TO 'b'",
        "ALTER INDEX souk.i RENAME TO j",
        "CREATE UNIQUE INDEX i ON souk.a (b)",
        "CREATE TRIGGER t BEFORE INSERT ON souk.a EXECUTE FUNCTION f()",
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON souk.a EXECUTE FUNCTION f()",
        "CREATE OR REPLACE FUNCTION souk.f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
        "CREATE POLICY p ON souk.a AS RESTRICTIVE USING (true)",
        "REVOKE SELECT ON souk.a FROM b",
        "DELETE FROM souk.a",
        "WITH x AS (DELETE FROM souk.a RETURNING 1) SELECT 1",
        "TRUNCATE souk.a",
        "DO $$ BEGIN EXECUTE 'DROP TABLE souk.a'; END $$",
        "CALL souk.p()",
    ];

    const ADDS: [&str; 22] = [
        "CREATE TABLE souk.n (a int NOT NULL, UNIQUE (a))",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON souk.a (b)",
        "CREATE FUNCTION souk.f() RETURNS int LANGUAGE sql AS $$ DROP TABLE souk.a $$",
        "CREATE VIEW souk.v AS SELECT 1",
        "CREATE POLICY p ON souk.a FOR SELECT TO souk_relay USING (true)",
        "CREATE SEQUENCE souk.s",
        "ALTER TABLE souk.a ADD COLUMN b int",
        "ALTER TABLE souk.a ADD COLUMN b int NOT NULL DEFAULT 0 CHECK (b >= 0), ADD c numeric(3, 2)",
        "ALTER TABLE souk.a ADD COLUMN b int GENERATED ALWAYS AS (c + 1) STORED",
        "ALTER TABLE souk.a ADD COLUMN IF NOT EXISTS b text NOT NULL DEFAULT 'x, DROP y'",
        "ALTER TABLE souk.a ALTER COLUMN b SET DEFAULT 1",
        "ALTER TABLE souk.a ALTER COLUMN b DROP NOT NULL",
        "ALTER TABLE souk.a VALIDATE CONSTRAINT c",
        "ALTER TABLE souk.a ATTACH PARTITION souk.b FOR VALUES IN (1)",
        "ALTER TYPE souk.t ADD VALUE 'c'",
        "ALTER SEQUENCE souk.s OWNED BY souk.a.b",
        "COMMENT ON TABLE souk.a IS 'DROP'",
        "GRANT SELECT ON souk.a TO b",
        "INSERT INTO souk.a VALUES ('DROP')",
        "UPDATE souk.a SET b = 1",
        "SET LOCAL lock_timeout = '5s'",
        "SELECT setval('souk.s', 1)",
    ];

    #[test]
    fn what_takes_away_or_asks_for_more_is_found() {
        for sql in BREAKS {
            assert_eq!(breaking(sql).unwrap().len(), 1, "{sql}");
        }
    }

    #[test]
    fn what_adds_is_let_through() {
        for sql in ADDS {
            assert_eq!(breaking(sql).unwrap(), [], "{sql}");
        }
    }

    #[test]
    fn nobody_has_used_a_table_of_the_same_migration() {
        let made = "CREATE TABLE souk.n (a int); CREATE UNIQUE INDEX i ON souk.n (a);
            ALTER TABLE souk.n ENABLE ROW LEVEL SECURITY; ALTER TABLE souk.n ADD CHECK (a > 0);
            CREATE TRIGGER t BEFORE INSERT ON souk.n EXECUTE FUNCTION f(); REVOKE ALL ON souk.n FROM b;
            CREATE FUNCTION souk.g() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
            REVOKE ALL ON FUNCTION souk.g() FROM PUBLIC; REVOKE ALL ON TABLE souk.n FROM b;";
        assert_eq!(breaking(made).unwrap(), []);
        for (own, other) in [
            ("ON souk.n (a)", "ON souk.o (a)"),
            ("FUNCTION souk.g() FROM", "FUNCTION souk.h() FROM"),
        ] {
            let changed = made.replace(own, other);
            assert_eq!(breaking(&changed).unwrap().len(), 1, "{other}");
        }
    }

    #[test]
    fn a_reason_excuses_its_own_statement_only() {
        let reason = "-- not expand-only: no version has ever read this column";
        let sql = format!("{reason}\nALTER TABLE souk.a DROP COLUMN b;\nDROP TABLE souk.c;");
        let found = breaking(&sql).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].line, found[0].statement.as_str()),
            (3, "drop table souk c")
        );
        let short = "-- not expand-only: yes\nDROP TABLE souk.a";
        assert_eq!(breaking(short).unwrap().len(), 1, "that is no reason");
        let text = "DROP TABLE souk.a; COMMENT ON TABLE souk.b IS '-- not expand-only: no version has read this'";
        assert_eq!(breaking(text).unwrap().len(), 1, "a text is no comment");
    }

    proptest! {
        /// Whatever stands around it, whatever its case, however it is spaced.
        #[test]
        fn nothing_hides_it(
            which in 0..BREAKS.len(),
            before in prop::collection::vec(0..ADDS.len(), 0..4),
            after in prop::collection::vec(0..ADDS.len(), 0..4),
            upper: bool,
            space in prop::sample::select(vec![" ", "\n", "\t", " /* x; */ ", " -- y;\n"]),
        ) {
            let changed = |sql: &str| sql.replace(' ', space);
            let hidden = if BREAKS[which].contains('\'') || BREAKS[which].contains('$') {
                BREAKS[which].to_owned()
            } else if upper {
                changed(&BREAKS[which].to_uppercase())
            } else {
                changed(BREAKS[which])
            };
            let all: Vec<_> = before.iter().map(|i| ADDS[*i].to_owned()).chain([hidden])
                .chain(after.iter().map(|i| ADDS[*i].to_owned())).collect();
            let found = breaking(&all.join(";\n")).unwrap();
            prop_assert_eq!(found.len(), 1, "{:?}", all);
        }
    }
}
